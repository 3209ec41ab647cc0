"""The outside of every command: exit codes, what stands on stderr, and what `--help` imports."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from services.cli.commands import COMMANDS, cli
from services.runtime.processes import PROCESSES
from services.runtime.settings import Settings
from tests.stand.commands import Command, couponry_process, run_process

NOBODY_THERE = "postgresql://nobody:secret@127.0.0.1:1/nowhere"

USAGE_ERRORS = [
    ((), "Missing command"),
    (("frobnicate",), "frobnicate"),
    (("games",), "Missing command"),
    (("migrate", "--frobnicate"), "--frobnicate"),
    (("partners", "add"), "NAME"),
    (("partners", "add", "   "), "1 and 255 characters"),
    (("partners", "add", "x" * 256), "1 and 255 characters"),
    (("partners", "add", "x", "--time-zone", "Europe/Nowhere"), "Europe/Nowhere"),
    (("partners", "add", "x", "--time-zone", "localtime"), "localtime"),
    (("shops", "add", "0", "x"), "PARTNER_ID"),
    (("products", "add", "9223372036854775808", "x"), "PARTNER_ID"),
    (("games", "list", "--game-type", "chess"), "chess"),
    (("coupons", "list", "--status", "lost"), "lost"),
    (("explain",), "EVENT_ID"),
    (("explain", "x", "--coupon", "y"), "EVENT_ID"),
    (("explain", "--customer", "c"), "--partner-id"),
    (("explain", "--coupon", "c", "--source", "s"), "--source"),
]


@pytest.mark.parametrize(("arguments", "named"), USAGE_ERRORS)
async def test_usage_error_is_one_line(
    couponry: Command, arguments: tuple[str, ...], named: str
) -> None:
    """What is wrong with the words is said in one line that names them, exit 2, nothing on stdout."""
    result = await couponry(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert named in result.err


def test_setting_that_is_missing_or_wrong_is_one_line() -> None:
    """A process without its address, or with a bad setting, names the variable and ends with 2."""
    for arguments, changes, named in (
        (("partners", "list"), {}, "COUPONRY_POSTGRES_DSN is not set"),
        (("status",), {"COUPONRY_TOPIC_PARTITIONS": "none"}, "COUPONRY_TOPIC_PARTITIONS"),
        (("partners", "list"), {"COUPONRY_CLOCK_OFFSET_SECONDS": "5"}, "ALLOW_TEST_CLOCK"),
    ):
        result = run_process(None, *arguments, COUPONRY_STATE_DIR="/nonexistent", **changes)
        assert (result.code, result.out) == (2, ""), arguments
        assert result.err.count("\n") == 1
        assert named in result.err


def test_server_that_is_away_is_one_line(settings: Settings) -> None:
    """A short command does not wait for a server: it names the setting, without the password."""
    away = settings.model_copy(update={"postgres_dsn": NOBODY_THERE})
    result = run_process(away, "games", "list")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "COUPONRY_POSTGRES_DSN: cannot use Postgres at 127.0.0.1:1/nowhere" in result.err
    assert "secret" not in result.err

    away = settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    result = run_process(away, "verify", "--json")
    assert (result.code, result.out) == (2, "")
    assert "COUPONRY_KAFKA_BOOTSTRAP_SERVERS: cannot use Kafka" in result.err.splitlines()[-1]


def test_client_that_is_cut_off_adds_no_line() -> None:
    """What libraries say of retries, and of a connection that was given up in the making, is not the command's to say."""
    program = (
        "import logging; from services.cli.commands import execute; execute(['--help']);"
        "[logging.getLogger(name).error('never retrieved') for name in ('aiokafka', 'asyncio')]"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


async def test_database_without_schema_says_migrate(
    servers: Settings, couponry: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that nobody migrated is no mystery."""
    assert servers.postgres_dsn
    monkeypatch.setenv(
        "COUPONRY_POSTGRES_DSN", servers.postgres_dsn.rpartition("/")[0] + "/template1"
    )
    result = await couponry("partners", "list")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "couponry migrate" in result.err


async def test_migrate_reports_what_it_did(couponry: Command) -> None:
    """On a database that is up to date there is nothing to apply, and nothing missing."""
    assert (await couponry("migrate", "--json")).json() == {"applied": []}
    assert (await couponry("migrate", "--plan", "--json")).json() == {"missing": []}
    assert (await couponry("migrate")).out == "up to date\n"


def test_help_imports_no_command() -> None:
    """`couponry --help` lists every command from its table, without loading a client library."""
    program = (
        "import sys; from services.cli.commands import execute; execute(['--help']);"
        "loaded = {'asyncpg', 'aiokafka', 'rich', 'fastapi'} & set(sys.modules);"
        "assert not loaded, loaded"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    for name, (_, line) in COMMANDS.items():
        assert name in done.stdout
        assert line in done.stdout


CHANGING = {
    "add",
    "load",
    "set",
    "migrate",
    "topics",
    "replay",
    "republish",
    "redrive",
    "discard",
    "repair-clock",
}


def test_command_table_names_real_commands() -> None:
    """Every entry loads, has a help text, and takes --json or --dry-run or --plan where the contract asks for it."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.help
        leaves = command.commands.values() if isinstance(command, click.Group) else [command]
        for leaf in leaves:
            options = {option for parameter in leaf.params for option in parameter.opts}
            if name not in PROCESSES:
                assert "--json" in options, (name, leaf.name)
            if leaf.name in CHANGING:
                assert options & {"--dry-run", "--plan"}, (name, leaf.name)


def test_terminated_command_says_so(settings: Settings) -> None:
    """SIGTERM and Ctrl-C end a command that waits, without a traceback and not as a success."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with couponry_process(settings, "games", "load", "-") as process:
            wait_until_it_reads_stdin(process.pid)
            process.send_signal(number)
            assert process.wait(timeout=60) == 128 + number
            assert process.stderr is not None
            assert process.stderr.read() == ""


def wait_until_it_reads_stdin(pid: int) -> None:
    """The process has nothing left to do but to read: it sleeps in a read of descriptor 0."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        call = Path(f"/proc/{pid}/syscall").read_text(encoding="ascii")
        if call.startswith("0 0x0 "):
            return
        time.sleep(0.02)
    raise AssertionError("the command does not read its input")


def test_reader_that_leaves_is_no_error(settings: Settings) -> None:
    """A closed pipe, as of `| head`, ends the command without a word."""
    with couponry_process(settings, "partners", "list", "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(timeout=60) == 128 + signal.SIGPIPE
        assert process.stderr.read() == ""
