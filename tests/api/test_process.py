"""`couponry api` and `couponry token` as processes: start, tokens, a graceful stop, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.adapters.postgres.pool import connect
from services.local.state import SECRET_FILE
from services.runtime.settings import PREFIX, Settings
from tests.api.games import WHOLE
from tests.api.stand import SECRET, Partner
from tests.stand.issuing import blocked_by
from tests.stand.waiting import eventually

DEADLINE_SECONDS = 60
COMMAND = [sys.executable, "-m", "services.cli"]


def environment(settings: Settings, **changes: str) -> dict[str, str]:
    """This test's servers, a secret, and any free ports."""
    ours = {
        "POSTGRES_DSN": settings.postgres_dsn or "", "REDIS_URL": settings.redis_url or "", "JWT_SECRET": SECRET,
        "STATE_DIR": str(settings.state_dir), "TOPIC_PREFIX": settings.topic_prefix,
        "CODE_SECRET": settings.code_secret or "",
    }  # fmt: skip
    named = {PREFIX + name: value for name, value in (ours | changes).items()}
    return {**os.environ, **named}


@asynccontextmanager
async def api(
    environ: dict[str, str],
) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, str]]]:
    """The process, and the addresses that it has announced once it is ready."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "api", env=environ, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr
    said: dict[str, str] = {}
    try:
        while not said.keys() >= {"health", "api"}:
            line = await asyncio.wait_for(process.stderr.readline(), DEADLINE_SECONDS)
            assert line, "it ended while starting"
            said |= json.loads(line)
        yield process, said
    finally:
        if process.returncode is None:
            process.kill()
        await process.stderr.read()
        await process.wait()


def refused(environ: dict[str, str], *arguments: str) -> str:
    """The one line of a command that ends with exit code 2."""
    done = subprocess.run(
        [*COMMAND, *arguments], env=environ, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    return done.stderr


def token(environ: dict[str, str], *arguments: str) -> str:
    """What `couponry token` prints."""
    done = subprocess.run(
        [*COMMAND, "token", *arguments], env=environ, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.alone("a request waits for a row, which the API does for two seconds and no longer")
async def test_api_process_serves_and_finishes_what_it_has_in_hand(
    api_settings: Settings, partner: Partner
) -> None:
    """Ready on both ports; a request that waits in the database when the signal comes is answered; exit code 0."""
    holder = await connect(api_settings, "test")
    async with api(environment(api_settings)) as (process, said), httpx.AsyncClient() as http:
        for url in said.values():
            for path in ("/livez", "/startupz", "/readyz", "/metrics", "/docs", "/openapi.json"):
                assert (await http.get(url + path)).status_code == 200, (url, path)
        headers = {"authorization": f"Bearer {partner.token}"}
        games = f"{said['api']}/en/partners/games"
        game = (await http.post(games, json=WHOLE, headers=headers)).json()["data"]
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("SELECT FROM games WHERE id = $1 FOR UPDATE", game["id"])
        waiting = asyncio.create_task(
            http.put(f"{games}/{game['id']}", json={"name": "In hand"}, headers=headers, timeout=20)
        )
        await eventually(lambda: blocked_by(holder, partner.database), "the request waits")
        process.send_signal(signal.SIGTERM)
        await eventually(lambda: _refuses(said["api"]), "new connections are refused")
        await transaction.commit()
        assert (await waiting).json()["data"]["name"] == "In hand"
        assert await asyncio.wait_for(process.wait(), DEADLINE_SECONDS) == 0
    await holder.close()


async def test_api_process_logs_no_token(api_settings: Settings, partner: Partner) -> None:
    """A change is logged with its request's id and its actor, without the token."""
    async with api(environment(api_settings)) as (process, said):
        assert process.stderr
        async with httpx.AsyncClient() as http:
            headers = {"authorization": f"Bearer {partner.token}", "x-request-id": "logged-1"}
            await http.post(f"{said['api']}/en/partners/games", json=WHOLE, headers=headers)
        process.terminate()
        log = (await process.stderr.read()).decode()
    (line,) = [json.loads(line) for line in log.splitlines() if "logged-1" in line]
    assert (line["message"], line["partner_id"], line["actor"]) == (
        "game.created",
        partner.id,
        "api",
    )
    assert partner.token.split(".")[1] not in log


async def test_api_process_waits_for_the_database(api_settings: Settings) -> None:
    """Without a database it is not ready, says so, and still stops with exit code 0."""
    environ = environment(api_settings, POSTGRES_DSN="postgresql://nobody@127.0.0.1:1/none")
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "api", env=environ, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr
    health = json.loads(await process.stderr.readline())["health"]
    async with httpx.AsyncClient() as http:

        async def complaint() -> Any:
            return (
                (await http.get(f"{health}/readyz"))
                .json()["checks"]
                .get("postgres", "")
                .startswith("waiting")
            )

        await eventually(complaint, "it says what it waits for")
    process.terminate()
    await process.stderr.read()
    assert await process.wait() == 0


def test_api_process_says_what_is_missing(api_settings: Settings, tmp_path: Path) -> None:
    """No database, no secret, a short one, a port that is taken: one line, exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        bare = environment(api_settings, STATE_DIR=str(tmp_path))
        without_secret = {
            name: value for name, value in bare.items() if name != f"{PREFIX}JWT_SECRET"
        }
        for environ, words in (
            (bare | {f"{PREFIX}POSTGRES_DSN": ""}, "COUPONRY_POSTGRES_DSN is not set"),
            (without_secret, "COUPONRY_JWT_SECRET is not set"),
            (
                bare | {f"{PREFIX}JWT_SECRET": "short"},
                "COUPONRY_JWT_SECRET is shorter than 32 bytes",
            ),
        ):
            assert words in refused(environ, "api")
        done = subprocess.run(
            [*COMMAND, "api"], env=bare | {f"{PREFIX}API_PORT": port}, capture_output=True, text=True,
            timeout=DEADLINE_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
        assert "COUPONRY_API_PORT" in done.stderr


@pytest.mark.parametrize(("ttl", "status"), [("60", 200), ("-1", 401)])
async def test_token_command_signs_with_the_local_secret(
    api_settings: Settings, partner: Partner, tmp_path: Path, ttl: str, status: int
) -> None:
    """Without a setting the secret in the state directory signs; a negative ttl makes an expired token."""
    environ = environment(api_settings, STATE_DIR=str(tmp_path))
    del environ[f"{PREFIX}JWT_SECRET"]
    assert "start `couponry up`" in refused(environ, "token", "--partner-id", "1")
    (tmp_path / SECRET_FILE).write_text(SECRET)
    text = token(environ, "--partner-id", str(partner.id), "--scope", "cards", "--ttl", ttl)
    headers = {"authorization": f"Bearer {text}"}
    assert (await partner.http.get("/en/partners/cards", headers=headers)).status_code == status
    if status == 200:
        assert (await partner.http.get("/en/partners/games", headers=headers)).status_code == 403


async def _refuses(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return True
    writer.close()
    return False
