"""A topic's name is written in `schemas/topics.py`; whoever means the topic imports it from there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from schemas.topics import ALL, CUSTOMERS, DEAD_LETTERS, ORDERS
from tests.house.repository import ROOT, name_of, python_files

REGISTRY = "schemas/topics.py"

WORDS = {DEAD_LETTERS}
"""Also a word of its own, a command: inside a longer text it is taken for that."""

EVERYDAY = {CUSTOMERS, ORDERS}
"""Also what everybody calls who buys, and what: a literal of these says nothing. Who means the topic is found by reviews."""

EXCEPTIONS = {
    ("services/cli/commands.py", DEAD_LETTERS): "the command",
    ("services/repair/dead_letters/command.py", DEAD_LETTERS): "the command",
}


def spelled(text: str) -> Iterator[str]:
    """The topics' names among the string literals of a module. Docstrings and remarks are prose, not code."""
    nodes = list(ast.walk(ast.parse(text)))
    prose = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            for name in (topic.name for topic in ALL if topic.name not in EVERYDAY):
                inside = name not in WORDS and re.search(rf"(?<![\w-]){name}(?![\w-])", node.value)
                if inside or node.value == name:
                    yield name


def test_topic_name_is_spelled_in_the_registry_alone() -> None:
    """Elsewhere a literal would be a second list, which nobody remembers; no exception is left over."""
    found = {
        (name_of(path), name)
        for path in python_files("services", "schemas")
        if name_of(path) != REGISTRY
        for name in spelled(path.read_text(encoding="utf-8"))
    }
    assert found == set(EXCEPTIONS)


def test_topic_name_outside_the_registry_is_found() -> None:
    """The registry itself has every one; a name alone, in a longer text and in an f-string is found, prose is not."""
    text = (ROOT / REGISTRY).read_text(encoding="utf-8")
    assert set(spelled(text)) == {topic.name for topic in ALL} - EVERYDAY
    assert list(spelled('topic = "dead-letters"')) == [DEAD_LETTERS]
    assert list(spelled('print(f"{n} in coupon-issued")')) == ["coupon-issued"]
    assert list(spelled('"""Of `orders`."""\nx = "many dead-letters", "demo-coupon-issued"')) == []
