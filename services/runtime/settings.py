"""Every setting of every process, read once from the environment and passed down.

Variables have the prefix `COUPONRY_`; a secret may also be given as the path of a file (`COUPONRY_POSTGRES_DSN_FILE`).
Units stand last in a name. Relations between settings are checked when they are read.
"""

from __future__ import annotations

import os
from base64 import b64decode
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from schemas import topics
from services.domain.webhooks.schedule import RETRY_SECONDS, schedule_of

PREFIX = "COUPONRY_"
WITHOUT_REDIS = "none"
"""In place of Redis' address: there is none, and none is missed."""
CODE_SECRET_BYTES = 32
"""And of each key of `secrets_key`."""
HOW_TO_MAKE_ONE = "make one with `openssl rand -base64 32`"
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]


class SettingsError(Exception):
    """A setting is missing or wrong. The message is one line that names it and says what to do."""


class Settings(BaseSettings):
    """See the README for the table of settings. Frozen: build a changed copy with `model_copy`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    # Addresses. None: `up`, `demo` and the tests start a local server, every other process stops.
    kafka_bootstrap_servers: str | None = None
    postgres_dsn: str | None = Field(default=None, repr=False)
    redis_url: str | None = Field(default=None, repr=False)
    state_dir: Path = Path(".couponry")
    maven_url: str = "https://repo.maven.apache.org/maven2"

    kafka_security_protocol: SecurityProtocol = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = (
        "PLAIN"
    )
    kafka_sasl_username: str | None = None
    kafka_sasl_password: str | None = Field(default=None, repr=False)
    kafka_sasl_oauth_token_url: str | None = Field(default=None, pattern=r"^https?://")
    kafka_sasl_oauth_client_id: str | None = None
    kafka_sasl_oauth_client_secret: str | None = Field(default=None, repr=False)
    kafka_sasl_oauth_scope: str | None = None
    kafka_sasl_oauth_aws_region: str | None = None
    kafka_ssl_cafile: Path | None = None
    kafka_ssl_certfile: Path | None = None
    kafka_ssl_keyfile: Path | None = None
    kafka_ssl_password: str | None = Field(default=None, repr=False)
    topic_prefix: str = Field(default="", pattern=r"^[a-zA-Z0-9._-]{0,100}$")
    topic_partitions: int = Field(default=4, ge=1, le=10_000)

    code_secret: str | None = Field(default=None, repr=False)
    secrets_key: str | None = Field(default=None, repr=False)
    event_source: str = Field(default="/couponry", min_length=1, max_length=1024)
    mask_codes: bool = False
    expiring_lead_hours: Annotated[tuple[int, ...], NoDecode] = (168, 24)
    points_expiring_lead_hours: Annotated[tuple[int, ...], NoDecode] = (720, 168)
    reservation_ttl_seconds: int = Field(default=900, ge=1)
    sweep_interval_seconds: float = Field(default=1.0, gt=0)

    # How long the sweeper keeps what is not kept for ever; 0 is for ever.
    dead_letter_retention_days: int = Field(default=90, ge=0, le=36_500)  # as long as their topic
    audit_retention_days: int = Field(default=0, ge=0, le=36_500)  # the law says, not we
    idempotency_retention_hours: int = Field(default=24, ge=24, le=8_760)  # a day is promised

    # The issuer.
    issuer_lanes: int = Field(default=2, ge=1, le=16)
    batch_max_records: int = Field(default=2_000, ge=1, le=20_000)
    batch_max_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    batch_timeout_ms: int = Field(default=50, ge=1)
    lock_wait_ms: int = Field(default=250, ge=0)
    lock_ttl_ms: int = Field(default=5_000, ge=100)
    lock_skip_seconds: float = Field(default=5.0, ge=0)
    ignored_types: Annotated[frozenset[str], NoDecode] = frozenset()
    dead_letter_limit: int = Field(default=500, ge=0, le=1_000)

    # Postgres sessions: nobody waits for ever, and a frozen process does not hold others up.
    statement_timeout_ms: int = Field(default=20_000, ge=100)
    lock_timeout_ms: int = Field(default=10_000, ge=100)
    idle_in_transaction_timeout_ms: int = Field(default=10_000, ge=100)

    # Partners' own coupon systems.
    webhook_allow_private: bool = False
    webhook_retry_seconds: Annotated[tuple[int, ...], NoDecode, BeforeValidator(schedule_of)] = (
        RETRY_SECONDS
    )
    webhook_proxy: str | None = Field(default=None, pattern=r"^https?://", repr=False)
    webhook_ca_file: Path | None = None

    # The relay.
    relay_batch_records: int = Field(default=2_000, ge=1, le=20_000)
    relay_poll_seconds: float = Field(default=1.0, gt=0)

    # HTTP.
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=0, ge=0, le=65_535)
    api_requests_per_minute: int = Field(default=600_000, ge=0)
    api_failed_lookups_per_minute: int = Field(default=100, ge=0)
    jwt_secret: str | None = Field(default=None, repr=False)
    jwt_jwks_url: str | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    health_host: str = "127.0.0.1"
    health_port: int = Field(default=0, ge=0, le=65_535)

    # For tests only, each behind its own permission.
    allow_test_clock: bool = False
    clock_offset_seconds: float = 0.0
    allow_crash_points: bool = False
    crash_at: str | None = None

    use_testcontainers: Annotated[bool, NoDecode] = False

    @property
    def redis_address(self) -> str | None:
        """Where Redis is; None without one, whether by choice or because no address is set."""
        return None if self.redis_url == WITHOUT_REDIS else self.redis_url

    @property
    def drawing_secret(self) -> bytes | None:
        """What coupon ids and codes are drawn with: the first of the secrets."""
        return None if self.code_secret is None else b64decode(self.code_secret.split(",")[0])

    @property
    def sealing_keys(self) -> tuple[bytes, ...]:
        """What partners' secrets are sealed with; the first seals, all of them open. None without the setting."""
        return (
            tuple(b64decode(part) for part in self.secrets_key.split(","))
            if self.secrets_key
            else ()
        )

    @property
    def clock_offset(self) -> timedelta:
        """What is added to the database's clock."""
        return timedelta(seconds=self.clock_offset_seconds)

    @field_validator("redis_url")
    @classmethod
    def _none(cls, value: str | None) -> str | None:
        return WITHOUT_REDIS if value and value.strip().lower() == WITHOUT_REDIS else value

    @field_validator("expiring_lead_hours", "points_expiring_lead_hours", mode="before")
    @classmethod
    def _hours(cls, value: Any) -> Any:
        """`168,24`; an empty value sends no notices."""
        if not isinstance(value, str):
            return value
        try:
            hours = tuple(int(part) for part in value.split(",") if part.strip())
        except ValueError:
            hours = (0,)
        if any(hour < 1 for hour in hours):
            raise ValueError("must be hours before the end, like 168,24")
        return hours

    @field_validator("code_secret", "secrets_key")
    @classmethod
    def _secrets(cls, value: str | None) -> str | None:
        """Base64 of 32 bytes each, separated by commas."""
        for part in (value or "").split(",") if value is not None else ():
            try:
                is_right = len(b64decode(part.strip(), validate=True)) == CODE_SECRET_BYTES
            except ValueError:
                is_right = False
            if not is_right:
                raise ValueError(f"must be base64 of {CODE_SECRET_BYTES} bytes: {HOW_TO_MAKE_ONE}")
        return value

    @field_validator("ignored_types", mode="before")
    @classmethod
    def _types(cls, value: Any) -> Any:
        """`order.updated,order.viewed`; never a type that is decided."""
        if not isinstance(value, str):
            return value
        named = frozenset(part.strip() for part in value.split(",") if part.strip())
        known = {
            name for topic in topics.ALL for name in topic.types if topic.name in topics.INCOMING
        }
        if decided := sorted(named & known):
            raise ValueError(f"{decided[0]} is a type that is decided: it cannot be ignored")
        return named

    @field_validator("use_testcontainers", mode="before")
    @classmethod
    def _truthy(cls, value: Any) -> bool:
        return str(value).lower() in {"1", "true", "yes", "on"}

    @model_validator(mode="after")
    def _relations_hold(self) -> Self:
        if self.clock_offset_seconds and not self.allow_test_clock:
            raise ValueError(
                "COUPONRY_CLOCK_OFFSET_SECONDS moves the clock and is for tests: "
                "set COUPONRY_ALLOW_TEST_CLOCK=1 as well, or unset it"
            )
        if self.crash_at and not self.allow_crash_points:
            raise ValueError(
                "COUPONRY_CRASH_AT kills the process and is for tests: "
                "set COUPONRY_ALLOW_CRASH_POINTS=1 as well, or unset it"
            )
        if self.lock_wait_ms >= self.lock_ttl_ms:
            raise ValueError("COUPONRY_LOCK_WAIT_MS must be less than COUPONRY_LOCK_TTL_MS")
        if not self.kafka_security_protocol.startswith("SASL"):
            return self
        if self.kafka_sasl_mechanism == "OAUTHBEARER":
            credentials = (
                self.kafka_sasl_oauth_token_url
                and self.kafka_sasl_oauth_client_id
                and self.kafka_sasl_oauth_client_secret
            )
            if not (credentials or self.kafka_sasl_oauth_aws_region):
                raise ValueError(
                    "COUPONRY_KAFKA_SASL_MECHANISM asks for OAUTHBEARER: set COUPONRY_KAFKA_SASL_OAUTH_TOKEN_URL, "
                    "_CLIENT_ID and _CLIENT_SECRET, or COUPONRY_KAFKA_SASL_OAUTH_AWS_REGION"
                )
        elif not (self.kafka_sasl_username and self.kafka_sasl_password):
            raise ValueError(
                "COUPONRY_KAFKA_SECURITY_PROTOCOL asks for SASL: "
                "set COUPONRY_KAFKA_SASL_USERNAME and COUPONRY_KAFKA_SASL_PASSWORD"
            )
        return self

    def topic(self, name: str) -> str:
        """The name of one of our topics on the broker."""
        return self.topic_prefix + name

    @property
    def consumer_group(self) -> str:
        return f"{self.topic_prefix}couponry-issuer"

    @property
    def transactional_id(self) -> str:
        return f"{self.topic_prefix}couponry-relay"


def read_settings(**overrides: Any) -> Settings:
    """Settings from the environment, `overrides` (field names) on top. Raises SettingsError, one line."""
    try:
        return Settings(**{**_from_files(), **overrides})
    except ValidationError as error:
        first = error.errors()[0]
        field = PREFIX + str(first["loc"][0]).upper() if first["loc"] else ""
        message = str(first["msg"]).removeprefix("Value error, ")
        if not field:
            raise SettingsError(message) from None
        name = str(first["loc"][0])
        is_secret = name in Settings.model_fields and not Settings.model_fields[name].repr
        shown = "" if is_secret else f" (it is {first['input']!r})"
        raise SettingsError(f"{field}: {message}{shown}"[:500]) from None


def _from_files() -> dict[str, str]:
    """Values of `COUPONRY_<NAME>_FILE` variables, for every field whose own variable is not set."""
    found: dict[str, str] = {}
    for name in Settings.model_fields:
        variable = f"{PREFIX}{name.upper()}_FILE"
        path = os.environ.get(variable)
        if path and f"{PREFIX}{name.upper()}" not in os.environ:
            try:
                found[name] = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SettingsError(f"{variable}: cannot read {path}: {error.strerror}") from None
    return found


def require_code_secret(settings: Settings) -> None:
    """Whoever issues coupons draws them with the installation's secret. Raises SettingsError."""
    if settings.code_secret is None:
        raise SettingsError(
            f"{PREFIX}CODE_SECRET is not set: coupon ids and codes are drawn with it; {HOW_TO_MAKE_ONE}, and keep it as"
            " long as the database"
        )


def required(settings: Settings, *names: str) -> tuple[str, ...]:
    """The values of address settings that this process cannot do without. Raises SettingsError."""
    values = []
    for name in names:
        value = getattr(settings, name)
        if not value:
            raise SettingsError(
                f"{PREFIX}{name.upper()} is not set: "
                "give the server's address, or start local servers with `couponry up`"
            )
        values.append(str(value))
    return tuple(values)
