"""Slashes inside ids: one that came encoded is part of a segment of the path, and not where the next one begins."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

SLASH: Final = "\0"
"""What stands for a slash inside an id: no path has one of its own."""


def with_slashes_kept(path: str, raw: bytes) -> str | None:
    """The decoded path with SLASH for each encoded slash; None of one that can name nothing, since it has a NUL."""
    if SLASH in path:
        return None
    if b"%2f" not in raw.lower():
        return path
    parts = raw.split(b"?")[0].decode("latin-1").split("/")
    return "/".join(unquote(part).replace("/", SLASH) for part in parts)


def id_of(segment: str) -> str:
    """The id that a path parameter holds."""
    return segment.replace(SLASH, "/")
