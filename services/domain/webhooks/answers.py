"""What the answer of a partner's own coupon system means: a code, a promise of one, a farewell, or a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LONGEST_CODE: Final = 255
CODE_NAMES: Final = ("couponCode", "code")
"""Where the code stands; where both do, in the first."""


class DeliveryKind(StrEnum):
    """What a partner's system is told."""

    ISSUED = "issued"
    CANCELLED = "cancelled"


class AttemptError(StrEnum):
    """Why an attempt brought nothing. The last two: there was none, since the coupon was over before the first."""

    FORBIDDEN_ADDRESS = "forbidden_address"
    UNRESOLVED = "unresolved"
    REFUSED = "refused"
    RESET = "reset"
    TIMEOUT = "timeout"
    TLS = "tls"
    NOT_HTTP = "not_http"
    STATUS = "status"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    NO_CODE = "no_code"
    CODE_TAKEN = "code_taken"
    GONE = "gone"
    INTERRUPTED = "interrupted"
    COUPON_CANCELLED = "coupon_cancelled"
    COUPON_EXPIRED = "coupon_expired"


class Outcome(StrEnum):
    """What is done about it."""

    DONE = "done"
    PROMISED = "promised"
    """The code follows; else it is asked for again."""
    GONE = "gone"
    """Nothing is to be sent there any more."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `document` is the body's JSON value; where there is none `error` says why, or that none came."""

    status: int | None = None
    document: object = None
    error: AttemptError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`code` of what is done, `error` of what failed."""

    outcome: Outcome
    code: str | None = None
    error: AttemptError | None = None


def verdict(answer: Answer, kind: DeliveryKind = DeliveryKind.ISSUED) -> Verdict:
    """What this answer means to who was told that a coupon exists, or that it is cancelled, which brings no code."""
    status = answer.status
    if status is None:
        return _failed(answer.error or AttemptError.RESET)
    if status == 410:
        return Verdict(outcome=Outcome.GONE, error=AttemptError.GONE)
    if kind is DeliveryKind.CANCELLED and 200 <= status < 300:
        return Verdict(outcome=Outcome.DONE)
    if status == 202:
        return Verdict(outcome=Outcome.PROMISED)
    if status not in (200, 201):
        return _failed(AttemptError.STATUS)
    if answer.error is not None:
        return _failed(answer.error)
    if not isinstance(answer.document, Mapping):
        return _failed(AttemptError.NOT_JSON)
    code = next(
        (answer.document[name] for name in CODE_NAMES if answer.document.get(name) is not None),
        None,
    )
    if isinstance(code, str) and is_code(code):
        return Verdict(outcome=Outcome.DONE, code=code)
    return _failed(AttemptError.NO_CODE)


def is_code(text: str) -> bool:
    """Whether a text can be a code: 1 to 255 characters, no white space at its ends, none that is not text at all."""
    return (
        1 <= len(text) <= LONGEST_CODE
        and text.strip() == text
        and "\0" not in text
        and not any("\ud800" <= sign <= "\udfff" for sign in text)
    )


def _failed(error: AttemptError) -> Verdict:
    return Verdict(outcome=Outcome.FAILED, error=error)
