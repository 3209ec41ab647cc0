"""The values of outgoing events as JSON text, in the shapes of `schemas` (a test holds the two together).

Written by hand from prebuilt pieces, because one is made for every event: what depends on a game's version alone
is encoded once, and a value is those pieces joined with what is new. Every text that comes from outside passes through
orjson; ids, codes and instants are our own and need no escaping.

With `mask_codes`, the middle of a code gives way: `SUMMER-****-****-****-3F7K`. The last group is left so that people
can tell two coupons apart; 60 of its 75 random bits are hidden.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import orjson

from services.domain.coupons.codes import display, ending
from services.domain.coupons.coupon import Coupon
from services.domain.coupons.effects import DeclineIssuance, IssueCoupon
from services.domain.events import Cause
from services.domain.exact import text_or_none
from services.domain.origins import Source, SourceKind
from services.domain.program import Game
from services.domain.terms import Terms

MASKED_GROUPS: Final = "****-****-****-"
MAX_CACHED_GAMES: Final = 20_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pieces:
    """What all values about one version of a game have in common."""

    game: Game
    ids: str
    reward: str
    rule: str


_pieces_by_game: dict[int, _Pieces] = {}


def issued_value(
    issue: IssueCoupon, game: Game, customer_id: str, cause: Cause, *, mask_codes: bool = False
) -> str:
    """Data of `coupon.issued`. ValueError unless `game` is at the version the coupon was issued under."""
    if issue.rule_version != game.version:
        raise ValueError(
            f"coupon {issue.coupon_id} was issued under version {issue.rule_version} of game {game.id}, "
            f"not {game.version}"
        )
    pieces = _pieces_of(game)
    expires_at = issue.expires_at
    validity = (
        'null,"is_unlimited":true'
        if expires_at is None
        else f'"{instant(expires_at)}","is_unlimited":false'
    )
    return (
        f'{{"coupon_id":"{issue.coupon_id}",'
        f'"code":"{shown_code(issue.code, issue.code_prefix, mask_codes)}",'
        f'"code_status":"final",{pieces.ids}"customer_id":{quoted(customer_id)},{pieces.reward}'
        f'"issued_at":"{instant(issue.issued_at)}","expires_at":{validity},'
        f'"rule":{pieces.rule},"cause":{cause_text(cause)}}}'
    )


def declined_value(
    decline: DeclineIssuance,
    game: Game | None,
    partner_id: int,
    customer_id: str,
    cause: Cause,
    decided_at: datetime,
) -> str:
    """Data of `issuance.declined`. `partner_id` is the event's own; `game` None when it has no such game."""
    blocking = f'"{decline.blocking_coupon_id}"' if decline.blocking_coupon_id else "null"
    rule = "null" if game is None else _pieces_of(game).rule
    return (
        f'{{"partner_id":{partner_id},"game_id":{decline.game_id},'
        f'"customer_id":{quoted(customer_id)},"reason":"{decline.reason}",'
        f'"blocking_coupon_id":{blocking},'
        f'"cause":{cause_text(cause)},"decided_at":"{instant(decided_at)}",'
        f'"rule":{rule}}}'
    )


def lifecycle_value(
    coupon: Coupon,
    *,
    partner_id: int,
    customer_id: str,
    at: datetime,
    cause: Cause | None,
    reason: str | None = None,
    order_id: str | None = None,
    shop_id: int | None = None,
    external_code: str | None = None,
    mask_codes: bool = False,
) -> str:
    """Data of a `coupon-lifecycle` event: the coupon after it. Of where and how long, what says nothing is left out."""
    reserved_until, expires_at = coupon.reserved_until, coupon.expires_at
    details: Mapping[str, str | int | None] = {
        "order_id": order_id,
        "shop_id": shop_id,
        "reserved_until": instant(reserved_until) if reserved_until else None,
        "expires_at": instant(expires_at) if expires_at else None,
        "external_code": masked_text(external_code)
        if external_code is not None and mask_codes
        else external_code,
    }
    value = {
        "coupon_id": coupon.id,
        **codes_value(coupon.code, coupon.code_prefix, coupon.external_code, mask_codes),
        "code_status": coupon.code_status,
        "partner_id": partner_id,
        "game_id": coupon.game_id,
        "customer_id": customer_id,
        "source": source_value(coupon.source or Source(SourceKind.GAME, str(coupon.game_id))),
        "program_version": coupon.program_version,
        "terms": None if coupon.terms is None else terms_value(coupon.terms, coupon.used_count),
        "status": coupon.status,
        "at": instant(at),
        "cause": cause_value(cause),
        "reason": reason,
        **{name: detail for name, detail in details.items() if detail is not None},
    }
    return orjson.dumps(value).decode()


def cause_value(cause: Cause | None) -> dict[str, str] | None:
    """The event that led to it; None: time did, or somebody by hand."""
    return None if cause is None else {"source": cause.source, "id": cause.id, "type": cause.type}


def source_value(source: Source) -> dict[str, str]:
    """What something was earned by, or taken for."""
    return {"kind": source.kind, "id": source.id}


def terms_value(terms: Terms, used_count: int) -> dict[str, Any]:
    """What a coupon is worth, and when it applies."""
    combines = terms.combines_with
    return {
        "type": terms.type,
        "value": text_or_none(terms.value),
        "currency": terms.currency,
        "min_order_value": text_or_none(terms.min_order_value),
        "capping": text_or_none(terms.capping),
        "usage_limit": terms.usage_limit,
        "used_count": used_count,
        "combines_with": None if combines is None else asdict(combines),
        "product_ids": list(terms.product_ids),
        "collection_ids": list(terms.collection_ids),
        "platforms": list(terms.platforms),
        "group": terms.group,
    }


def shown_code(code: str, prefix: str, masked: bool) -> str:
    """A stored code as it leaves the house."""
    if not masked:
        return display(code, prefix)
    groups = f"{MASKED_GROUPS}{code[-4:]}"
    return f"{prefix}-{groups}" if prefix else groups


def codes_value(code: str, prefix: str, external: str | None, masked: bool) -> dict[str, str]:
    """The code that the customer shows; beside one that the partner brought, ours."""
    own = shown_code(code, prefix, masked)
    if external is None:
        return {"code": own}
    return {"code": masked_text(external) if masked else external, "internal_code": own}


def masked_text(code: str) -> str:
    """Another's code: the last four characters are left of it, no more than half of a short one."""
    return f"****{ending(code)}"


def instant(at: datetime) -> str:
    """A zoned instant as RFC 3339, UTC, with microseconds and `Z`. TypeError without a zone.

    A third of the price of `isoformat`, which spells out the offset anew each time.
    """
    since = at - _EPOCH
    return f"{_second(since.days, since.seconds)}.{since.microseconds:06}Z"


@lru_cache(maxsize=4096)
def _second(days: int, seconds: int) -> str:
    return (_EPOCH + timedelta(days=days, seconds=seconds)).isoformat()[:19]


def _pieces_of(game: Game) -> _Pieces:
    """Kept per game. Compared as a whole, not by version: a restored database may count versions again."""
    pieces = _pieces_by_game.get(game.id)
    if pieces is None or (pieces.game is not game and pieces.game != game):
        if len(_pieces_by_game) >= MAX_CACHED_GAMES:
            _pieces_by_game.clear()
        pieces = _pieces_by_game[game.id] = _Pieces(
            game=game,
            ids=f'"partner_id":{game.partner_id},"game_id":{game.id},',
            reward=(
                f'"source":{{"kind":"game","id":"{game.id}"}},"program_version":null,"terms":null,'
                f'"reward_description":{quoted(game.reward_description)},'
                f'"product_ids":{orjson.dumps(game.product_ids).decode()},'
            ),
            rule=_rule(game),
        )
    return pieces


def _rule(game: Game) -> str:
    return orjson.dumps(
        {
            "allow_multiple_active_coupons": game.allow_multiple_active_coupons,
            "coupon_validity_days": game.coupon_validity_days,
            "version": game.version,
        }
    ).decode()


def cause_text(cause: Cause) -> str:
    """The event that led to it."""
    source, type_ = _origin(cause.source, cause.type)
    return f"{source}{quoted(cause.id)}{type_}"


@lru_cache(maxsize=4096)
def _origin(source: str, type_: str) -> tuple[str, str]:
    return f'{{"source":{quoted(source)},"id":', f',"type":{quoted(type_)}}}'


def quoted(of: str) -> str:
    """A text from outside as JSON."""
    return orjson.dumps(of).decode()
