"""The runbook: every command in it is run, in the world its section speaks of, and prints what stands below it.

Outputs are compared without what differs from run to run: numbers, instants, ids, names of machines and the spacing of
tables. A line `…` in the runbook stands for any lines.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import asyncpg
import pytest

from services.cli.commands import COMMANDS
from services.insight.status import verdict
from services.runtime.settings import Settings
from tests.docs.runbook_worlds import WORLDS, Ground
from tests.house.repository import ROOT
from tests.stand.commands import Command, CommandOn

TEXT = (ROOT / verdict.RUNBOOK).read_text(encoding="utf-8")
SAME = (
    (r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?", "#"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "#"),
    (r"…[0-9A-Z]{4}\b", "…#"),
    (r"\b[0-9a-f]{16}\b", "#"),
    (r"\S+@[\w.-]+", "somebody"),
    (r"schema \w+", "schema #"),
    (r"\d[\d,]*(\.\d+)*", "#"),
    (r"# (s|minutes)\b", "#"),
    (r"→ stays|[↑↓] \w+ by #/s(, gone in #( \w+)?)?", ""),
    (r"127\.#|Connect call failed.*|Error # connecting to .*|\[Errno.*", "#"),
)


def sections() -> dict[str, str]:
    """The text of each section by its title."""
    parts = re.split(r"^## (.+)$", TEXT, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, content) of the fenced blocks that are typed somewhere."""
    return re.findall(r"^```(console|sql)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block with what it shows below it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def plainly(text: str) -> list[str]:
    """Lines without what differs from run to run."""
    for pattern, instead in SAME:
        text = re.sub(pattern, instead, text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def fits(printed: Sequence[str], shown: Sequence[str]) -> bool:
    """Whether the printed lines are the shown ones, `…` standing for any number of lines."""
    pattern = "".join("(?:.*\n)*?" if line == "…" else re.escape(line) + "\n" for line in shown)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)) is not None


def test_runbook_has_a_world_for_each_section() -> None:
    """Every section, in the order of its table of contents, and nothing typed outside of them."""
    assert list(sections()) == list(WORLDS)
    assert [title for title, _ in re.findall(r"^- \[(.+)\]\(#(.+)\)$", TEXT, re.MULTILINE)] == list(WORLDS)  # fmt: skip
    assert len(blocks(TEXT)) == sum(len(blocks(text)) for text in sections().values())
    assert len(blocks(TEXT)) == TEXT.count("```") / 2
    for title, text in sections().items():
        for sign in ("You notice", "It means", "It is over", "Do not"):
            assert f"**{sign}**" in text, (title, sign)


def test_status_names_sections_that_exist() -> None:
    """Wherever a problem sends the reader, there is something to read."""
    source = Path(verdict.__file__).read_text(encoding="utf-8")
    named = set(re.findall(r'section\("(.+?)"\)', source))
    assert named
    assert named <= sections().keys()


def test_runbook_shows_commands_of_ours() -> None:
    """Every line that is typed is a command of `couponry`, with its output below it."""
    for language, block in blocks(TEXT):
        if language == "console":
            assert block.startswith("$ ")
            for command, shown in commands(block):
                assert command.split()[0] == "couponry"
                assert command.split()[1] in COMMANDS
                assert shown.strip(), command


@pytest.fixture
def ground(topics: Settings, copied: Settings, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """Topics and a database of this test, and a copy of the common world."""
    return Ground(settings=topics, copied=copied, environment=monkeypatch)


@pytest.mark.parametrize("title", WORLDS)
async def test_runbook_commands_do_what_it_shows(
    title: str, ground: Ground, couponry_on: CommandOn
) -> None:
    """In the order of the section; before each block the world moves on as the section says."""
    world = WORLDS[title](ground)
    try:
        for language, block in blocks(sections()[title]):
            settings = await anext(world)
            if language == "sql":
                await as_owner(settings, block)
                continue
            couponry = couponry_on(settings)
            for command, shown in commands(block):
                printed = await output_of(couponry, command, settings)
                assert fits(plainly(printed), plainly(shown)), f"{command}\n{printed}"
        with pytest.raises(StopAsyncIteration):
            await anext(world)
    finally:
        await world.aclose()


async def as_owner(settings: Settings, statement: str) -> None:
    """As the runbook says, by the database's owner."""
    owner = await asyncpg.connect(settings.postgres_dsn)
    assert not (await owner.execute(statement)).endswith(" 0"), "it changes nothing"
    await owner.close()


async def output_of(couponry: Command, command: str, settings: Settings) -> str:
    """What it prints on stdout, topics without this test's prefix; 1 is an answer too (`verify`)."""
    result = await couponry(*shlex.split(command)[1:])
    assert result.code in (0, 1), result.err
    return result.out.replace(settings.topic_prefix, "")
