"""Partners' secrets at rest: keys are replaced one by one, and what is sealed opens for its own partner alone."""

from __future__ import annotations

import base64

import pytest

from services.adapters.secrets import CannotOpen, Secrets, secrets_by
from services.runtime.settings import SettingsError, read_settings

OLD, NEW = b"o" * 32, b"n" * 32
PARTNER, OTHER = 7, 8
TEXT = "pässword: 1,2"


def test_secret_is_opened_by_who_sealed_it() -> None:
    """The same text comes back; sealed it is another one each time, and nothing of it shows."""
    secrets = Secrets([OLD])
    once, again = secrets.sealed(TEXT, PARTNER), secrets.sealed(TEXT, PARTNER)
    assert secrets.opened(once, PARTNER) == secrets.opened(again, PARTNER) == TEXT
    assert once != again
    assert "word" not in once


def test_keys_are_replaced_one_by_one() -> None:
    """A new key seals as soon as it stands first, and the old one opens what it sealed for as long as it is listed."""
    before = Secrets([OLD]).sealed(TEXT, PARTNER)
    both = Secrets([NEW, OLD])
    after = both.sealed(TEXT, PARTNER)
    assert both.opened(before, PARTNER) == both.opened(after, PARTNER) == TEXT
    assert Secrets([NEW]).opened(after, PARTNER) == TEXT
    with pytest.raises(CannotOpen, match="which COUPONRY_SECRETS_KEY has not") as caught:
        Secrets([NEW]).opened(before, PARTNER)
    assert "n" * 32 not in str(caught.value)


def test_secret_opens_for_its_own_partner_alone() -> None:
    """A row that somebody copies to another partner says nothing there; one that was changed says nothing at all."""
    secrets = Secrets([OLD])
    sealed = secrets.sealed(TEXT, PARTNER)
    with pytest.raises(CannotOpen, match="partner 8 is not what was sealed"):
        secrets.opened(sealed, OTHER)
    name, _, inside = sealed.partition(".")
    raw = bytearray(base64.b64decode(inside))
    raw[-1] ^= 1
    with pytest.raises(CannotOpen, match="partner 7 is not what was sealed"):
        secrets.opened(f"{name}.{base64.b64encode(raw).decode()}", PARTNER)


def test_keys_are_those_of_the_settings() -> None:
    """Separated by commas, the first seals; without any, one line says how to make one."""
    keys = [base64.b64encode(key).decode() for key in (NEW, OLD)]
    secrets = secrets_by(read_settings(secrets_key=",".join(keys)))
    assert secrets.opened(Secrets([OLD]).sealed(TEXT, PARTNER), PARTNER) == TEXT
    assert Secrets([NEW]).opened(secrets.sealed(TEXT, PARTNER), PARTNER) == TEXT
    with pytest.raises(SettingsError, match=r"COUPONRY_SECRETS_KEY is not set.*openssl rand"):
        secrets_by(read_settings(secrets_key=None))
    with pytest.raises(SettingsError, match="SECRETS_KEY: must be base64 of 32 bytes"):
        read_settings(secrets_key="AAAA")
