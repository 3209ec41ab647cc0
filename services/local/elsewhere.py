"""A directory under `/var/tmp` for what an account has to reach that may not enter the state directory.

Root's home is closed to the account that Postgres runs as, and a clone in there, with its state, too. The directory's
name is drawn, so nobody can have laid anything in its place; the state directory remembers it, and only what still is a
real directory of that account, closed to all others, is used again.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from services.local.process import Account
from services.local.state import StateDir, recorded_places

ROOM = Path("/var/tmp")  # noqa: S108 - drawn names in a sticky directory; kept over a reboot, which /tmp is not
PREFIX = "couponry-"


def remembered_place(state: StateDir, name: str, account: Account) -> Path | None:
    """The directory of an earlier start, if it is still what was made then."""
    recorded = state.place(name)
    return recorded if recorded and _is_ours(recorded, account.uid) else None


def new_place(state: StateDir, name: str, account: Account) -> Path:
    """Make a directory that this account alone may enter, and remember it. Raises OSError."""
    place = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name}-", dir=ROOM))
    os.chown(place, account.uid, account.gid, follow_symlinks=False)
    state.remember_place(name, place)
    return place


def remove_state(path: Path) -> None:
    """Remove a state directory and what it keeps elsewhere; nobody may be using it."""
    for place in recorded_places(path):
        if place.parent == ROOM and place.name.startswith(PREFIX) and not place.is_symlink():
            shutil.rmtree(place, ignore_errors=True)
    shutil.rmtree(path, ignore_errors=True)


def _is_ours(place: Path, uid: int) -> bool:
    with suppress(OSError):
        found = place.lstat()
        return stat.S_ISDIR(found.st_mode) and found.st_uid == uid and found.st_mode & 0o077 == 0
    return False
