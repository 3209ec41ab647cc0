"""What a record seems to be that cannot be read: dialects of other tools, each with what to do about it.

Said beside what is wrong, never instead of it, and nothing is decided upon it.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import from_json, to_json

from schemas.envelope import CONTENT_TYPE, PREFIX, STRUCTURED_JSON

Headers = Mapping[str, bytes | None]

_MOST_BYTES: Final = 4_096
"""Of a value that is looked at: a guess must not cost more than reading did."""
_QUOTES: Final = (b'"', b"'")
_MOST_TIMES: Final = 5
"""That a value was encoded as JSON, one time after the other."""
_STARTS: Final = (
    (b"\xef\xbb\xbf", "the value begins with a byte order mark: send UTF-8 without one"),
    (b"\xff\xfe", "the value is UTF-16: send UTF-8"),
    (b"\xfe\xff", "the value is UTF-16: send UTF-8"),
    (b"\x1f\x8b", "the value is compressed with gzip: send plain JSON and let the producer compress batches"),
    (b"\x78\x9c", "the value is compressed with zlib: send plain JSON and let the producer compress batches"),
    (b"\x04\x22\x4d\x18", "the value is compressed with lz4: send plain JSON and let the producer compress batches"),
    (b"\x28\xb5\x2f\xfd", "the value is compressed with zstd: send plain JSON and let the producer compress batches"),
    (b"\xac\xed", "the value is a serialized Java object: use a serializer of plain JSON"),
    (b"\x00{", "the value is UTF-16: send UTF-8"),
    (b"\x00", "the value begins with the id of a schema registry: use a serializer of plain JSON"),
    (b"Obj\x01", "the value is an Avro file: send JSON"),
    (b"<", "the value is XML: send JSON"),
    (b"{'", "the value has names in single quotes: that is no JSON, use a JSON encoder"),
)  # fmt: skip


def advice(headers: Headers, value: bytes) -> str | None:
    """One sentence on what to do, where the record looks like something known; None where it does not."""
    about = _about_headers(headers, value)
    if about is None and is_structured(headers) and "data" in (within := members(value)):
        value = to_json(within["data"])
    return about or _about_value(value)


def is_structured(headers: Headers) -> bool:
    """Whether the record says that its value is a whole event."""
    return (headers.get(CONTENT_TYPE) or b"").lower().startswith(b"application/cloudevents")


def _about_headers(headers: Headers, value: bytes) -> str | None:
    quoted = next(
        (
            name
            for name, text in headers.items()
            if (name.startswith(PREFIX) or name == CONTENT_TYPE)
            and text
            and len(text) > 1
            and text[:1] == text[-1:]
            and text[:1] in _QUOTES
        ),
        None,
    )
    if quoted is not None:
        return f"{quoted} is in quotes: send header values as plain text, not as JSON"
    has_attributes = any(name.startswith(PREFIX) for name in headers)
    structured = is_structured(headers)
    if not has_attributes:
        for name in headers:
            plain = name.lower().replace("-", "_").replace(":", "_").replace("cloudevents_", PREFIX)
            if plain != name and plain in (f"{PREFIX}specversion", f"{PREFIX}id", f"{PREFIX}type"):
                return f"there is a header {name[:40]!r}: on Kafka its name is {plain}"
    own = members(value)
    if not structured and not has_attributes and "specversion" in own:
        return (
            f"the value is a whole event: send the header {CONTENT_TYPE}: {STRUCTURED_JSON} with it"
        )
    if structured and has_attributes and own and "specversion" not in own:
        return (
            f"the attributes are in headers and the value is the data alone: send the header "
            f"{CONTENT_TYPE}: application/json instead of {STRUCTURED_JSON}"
        )
    return None


def _about_value(value: bytes) -> str | None:
    for start, text in _STARTS:
        if value.startswith(start):
            return text
    if value[1:2] == b"\x00":
        return "the value is UTF-16: send UTF-8"
    match parsed := _parsed(value):
        case str() if _was_encoded_again(parsed):
            return "the value is JSON inside a JSON string: it was encoded twice or more, send the object itself"
        case str() | None if _is_base64(value):
            return "the value is base64: send the JSON itself"
        case [{}, *_]:
            return "the value is a list of objects: send one record for each"
        case {"schema": _, "payload": _}:
            return "the value is wrapped in schema and payload: set schemas.enable=false in the converter"
        case {"specversion": _, "type": _, "data": _}:
            return "the data are a whole event of their own: send what stands in its 'data' alone"
        case dict() if len(parsed) == 1:
            ((name, inner),) = parsed.items()
            if name in ("data", "payload", "event", "body", "value") and isinstance(inner, dict):
                return f"the data are wrapped in {name!r}: send the object inside"
    return None


def _was_encoded_again(text: str) -> bool:
    for _ in range(_MOST_TIMES):
        if text.lstrip()[:1] in ("{", "["):
            return True
        match _parsed(text.encode()):
            case str() as inner:
                text = inner
            case _:
                return False
    return False


def _is_base64(value: bytes) -> bool:
    text = value.strip().strip(b'"')[:_MOST_BYTES]
    try:
        return b64decode(text[: len(text) // 4 * 4], validate=True).lstrip()[:1] in (b"{", b"[")
    except ValueError:
        return False


def _parsed(value: bytes) -> Any:
    try:
        return from_json(value)
    except (ValueError, RecursionError):
        return None


def members(value: bytes | None) -> Mapping[str, Any]:
    """Of a value that is an object; none of what is nothing of the kind."""
    if value is None:
        return {}
    parsed = _parsed(value) if value.lstrip()[:1] == b"{" else None
    return parsed if isinstance(parsed, dict) else {}
