"""What a single value of a webhook may be: an address to call, headers and parameters, a payload; secrets among them.

What is stored is not judged again: where webhooks may lead is a setting, which may have been another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import ValidationInfo

from schemas.definitions import refusal
from schemas.gameball_v4 import exact_json
from schemas.gameball_v4.placeholders import check_payload, checked, without
from schemas.gameball_v4.values import (
    ADDRESS,
    LONGEST_TEXT,
    LONGEST_URL,
    Circumstances,
    Reads,
    is_address,
    storable,
)
from schemas.gameball_v4.webhook_addresses import can_be_called, forbidden, literal_address

SEALED: Final = "sealed"
LEAST_FREE_PORT: Final = 1024
"""Below it stand services that are not called by who asks for coupons; 443 excepted."""
OURS: Final = frozenset(
    {"host", "content-length", "content-type", "connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
     "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)  # fmt: skip
"""Headers that whoever sends writes, or that end at the next hop; so does what begins with `webhook-`."""
_SECRET_WORDS: Final = ("auth", "key", "token", "secret", "password", "signature", "cookie")
_is_token = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}").fullmatch
_HOST: Final = "Must name its host, or write its address in the usual way"
_LONG: Final = f"Must be up to {LONGEST_TEXT} characters"
_PAYLOAD: Final = f"Must be an object, or JSON as a text, of up to {LONGEST_TEXT} characters"


def is_secret(name: str) -> bool:
    """Whether a header or a parameter of this name holds what is shown to nobody."""
    return any(word in name.lower() for word in _SECRET_WORDS)


def is_sealed(value: Any) -> bool:
    """Whether a value is a secret as it is stored."""
    return isinstance(value, dict)


def _stored(info: ValidationInfo) -> bool:
    return isinstance(info.context, Circumstances) and info.context.is_stored


def _reads(check: Callable[[str], str]) -> Callable[[Any, ValidationInfo], Any]:
    """A text that may be a secret: once it is stored it is not judged again."""

    def read(value: Any, info: ValidationInfo) -> Any:
        if _stored(info):
            return value
        text = storable(value, _LONG)
        if len(text) > LONGEST_TEXT:
            raise refusal(_LONG)
        return check(text)

    return read


def _header_value(text: str) -> str:
    text = checked(text.strip())
    if not text.isprintable():
        raise refusal("Must not contain control characters")
    return text


def _header_name(value: Any, info: ValidationInfo) -> str:
    if type(value) is not str or not _is_token(value):
        raise refusal("Must be the name of a header")
    if value.lower() in OURS or value.lower().startswith("webhook-"):
        raise refusal("Is a header that is not for partners to set")
    return value


def _parameter_name(value: Any, info: ValidationInfo) -> str:
    says = "Must be between 1 and 255 characters"
    text = storable(value, says)
    if not 1 <= len(text) <= 255:
        raise refusal(says)
    return without(text)


def _url(value: Any, info: ValidationInfo) -> str:
    if _stored(info):
        return str(value)
    if type(value) is not str or not is_address(value) or "\\" in value:
        raise refusal(ADDRESS)
    lifted = isinstance(info.context, Circumstances) and info.context.allows_private
    parts = urlsplit(without(value))
    if "@" in parts.netloc:
        raise refusal("Must hold no user name and no password: see authentication")
    if not can_be_called(parts.netloc):
        raise refusal(_HOST)
    if lifted:
        return value
    if parts.scheme != "https":
        raise refusal("Must be an https address")
    if parts.port is not None and parts.port != 443 and parts.port < LEAST_FREE_PORT:
        raise refusal(f"Must have the port 443, or one from {LEAST_FREE_PORT} up")
    try:
        host = parts.hostname or ""
        if parts.netloc.startswith("[") and ":" not in host:
            raise ValueError("an address of a version that nobody has")
        address = literal_address(host)
    except ValueError:
        raise refusal(_HOST) from None
    if address is not None and forbidden(address):
        raise refusal("Must not lead to an address that is private, local or reserved")
    return value


def _payload(value: Any, info: ValidationInfo) -> str:
    if _stored(info):
        return str(value)
    try:
        text = exact_json.write(value) if isinstance(value, dict) else storable(value, _PAYLOAD)
        exact_json.read(text)
    except (RecursionError, ValueError):
        raise refusal(_PAYLOAD) from None
    if len(storable(text, _PAYLOAD)) > LONGEST_TEXT:
        raise refusal(_PAYLOAD)
    check_payload(text)
    return text


_A_TEXT: Final = {"type": "string", "maxLength": LONGEST_TEXT}
HeaderName = Annotated[
    str, Reads(_header_name, {"type": "string", "minLength": 1, "maxLength": 255})
]
ParameterName = Annotated[
    str, Reads(_parameter_name, {"type": "string", "minLength": 1, "maxLength": 255})
]
HeaderValue = Annotated[Any, Reads(_reads(_header_value), _A_TEXT)]
ParameterValue = Annotated[Any, Reads(_reads(checked), _A_TEXT)]
Password = Annotated[Any, Reads(_reads(str), _A_TEXT)]
WebhookUrl = Annotated[
    str, Reads(_url, {"type": "string", "format": "uri", "maxLength": LONGEST_URL})
]
Payload = Annotated[str, Reads(_payload, {"type": ["string", "object"]})]
