"""Where a command finds its servers: the settings, or else the `couponry up` that runs in the state directory.

`up` writes the line it prints into `up.json`. An address from there counts only while the server's process lives;
a server that `up` did not start itself (no process id) is taken as named.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from services.adapters.failures import KAFKA_AWAY
from services.adapters.postgres.failures import OF_POSTGRES, UNUSABLE
from services.adapters.postgres.pool import connect
from services.local.state import CODE_SECRET_FILE, SECRETS_KEY_FILE
from services.runtime.settings import WITHOUT_REDIS, Settings, read_settings, required
from services.terminal.output import CommandError

UP_FILE = "up.json"
_FIELDS = {"kafka_bootstrap_servers": "kafka", "postgres_dsn": "postgres", "redis_url": "redis"}
_SECRETS = {"code_secret": CODE_SECRET_FILE, "secrets_key": SECRETS_KEY_FILE}


def command_settings(**overrides: Any) -> Settings:
    """Settings of a command: what is given in the environment wins, a running `up` fills in the rest."""
    settings = read_settings(**overrides)
    running = running_up(settings)
    found = {
        field: running[server]
        for field, server in _FIELDS.items()
        if getattr(settings, field) is None and server in running
    }
    for field, file in _SECRETS.items():
        if getattr(settings, field) is None and "postgres_dsn" in found:
            # Of the directory whose database it is, and of no other.
            with suppress(OSError):
                secret = (settings.state_dir / file).read_text(encoding="utf-8")
                found[field] = secret.strip()
    return settings.model_copy(update=found)


def process_settings() -> Settings:
    """Settings of a process that runs until it is told to stop: an `up` counts only if its directory was named.

    What lies in a directory by chance must not decide which servers a deployment works on.
    """
    settings = read_settings()
    return command_settings() if "state_dir" in settings.model_fields_set else settings


def running_up(settings: Settings) -> dict[str, str]:
    """Addresses (`kafka`, `postgres`, `redis`, `api`) of the `up` of this state directory; empty without one."""
    try:
        line = json.loads((settings.state_dir / UP_FILE).read_text(encoding="utf-8"))
        pids = line.get("pids") or {}
        found = {
            name: line[name]
            for name in ("kafka", "postgres", "redis", "api")
            if line.get(name) and _is_alive(pids.get(name))
        }
        return found | ({"redis": WITHOUT_REDIS} if line.get("redis", "") is None else {})
    except (OSError, ValueError, AttributeError):
        return {}


def _is_alive(pid: int | None) -> bool:
    if pid is None:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@asynccontextmanager
async def postgres(
    settings: Settings, application: str, **overrides: str
) -> AsyncIterator[asyncpg.Connection]:
    """A worker's connection for one command; `overrides` are server settings. Raises CommandError, one line.

    Who says that it writes nothing (`default_transaction_read_only`) is content with a standby.
    """
    with reaching_postgres(settings):
        connection = await connect(settings, f"couponry-{application}", **overrides)
        try:
            yield connection
        finally:
            # The work is done, or has failed for a reason of its own: what a cut line says at the end must not hide it.
            with suppress(*OF_POSTGRES):
                await connection.close(timeout=5)


@contextmanager
def reaching_postgres(settings: Settings) -> Iterator[None]:
    """Turn a server that cannot be reached, or holds no schema of ours, into one line that says what to do."""
    (dsn,) = required(settings, "postgres_dsn")
    try:
        yield
    except BrokenPipeError:
        raise  # our own stdout, not the server
    except (asyncpg.UndefinedTableError, asyncpg.InvalidParameterValueError) as error:
        if isinstance(error, asyncpg.InvalidParameterValueError) and "couponry_" not in str(error):
            raise
        raise CommandError("the database has no couponry schema: run `couponry migrate`") from None
    except UNUSABLE as error:
        reason = str(error) or type(error).__name__
        raise CommandError(
            f"COUPONRY_POSTGRES_DSN: cannot use Postgres at {_place(dsn)}: {reason}"
        ) from None


@contextmanager
def reaching_kafka(settings: Settings) -> Iterator[None]:
    """Turn a cluster that cannot be reached, or refuses, into one line."""
    (servers,) = required(settings, "kafka_bootstrap_servers")
    try:
        yield
    except BrokenPipeError:
        raise  # our own stdout, not the server
    except KAFKA_AWAY as error:
        reason = str(error) or type(error).__name__
        raise CommandError(
            f"COUPONRY_KAFKA_BOOTSTRAP_SERVERS: cannot use Kafka at {servers}: {reason}"
        ) from None


def _place(dsn: str) -> str:
    """Host, port and database of a DSN, without the password."""
    try:
        parts = urlsplit(dsn)
        return f"{parts.hostname or 'the local socket'}:{parts.port or 5432}{parts.path}"
    except ValueError:
        return "this address"
