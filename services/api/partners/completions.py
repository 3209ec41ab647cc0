"""`/{locale}/partners/games/{game_id}/completions`: a completed game, told over HTTP by who has no Kafka."""

from __future__ import annotations

import asyncpg
import orjson

from schemas.events.types import GAME_COMPLETED as COMPLETED
from schemas.partners.completions import Completion, CompletionQueued, read_completion
from schemas.topics import GAME_COMPLETED
from services.api.edge.description import takes
from services.api.edge.idempotency import once
from services.api.edge.problems import defined, not_found
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.edge.telling import tell
from services.api.partners.description import gives
from services.api.partners.envelope import success
from services.api.partners.games import Asked, GameId
from services.api.partners.shown_games import shown_game

router = Router(prefix="/{locale}/partners/games/{game_id}/completions", tags=["games"])


@router.post(
    "",
    status_code=202,
    responses=gives(202, CompletionQueued, "The completion is queued.", 400),
    openapi_extra=takes(Completion),
)
async def tell_completion(call: Asked, game_id: GameId) -> Reply:
    """Tell that a customer completed the game. It is decided in its turn, as if it had come by Kafka."""
    completion = defined(read_completion, await call.json_object())
    data = {"partner_id": call.partner_id, "game_id": game_id} | completion.model_dump()

    async def work(connection: asyncpg.Connection) -> Reply:
        if await shown_game(connection, call.partner_id, game_id) is None:
            raise not_found("game_id")
        event_id = await tell(
            connection,
            call,
            topic=GAME_COMPLETED,
            type=COMPLETED,
            customer_id=completion.customer_id,
            value=orjson.dumps(data).decode(),
        )
        return success({"eventId": event_id}, status=202, message="Completion queued successfully")

    return await once(call, work)
