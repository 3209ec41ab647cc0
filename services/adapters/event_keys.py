"""The key of an event's decision, made of its id and source: what tells a repeat from something new, for ever."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Final

from asyncpg.pgproto.pgproto import UUID  # ten times faster than uuid.UUID, and equal to it

ID_DIGEST_BYTES: Final = 10
SOURCE_DIGEST_BYTES: Final = 6


def event_key(source: str, event_id: str) -> str:
    """The key as the text of a UUID: 10 bytes of the id's digest, 6 of the source's."""
    return str(event_key_of_bytes(source.encode(), event_id.encode()))


def event_key_of_bytes(source: bytes, event_id: bytes) -> UUID:
    """The same key, of texts as headers carry them; nobody has checked that they are texts."""
    digest = blake2b(event_id, digest_size=ID_DIGEST_BYTES).digest()
    return UUID(digest + _source_digest(source))


def event_keys_of(event_id: str) -> tuple[str, str]:
    """The lowest and the highest key that events of this id can have, whatever their source; both inclusive."""
    digest = blake2b(event_id.encode(), digest_size=ID_DIGEST_BYTES).digest()
    return (
        str(UUID(digest + bytes(SOURCE_DIGEST_BYTES))),
        str(UUID(digest + b"\xff" * SOURCE_DIGEST_BYTES)),
    )


# Sources are few; the bound is against a producer that makes one up per event.
@lru_cache(maxsize=4096)
def _source_digest(source: bytes) -> bytes:
    return blake2b(source, digest_size=SOURCE_DIGEST_BYTES).digest()
