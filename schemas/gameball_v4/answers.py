"""What the v4 dialect answers, for its description: documents as `shown` makes them, and errors."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from schemas.fields import Outgoing
from schemas.gameball_v4.settings import ProgramSettings


class ApiError(Outgoing):
    """Why a request was not done. `type` is the category of `code`."""

    model_config = ConfigDict(alias_generator=to_camel)
    code: int
    type: str
    message: str
    documentation_url: str
    request_id: str


class ApiFieldErrors(ApiError):
    """Which fields or parameters break their rules, by dotted path."""

    errors: dict[str, Annotated[list[str], Field(min_length=1)]]


class ApiConflict(ApiError):
    """`reason`: a word, for programs."""

    reason: str


class ShownSettings(ProgramSettings):
    """What holds for the whole program. `version` counts its changes, 0 before the first."""

    version: Annotated[int, Field(ge=0)]
