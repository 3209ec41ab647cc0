"""`couponry program codes`: all codes of a file or none; so many codes of ours, in the table and in a file alike."""

from __future__ import annotations

import fcntl
import json
import stat
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from services.adapters.postgres.pools import hold_run, left_of
from services.admin import program_codes, program_generation
from services.domain.coupons.codes import display, parse
from services.runtime.settings import Settings
from tests.stand.commands import Command, Result, couponry_process, run_process
from tests.stand.issuing import a_partner
from tests.stand.pools import OURS, a_coupon, filled, issued, pool_of
from tests.stand.telling import a_program

CODES = ("program", "codes", "--partner-id", 1, "g")


def files_in(folder: Path) -> list[str]:
    """What a command has left there."""
    return [file.name for file in folder.iterdir() if file.is_file()]


@pytest.fixture(autouse=True)
async def group(database: asyncpg.Connection) -> None:
    """Partner 1 has a group `g`."""
    assert await a_partner(database) == 1
    await a_program(database, 1, couponGroups=[{"handle": "g"}, {"handle": "cap", "maxTotal": 2}])


async def brought(couponry: Command, tmp_path: Path, content: bytes, *options: str) -> Result:
    """The group is given this file."""
    file = tmp_path / "codes.txt"
    file.write_bytes(content)
    return await couponry(*CODES, file, *options)


async def test_file_of_codes_comes_in(
    couponry: Command, tmp_path: Path, database: asyncpg.Connection
) -> None:
    """One a line, however lines end, blank ones passed by; those that are somebody's already are named."""
    await a_coupon(database, await a_partner(database), OURS)
    content = b"\xef\xbb\xbfb\r\na\n\n \r\n" + "Ąžuolas\n0123-4567-89AB-CDEZ\na\nlast".encode()
    result = await brought(couponry, tmp_path, content, "--json")
    assert result.json() == {
        "accepted": 4, "duplicates": ["0123-4567-89AB-CDEZ", "a"], "remaining": 4,
    }  # fmt: skip
    assert await pool_of(database, 1, "g") == ["b", "a", "Ąžuolas", "last"]
    again = await brought(couponry, tmp_path, b"a\nnew\n")
    assert [" ".join(line.split()) for line in again.out.splitlines()] == [
        "duplicate", "a", "partner 1", "group g", "accepted 1", "duplicates 1", "remaining 5",
    ]  # fmt: skip


async def test_codes_come_by_a_pipe(settings: Settings, database: asyncpg.Connection) -> None:
    """Which cannot be read twice."""
    process = couponry_process(settings, *map(str, CODES), "-", "--json")
    out, err = process.communicate("a\nb\n", timeout=60)
    assert (process.returncode, json.loads(out)["accepted"]) == (0, 2), err
    assert await pool_of(database, 1, "g") == ["a", "b"]


async def test_duplicates_are_seen_from_part_to_part(
    couponry: Command, tmp_path: Path, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a file that goes in by many statements; order is kept."""
    monkeypatch.setattr(program_codes, "CHUNK", 2)
    result = await brought(couponry, tmp_path, b"a\nb\nc\na\nd\nb\ne\n", "--json")
    assert result.json() == {"accepted": 5, "duplicates": ["a", "b"], "remaining": 5}
    assert await pool_of(database, 1, "g") == ["a", "b", "c", "d", "e"]


async def test_file_without_a_code_changes_nothing(
    couponry: Command, tmp_path: Path, database: asyncpg.Connection
) -> None:
    """The group goes on issuing ours; so it does where every code is somebody's already."""
    await filled(database, 1, "cap", "a")
    for content in (b"", b"\n\r\n", b"a\n"):
        result = await brought(couponry, tmp_path, content, "--json")
        assert (result.json()["accepted"], result.json()["remaining"]) == (0, None)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a\nb c\n", 2),
        (b"a\n\n\nb\tc", 4),
        (b"fine\r\n\xff\xfe", 2),
        (b"x" * 256, 1),
        (b"y" * 100_000 + b"\n", 1),
        (("fine\n" + "Ą" * 256).encode(), 2),
        ("a\u200b\n".encode(), 1),
        (b"a\rb\n", 1),
        (b"a\n\0\n", 2),
    ],
)
async def test_line_that_is_no_code_is_told_by_its_number(
    couponry: Command, tmp_path: Path, database: asyncpg.Connection, content: bytes, line: int
) -> None:
    """One line, exit 2, without the code; nothing came in."""
    result = await brought(couponry, tmp_path, content, "--json")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert f"codes.txt: line {line}: Must be 1 to 255 visible characters" in result.err
    assert await pool_of(database, 1, "g") == []


async def test_trial_of_a_file_changes_nothing(
    couponry: Command, tmp_path: Path, database: asyncpg.Connection
) -> None:
    """It says what would be; the group has no pool afterwards."""
    result = await brought(couponry, tmp_path, b"a\nb\na\n", "--dry-run", "--json")
    assert result.json() == {"accepted": 2, "duplicates": ["a"], "remaining": 2}
    assert await pool_of(database, 1, "g") == []
    assert await left_of(database, 1, {"g": None}) == {"g": None}
    shown = await brought(couponry, tmp_path, b"a\n", "--dry-run")
    assert "nothing was changed" in shown.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--partner-id", 1, "nobody", "FILE"), "partner 1 has no coupon group 'nobody'"),
        (("--partner-id", 9, "g", "FILE"), "partner 9 does not exist"),
        (("--partner-id", 1, "nobody", "--generate", 5, "--out", "OUT"), "no coupon group 'nobody'"),
        (("--partner-id", 9, "g", "--generate", 5, "--out", "OUT"), "partner 9 does not exist"),
        (("--partner-id", 1, "g", "/nonexistent"), "/nonexistent: No such file"),
        (("--partner-id", 1, "g", "--generate", 5, "--out", "/nonexistent/x"), "No such file"),
        (("--partner-id", 1, "g"), "Give a FILE of codes, or --generate"),
        (("--partner-id", 1, "g", "FILE", "--generate", 5, "--out", "OUT"), "Give a FILE of codes, or --generate"),
        (("--partner-id", 1, "g", "--generate", 5), "--generate goes with --out"),
        (("--partner-id", 1, "g", "FILE", "--prefix", "A"), "go with --generate"),
        (("--partner-id", 1, "g", "FILE", "--out", "OUT"), "go with --generate"),
        (("--partner-id", 1, "g", "--generate", 0, "--out", "OUT"), "--generate"),
        (("--partner-id", 1, "g", "--generate", 5, "--out", "OUT", "--prefix", "a"), "up to 12 of A-Z and 0-9"),
        (("--partner-id", 1, "g", "--generate", 5, "--out", "OUT", "--prefix", "A" * 13), "up to 12 of A-Z"),
    ],
)  # fmt: skip
async def test_command_that_cannot_be_done_is_one_line(
    couponry: Command, tmp_path: Path, words: tuple[object, ...], says: str
) -> None:
    """Exit 2; no file is made."""
    (tmp_path / "FILE").write_text("a\n")
    named = [tmp_path / word if word in ("FILE", "OUT") else word for word in words]
    result = await couponry("program", "codes", *named)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert says in result.err
    assert files_in(tmp_path) == ["FILE"]


def written(out: Path) -> list[str]:
    """The codes of a file that was made."""
    header, *codes = out.read_text().splitlines()
    assert header == "code"
    return codes


def making(out: Path, number: int = 500, *more: object) -> tuple[object, ...]:
    """So many codes, into this file."""
    return (*CODES, "--generate", number, "--out", out, *more)


@pytest.mark.parametrize("prefix", ["", "SUN", "0123456789AB"])
async def test_codes_are_made_into_the_pool_and_a_file(
    couponry: Command, tmp_path: Path, database: asyncpg.Connection, prefix: str
) -> None:
    """So many, all different, as people read codes of ours, in the order in which they are issued, for the owner's eyes."""
    out = tmp_path / "codes.csv"
    more = ("--prefix", prefix) if prefix else ()
    result = await couponry(*making(out, 500, *more, "--json"))
    assert result.json() == {"accepted": 500, "duplicates": [], "remaining": 500}
    codes = written(out)
    assert len(set(codes)) == 500
    assert codes == await pool_of(database, 1, "g")
    rows = await database.fetch("SELECT own_code, own_prefix FROM pool_codes ORDER BY number")
    assert [display(row["own_code"], row["own_prefix"]) for row in rows] == codes
    assert {parse(code) for code in codes} == {
        (prefix.translate(str.maketrans("OIL", "011")), row["own_code"]) for row in rows
    }
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert files_in(tmp_path) == ["codes.csv"]


async def test_finished_file_makes_nothing(
    couponry: Command, tmp_path: Path, database: asyncpg.Connection
) -> None:
    """Also when some of its codes are issued by now; another file gets codes of its own."""
    out = tmp_path / "codes.csv"
    await couponry(*making(out))
    await issued(database, 1, *written(out)[:3])
    before = out.read_bytes()
    again = await couponry(*making(out, 500, "--json"))
    assert again.json() == {"accepted": 0, "duplicates": [], "remaining": 497}
    assert out.read_bytes() == before
    assert (await couponry(*making(tmp_path / "more.csv", 3, "--json"))).json()["accepted"] == 3
    assert await database.fetchval("SELECT count(*) FROM pool_codes") == 503


async def test_file_that_is_something_else_is_left_alone(
    couponry: Command, tmp_path: Path, database: asyncpg.Connection
) -> None:
    """Whatever is in it: another number of codes, another prefix, another group's, a line more or less, a foreign text."""
    made = tmp_path / "made.csv"
    await couponry(*making(made))
    whole = made.read_bytes()
    lines = whole.splitlines(keepends=True)
    changed = [b"", b"code\n", b"something else", b"code\nx\n", b"code\n\0\n", whole + b"x\n", b"".join(lines[:-1]),
               b"".join([lines[0], *lines[2:]]), b"".join([lines[0], *lines[:0:-1]])]  # fmt: skip
    asked = [(content, ()) for content in changed]
    for content, more in [*asked, (whole, ("--prefix", "A")), (whole, ("--generate", "499"))]:
        out = tmp_path / "codes.csv"
        out.write_bytes(content)
        result = await couponry(*making(out, 500, *more))
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), content
        assert "is there already, and does not hold these codes" in result.err
        assert out.read_bytes() == content
    assert await database.fetchval("SELECT count(*) FROM pool_codes") == 500


POINTS = (
    "codes.after_part", "codes.before_commit", "codes.after_chunk", "codes.before_commit:2", "codes.after_chunk",
    "codes.after_file", "codes.after_file", "codes.after_rename",
)  # fmt: skip


async def test_command_killed_at_any_moment_goes_on(
    settings: Settings, couponry: Command, tmp_path: Path, database: asyncpg.Connection
) -> None:
    """After each kill the same command, which is killed further on: in the end exactly so many, the same in both."""
    out = tmp_path / "codes.csv"
    number = 4 * program_generation.CHUNK + 1
    for point in POINTS:
        arguments = [str(word) for word in making(out, number)]
        crash = {"COUPONRY_CRASH_AT": point, "COUPONRY_ALLOW_CRASH_POINTS": "1"}
        assert run_process(settings, *arguments, **crash).code == -9, point
        assert out.exists() == (point == "codes.after_rename")
        assert await database.fetchval("SELECT count(*) FROM pool_codes") <= number
    await issued(database, 1, *(await pool_of(database, 1, "g"))[:10])
    last = await couponry(*making(out, number, "--json"))
    assert last.json() == {"accepted": 0, "duplicates": [], "remaining": number - 10}
    codes = written(out)
    assert len(set(codes)) == number
    rows = await database.fetch("SELECT code FROM pool_codes ORDER BY number")
    assert [row["code"] for row in rows] == codes
    assert files_in(tmp_path) == ["codes.csv"]


@pytest.fixture
async def stopped(settings: Settings, tmp_path: Path) -> Path:
    """The file of a command that was killed after its first codes."""
    out = tmp_path / "codes.csv"
    arguments = [str(word) for word in making(out, program_generation.CHUNK + 10)]
    crash = {"COUPONRY_CRASH_AT": "codes.after_chunk", "COUPONRY_ALLOW_CRASH_POINTS": "1"}
    assert run_process(settings, *arguments, **crash).code == -9
    return out


async def test_codes_issued_while_it_was_stopped_count(
    couponry: Command, database: asyncpg.Connection, stopped: Path
) -> None:
    """They are in the file: somebody has them."""
    first = (await pool_of(database, 1, "g"))[:5]
    await issued(database, 1, *first)
    trial = await couponry(*making(stopped, program_generation.CHUNK + 10, "--dry-run", "--json"))
    assert trial.json() == {"accepted": 10, "duplicates": [], "remaining": program_generation.CHUNK + 5}  # fmt: skip
    result = await couponry(*making(stopped, program_generation.CHUNK + 10, "--json"))
    assert result.json() == trial.json()
    assert written(stopped)[:5] == first
    assert len(written(stopped)) == program_generation.CHUNK + 10


async def test_stopped_command_is_not_gone_on_with_by_another(
    couponry: Command, database: asyncpg.Connection, stopped: Path
) -> None:
    """With other words, or beside something else of that name, it is told what is there."""
    before = await database.fetchval("SELECT count(*) FROM pool_codes")
    other = await couponry(*making(stopped, 5))
    assert (other.code, other.out, other.err.count("\n")) == (2, "", 1)
    assert (
        f"--generate {program_generation.CHUNK + 10} --prefix ''`, which has not ended" in other.err
    )
    part = stopped.with_name("codes.csv.part")
    part.write_text("mine")
    other = await couponry(*making(stopped, program_generation.CHUNK + 10))
    assert (other.code, "is not what this command has left" in other.err) == (2, True)
    assert (part.read_text(), files_in(stopped.parent)) == ("mine", [part.name])
    assert await database.fetchval("SELECT count(*) FROM pool_codes") == before


async def test_two_commands_for_one_file_do_not_mix(
    couponry: Command, database: asyncpg.Connection, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes second is told so: by the file on this machine, by the run on any."""
    again = making(stopped, program_generation.CHUNK + 10)
    part = stopped.with_name("codes.csv.part")
    with part.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        result = await couponry(*again)
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert "another command is at work on it" in result.err
    monkeypatch.setenv("COUPONRY_LOCK_TIMEOUT_MS", "200")
    await hold_run(database, UUID(json.loads(part.read_text())["run"]))
    result = await couponry(*again)
    assert (result.code, "another command is at work on it" in result.err) == (2, True)
    await database.execute("SELECT pg_advisory_unlock_all()")
    assert (await couponry(*again, "--json")).json()["accepted"] == 10


async def test_code_that_somebody_has_is_drawn_again(
    couponry: Command, tmp_path: Path, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A coupon's, one of a pool, one twice at once: in the end all are there, and different."""
    await a_coupon(database, await a_partner(database), "0" * 16)
    draws = iter(["000", "011", "012", "3"])
    monkeypatch.setattr(
        program_generation, "drawn", lambda count: [digit * 16 for digit in next(draws)[:count]]
    )
    result = await couponry(*making(tmp_path / "codes.csv", 3, "--json"))
    assert result.json()["accepted"] == 3
    assert len(set(written(tmp_path / "codes.csv"))) == 3
    assert next(draws, None) is None


async def test_trial_of_making_codes_makes_none(
    couponry: Command, tmp_path: Path, database: asyncpg.Connection
) -> None:
    """It says how many would be, and what would be left under the cap; no file is there afterwards."""
    for handle, left in (("g", 500), ("cap", 2)):
        words = (
            *CODES[:-1],
            handle,
            "--generate",
            500,
            "--out",
            tmp_path / "c",
            "--dry-run",
            "--json",
        )
        assert (await couponry(*words)).json() == {"accepted": 500, "duplicates": [], "remaining": left}  # fmt: skip
    assert await database.fetchval("SELECT count(*) FROM pool_codes") == 0
    assert files_in(tmp_path) == []


async def test_group_deleted_meanwhile_ends_it(
    couponry: Command, tmp_path: Path, database: asyncpg.Connection, stopped: Path
) -> None:
    """Its codes went with it: one line, and no more are made."""
    await a_program(database, 1, couponGroups=[])
    result = await couponry(*making(stopped, program_generation.CHUNK + 10))
    assert (result.code, "has no coupon group 'g'" in result.err) == (2, True)
    assert await database.fetchval("SELECT count(*) FROM pool_codes") == 0
