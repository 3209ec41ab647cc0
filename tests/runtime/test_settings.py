"""Settings: read once, checked with one line that names the variable and says what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.runtime.settings import PREFIX, Settings, SettingsError, read_settings, required
from tests.house.repository import ROOT, python_files


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{PREFIX}{name.upper()}", raising=False)
        monkeypatch.delenv(f"{PREFIX}{name.upper()}_FILE", raising=False)


BAD = [
    ({"LANES": "0"}, None),  # not one of ours: ignored, like any other variable of the environment
    ({"ISSUER_LANES": "0"}, "COUPONRY_ISSUER_LANES"),
    ({"ISSUER_LANES": "two"}, "COUPONRY_ISSUER_LANES"),
    ({"BATCH_MAX_RECORDS": "1000000"}, "COUPONRY_BATCH_MAX_RECORDS"),
    ({"HEALTH_PORT": "70000"}, "COUPONRY_HEALTH_PORT"),
    ({"TOPIC_PREFIX": "a b"}, "COUPONRY_TOPIC_PREFIX"),
    ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "COUPONRY_KAFKA_SECURITY_PROTOCOL"),
    ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "set COUPONRY_KAFKA_SASL_USERNAME"),
    (
        {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "OAUTHBEARER"},
        "set COUPONRY_KAFKA_SASL_OAUTH_TOKEN_URL",
    ),
    ({"KAFKA_SASL_OAUTH_TOKEN_URL": "ftp://h"}, "COUPONRY_KAFKA_SASL_OAUTH_TOKEN_URL"),
    ({"CLOCK_OFFSET_SECONDS": "60"}, "set COUPONRY_ALLOW_TEST_CLOCK=1"),
    ({"CRASH_AT": "x"}, "set COUPONRY_ALLOW_CRASH_POINTS=1"),
    ({"LOCK_WAIT_MS": "5000"}, "must be less than COUPONRY_LOCK_TTL_MS"),
    ({"POSTGRES_DSN_FILE": "/nowhere"}, "COUPONRY_POSTGRES_DSN_FILE: cannot read /nowhere"),
]


@pytest.mark.parametrize(("variables", "said"), BAD, ids=[str(variables) for variables, _ in BAD])
def test_settings_name_what_is_wrong_in_one_line(
    variables: dict[str, str], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong value, or two that do not go together, is one line with the variable's name."""
    for name, value in variables.items():
        monkeypatch.setenv(PREFIX + name, value)
    if said is None:
        read_settings()
        return
    with pytest.raises(SettingsError) as error:
        read_settings()
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_settings_read_secrets_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """COUPONRY_<NAME>_FILE gives a value too; the variable itself wins over it."""
    secret = tmp_path / "dsn"
    secret.write_text("postgresql://from-file\n", encoding="utf-8")
    monkeypatch.setenv("COUPONRY_POSTGRES_DSN_FILE", str(secret))
    assert read_settings().postgres_dsn == "postgresql://from-file"
    monkeypatch.setenv("COUPONRY_POSTGRES_DSN", "postgresql://direct")
    assert read_settings().postgres_dsn == "postgresql://direct"


def test_settings_never_show_secrets() -> None:
    """Addresses with passwords, and passwords, are left out of the text form that ends up in logs."""
    settings = read_settings(
        postgres_dsn="postgresql://u:hidden@h/d",
        redis_url="redis://:hidden@h",
        kafka_sasl_password="hidden",
        kafka_ssl_password="hidden",
    )
    assert "hidden" not in repr(settings)


def test_setting_that_is_a_secret_is_hidden() -> None:
    """By its name: passwords, secrets, and addresses that may have a password in them."""
    secret = re.compile(r"(^|_)(password|secret|dsn|redis_url)($|_)")
    shown = [
        name for name, field in Settings.model_fields.items() if secret.search(name) and field.repr
    ]
    assert shown == []


def test_setting_is_read_by_somebody() -> None:
    """A setting that nothing depends on would be a promise to whoever sets it; the tests' own servers read one."""
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in python_files("services")
        if path.name != "settings.py"
    )
    own = (ROOT / "services/runtime/settings.py").read_text(encoding="utf-8")
    unread = [
        name
        for name in Settings.model_fields
        if not re.search(rf"[\".]{name}\b", code) and f"self.{name}" not in own
    ]
    assert unread == ["use_testcontainers"]


def test_settings_are_frozen() -> None:
    """A setting cannot change after it was read: every process sees one configuration."""
    with pytest.raises(ValidationError, match="frozen"):
        read_settings().topic_prefix = "other"  # type: ignore[misc]


def test_required_names_the_missing_address() -> None:
    """A process without an address stops with a line that names it and offers the local servers."""
    assert required(read_settings(redis_url="redis://h"), "redis_url") == ("redis://h",)
    with pytest.raises(SettingsError, match=r"COUPONRY_REDIS_URL is not set.*couponry up"):
        required(read_settings(), "redis_url")


def test_topic_prefix_stands_before_everything_shared() -> None:
    """Topics, the consumer group and the transactional id all carry the prefix."""
    settings = read_settings(topic_prefix="eu.")
    assert settings.topic("coupon-issued") == "eu.coupon-issued"
    assert settings.consumer_group == "eu.couponry-issuer"
    assert settings.transactional_id == "eu.couponry-relay"


def test_redis_may_be_none() -> None:
    """The word, however written, is a choice; unset is none."""
    chosen = read_settings(redis_url=" None ")
    assert (chosen.redis_url, chosen.redis_address) == ("none", None)
    assert required(chosen, "redis_url") == ("none",)
    assert read_settings().redis_address is None
    assert read_settings(redis_url="redis://h").redis_address == "redis://h"
