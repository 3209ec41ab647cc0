"""The section `coupon` in files: secrets masked and kept, a signing secret that is shown once, places that are wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.adapters.postgres.webhooks import webhooks_of
from services.adapters.secrets import secrets_by
from services.runtime.settings import Settings
from tests.stand.commands import Command, Result
from tests.stand.issuing import a_partner
from tests.stand.webhooks import LEAST, found_in

Load = Callable[..., Coroutine[Any, Any, Result]]
COUPON = {
    **LEAST,
    "authentication": {"type": "Token", "token": "hidden-token"},
    "headers": [{"key": "X-Secret", "value": "hidden-header"}],
    "couponMapping": {"tiers": "x"},
}


@pytest.fixture
async def load(couponry: Command, tmp_path: Path) -> Load:
    """Load this document."""

    async def run(document: Any, *options: str) -> Result:
        file = tmp_path / "program.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        return await couponry("program", "load", file, *options)

    return run


def signing_secret(result: Result) -> str | None:
    found = re.search(r"whsec_[A-Za-z0-9+/=]+", result.err)
    return found[0] if found else None


async def test_webhook_is_loaded_with_its_secrets(
    load: Load, database: asyncpg.Connection, owner: asyncpg.Connection, settings: Settings
) -> None:
    """Called as the file says; what signs is shown once, on stderr, and no secret stands anywhere in clear."""
    partner_id = await a_partner(database)
    document = {"partner_id": partner_id, "coupon": COUPON}
    tried = await load(document, "--dry-run")
    assert (tried.code, signing_secret(tried)) == (0, None)
    assert await webhooks_of(database, [partner_id], secrets_by(settings)) == {}
    loaded = await load(document, "--json")
    secret = signing_secret(loaded)
    assert secret is not None
    assert loaded.json() == {"partner_id": partner_id, "version": 1, "changed": ["coupon"], "dry_run": False}  # fmt: skip
    again = await load(document, "--json")
    assert (again.json()["changed"], signing_secret(again)) == ([], None)
    webhook = (await webhooks_of(database, [partner_id], secrets_by(settings)))[partner_id]
    assert webhook.headers == (("Authorization", "Bearer hidden-token"), ("X-Secret", "hidden-header"))  # fmt: skip
    assert len(webhook.signing_keys) == 1
    assert await found_in(owner, ["hidden-token", "hidden-header", secret]) == []
    changed = await load(
        {**document, "coupon": {**COUPON, "couponMapping": {"tiers": "y"}, "isActive": False}}
    )
    lines = [" ".join(line.split()) for line in changed.out.splitlines()]
    assert {"coupon.couponMapping.tiers x y", "coupon.isActive true false"} <= set(lines)
    assert "hidden" not in changed.out + changed.err


async def test_shown_webhook_is_loaded_by_its_own_partner(
    load: Load, couponry: Command, database: asyncpg.Connection
) -> None:
    """Where it changes nothing, as it does in what-if; elsewhere nothing is stored that `***` could keep: exit 2."""
    partner_id, other = await a_partner(database), await a_partner(database)
    await load({"partner_id": partner_id, "coupon": COUPON})
    shown = await couponry("program", "show", "--partner-id", partner_id)
    assert "hidden" not in shown.out
    document = json.loads(shown.out)
    assert document["coupon"]["authentication"]["token"] == "***"
    assert (await load(document, "--json")).json()["changed"] == []
    elsewhere = await load({**document, "partner_id": other})
    assert (elsewhere.code, elsewhere.out) == (2, "")
    assert "coupon.authentication.token: Is ***, and nothing is stored" in elsewhere.err
    assert "coupon.headers.0.value" in elsewhere.err
    assert elsewhere.err.count("\n") == 1


async def test_whoever_only_looks_needs_no_secret(
    load: Load, couponry: Command, database: asyncpg.Connection, tmp_path: Path
) -> None:
    """`program test` and what-if take a shown file as it is."""
    partner_id = await a_partner(database)
    await load({"partner_id": partner_id, "settings": {"currency": "EUR"}, "coupon": COUPON})
    file, events = tmp_path / "shown.json", tmp_path / "events.jsonl"
    shown = await couponry("program", "show", "--partner-id", partner_id)
    file.write_text(shown.out, encoding="utf-8")
    events.write_text("", encoding="utf-8")
    tried = await couponry("program", "test", file, events)
    assert tried.code == 0, tried.err
    document = json.loads(shown.out)
    for coupon in (document["coupon"], {**COUPON, "url": "http://127.0.0.1/"}):
        file.write_text(json.dumps({**document, "coupon": coupon}), encoding="utf-8")
        supposed = await couponry(
            "what-if", "--partner-id", partner_id, "--program", file, "--json"
        )
        assert supposed.code == 0, supposed.err


async def test_webhook_without_a_key_to_seal_with_is_one_line(
    load: Load, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2 with the setting's name; a file without a webhook needs none."""
    partner_id = await a_partner(database)
    monkeypatch.delenv("COUPONRY_SECRETS_KEY")
    refused = await load({"partner_id": partner_id, "coupon": COUPON})
    assert (refused.code, refused.out) == (2, "")
    assert "COUPONRY_SECRETS_KEY is not set" in refused.err
    fine = await load({"partner_id": partner_id, "settings": {"currency": "EUR"}})
    assert fine.code == 0
