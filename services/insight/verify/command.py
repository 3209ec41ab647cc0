"""`couponry verify` on the command line."""

from __future__ import annotations

import asyncio

import click

from services.insight.verify.run import Report
from services.insight.verify.run import verify as check_all
from services.terminal.addresses import command_settings
from services.terminal.output import json_option, print_json, print_table, progress


@click.command()
@json_option
@click.pass_context
def verify(ctx: click.Context, as_json: bool) -> None:
    """Check every invariant over everything stored; exit 1 if one is violated."""
    report = asyncio.run(check_all(command_settings(), progress))
    if as_json:
        print_json(as_document(report))
    else:
        print_table(
            ("invariant", "violation"),
            ((violation.invariant, violation.detail) for violation in report.violations),
        )
        for sentence in report.unchecked:
            print(f"not checked: {sentence}")
        for sentence in report.notes:
            print(f"note: {sentence}")
        outcome = "holds" if report.ok else "VIOLATED"
        passed = f", {report.passed_over:,} passed over" if report.passed_over else ""
        print(f"{outcome}: {report.checked:,} rows and records checked{passed}")
    ctx.exit(0 if report.ok else 1)


def as_document(report: Report) -> dict[str, object]:
    """The JSON shape of the contract."""
    return {
        "ok": report.ok,
        "checked": report.checked,
        "passed_over": report.passed_over,
        "violations": [
            {"invariant": violation.invariant, "detail": violation.detail}
            for violation in report.violations
        ],
        "unchecked": report.unchecked,
        "notes": report.notes,
    }
