"""Partners' secrets at rest: sealed with a key of the installation, which stands nowhere in the database.

AES-256 in GCM. What is sealed names its key, so keys are replaced one after the other: the first of the list seals, all
of them open. It also opens for its own partner only: a row that is copied to another one says nothing there.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.runtime.settings import HOW_TO_MAKE_ONE, PREFIX, Settings, SettingsError

_NONCE_BYTES: Final = 12
_NAME_CHARACTERS: Final = 8


class CannotOpen(Exception):
    """What is sealed cannot be opened here. The message says why in one line, and nothing of what is inside."""


class Secrets:
    """A list of keys of 32 bytes, at least one; the first one seals."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {_name(key): AESGCM(key) for key in keys}
        self._first = _name(keys[0])

    def sealed(self, secret: str, partner_id: int) -> str:
        """`<key>.<base64>`, another text each time."""
        nonce = os.urandom(_NONCE_BYTES)
        inside = self._ciphers[self._first].encrypt(nonce, secret.encode(), _whose(partner_id))
        return f"{self._first}.{base64.b64encode(nonce + inside).decode()}"

    def opened(self, sealed: str, partner_id: int) -> str:
        """What was sealed. Raises CannotOpen: by no key of the list, or not for this partner."""
        name, _, inside = sealed.partition(".")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise CannotOpen(
                f"a secret of partner {partner_id} is sealed with key {name}, which COUPONRY_SECRETS_KEY has not"
            )
        raw = base64.b64decode(inside)
        try:
            return cipher.decrypt(
                raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _whose(partner_id)
            ).decode()
        except InvalidTag:
            raise CannotOpen(f"a secret of partner {partner_id} is not what was sealed") from None

    def is_sealed_so(self, sealed: str, secret: str, partner_id: int) -> bool:
        """Whether this is what the first key has sealed of it."""
        if not sealed.startswith(f"{self._first}."):
            return False
        try:
            return self.opened(sealed, partner_id) == secret
        except CannotOpen:
            return False


def secrets_by(settings: Settings) -> Secrets:
    """With the keys that are set. Raises SettingsError: there is none, and nothing can be sealed or opened."""
    if not settings.sealing_keys:
        raise SettingsError(
            f"{PREFIX}SECRETS_KEY is not set: secrets of partners' webhooks are sealed with it; {HOW_TO_MAKE_ONE}, and"
            " keep it as long as the database"
        )
    return Secrets(settings.sealing_keys)


def _name(key: bytes) -> str:
    """What a key is called: tells keys apart, and nothing of them."""
    return hashlib.sha256(b"couponry secrets key" + key).hexdigest()[:_NAME_CHARACTERS]


def _whose(partner_id: int) -> bytes:
    return f"partner {partner_id}".encode()
