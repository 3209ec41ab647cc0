"""The table of commands against the commands that there are."""

from __future__ import annotations

from importlib import import_module

import click

from services.cli.commands import COMMANDS, cli
from tests.house.packages import modules


def test_every_command_is_in_the_table() -> None:
    """A command that no line of the table names, and that is part of no group, nobody could call."""
    defined = {
        value
        for name in modules("services")
        if name != "services.cli.__main__"
        for value in vars(import_module(name)).values()
        if isinstance(value, click.Command)
    }
    parts = {
        part
        for group in defined
        if isinstance(group, click.Group)
        for part in group.commands.values()
    }
    context = click.Context(cli)
    assert defined - parts - {cli} == {cli.get_command(context, name) for name in COMMANDS}
