"""Signatures as Standard Webhooks has them: whoever knows the secret can tell that a request is ours, and how old."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import Final

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"


def signed(
    keys: Iterable[bytes], *, id: str, at: datetime, body: bytes
) -> tuple[tuple[str, str], ...]:
    """The headers: one signature for each key, with a space between them; `at` in whole seconds of Unix time."""
    seconds = str(int(at.timestamp()))
    content = f"{id}.{seconds}.".encode() + body
    signatures = " ".join(f"v1,{_signature(key, content)}" for key in keys)
    return (ID, id), (TIMESTAMP, seconds), (SIGNATURE, signatures)


def _signature(key: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
