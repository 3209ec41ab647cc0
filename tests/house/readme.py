"""The README as data: its code blocks, tables and links."""

from __future__ import annotations

import re

from tests.house.repository import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    """The text of the fenced block that carries this file name behind its language."""
    found = re.findall(rf"^```\w+ {re.escape(name)}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, name
    return str(found[0])


def console(command: str) -> str:
    """What the README shows below `$ command`, up to the next command or the end of the block."""
    found = re.findall(
        rf"^\$ {re.escape(command)}\n(.*?)(?=^\$ |^```)", TEXT, re.MULTILINE | re.DOTALL
    )
    assert len(found) == 1, command
    return str(found[0])


def table(section: str) -> list[list[str]]:
    """The rows of the first table below this heading, cells without backticks around them."""
    _, _, below = TEXT.partition(f"\n## {section}\n")
    assert below, section
    rows = []
    for line in below.split("\n## ")[0].splitlines():
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            break
    return rows[2:]


def links() -> list[tuple[str, str]]:
    """(text, target) of every link."""
    return re.findall(r"\[([^\]]+)\]\(([^)]+)\)", TEXT)


def quoted(text: str) -> list[str]:
    """Everything in backticks."""
    return re.findall(r"`([^`]+)`", text)
