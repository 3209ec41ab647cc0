"""The README tells the truth: links, tables and commands agree with the code. What it runs: `test_readme_runs`."""

from __future__ import annotations

import re
from collections import Counter as Tally
from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib import import_module
from typing import Any

import pytest
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from schemas.topics import ALL, Direction
from services.adapters.kafka import topic_specs
from services.cli.commands import COMMANDS
from services.domain.coupons.effects import DeclineReason, GrantRefusal, RedeemReason
from services.domain.letters import Stage
from services.runtime.processes import PROCESSES
from services.runtime.settings import PREFIX, Settings
from services.stage.demo.catalogue import game_file
from services.stage.demo.records import Fate
from services.stage.demo.shop.arithmetic import Reckoning
from services.stage.demo.shop.lines import Line
from services.stage.demo.shop.month import month
from services.stage.demo.workload import Game, Workload
from tests.house.packages import modules
from tests.house.readme import TEXT, block, console, links, quoted, table
from tests.house.repository import ROOT
from tests.stand.planting import PLANTED, plant, planted


def test_readme_links_lead_somewhere() -> None:
    """Every link's file exists; a link whose text is a test's name leads to the file that holds it."""
    for text, target in links():
        path = ROOT / target
        assert path.exists(), target
        if text.startswith("`test_"):
            assert f"def {text.strip('`')}(" in path.read_text(encoding="utf-8"), text


def test_readme_proves_every_promise() -> None:
    """Each row of the promises names the test that holds it."""
    rows = table("What it promises")
    assert len(rows) >= 8
    for promise, proof in rows:
        assert proof.startswith("[`test_"), promise


def test_readme_lists_every_setting_with_its_default() -> None:
    """The table of settings is the settings, in their order."""
    shown = [
        (quoted(variable)[0], default.strip("`")) for variable, default, _ in table("Settings")
    ]
    expected = []
    for name, field in Settings.model_fields.items():
        plain = field.default
        if isinstance(plain, tuple | frozenset):
            plain = ",".join(map(str, plain))
        default = {None: "unset", "": "empty"}.get(plain, str(plain))
        expected.append((f"{PREFIX}{name.upper()}", default))
    assert shown == expected


def test_readme_lists_every_command() -> None:
    """The table of commands is the command line's, in its order."""
    shown = [text.split()[1] for row in table("Commands") for text in quoted(row[0])]
    assert shown == list(COMMANDS)


def test_readme_lists_every_topic() -> None:
    """The table of topics is the topics that are created, in their order, with direction and CloudEvents types."""
    names = [spec.name for spec in topic_specs(Settings(topic_prefix=""))]
    assert [quoted(row[0])[0] for row in table("Topics")] == names
    for (_, direction, what), topic in zip(table("Topics"), ALL, strict=True):
        assert direction == topic.direction
        if topic.types:
            assert tuple(quoted(what)) == topic.types


def test_readme_without_a_topic_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic that is in the registry and not in the table fails the test above."""
    plant(monkeypatch, planted(Direction.INCOMING))
    with pytest.raises(AssertionError, match=PLANTED):
        test_readme_lists_every_topic()


def test_readme_lists_every_reason_and_stage() -> None:
    """Decline reasons, refusals of redemptions and dead-letter stages are the code's closed lists, in their order."""
    _, _, reasons = TEXT.partition("for one of these reasons:")
    assert quoted(reasons.partition(".")[0]) == [reason.value for reason in DeclineReason]
    _, _, reasons = TEXT.partition("for the first of these that holds:")
    own = list(RedeemReason)
    after_groups = own.index(RedeemReason.BELOW_MINIMUM)
    refusals = [*own[:after_groups], *GrantRefusal, *own[after_groups:]]
    assert quoted(reasons.partition(";")[0]) == refusals
    _, _, stages = TEXT.partition("at one of these stages:")
    assert quoted(stages.partition(".")[0]) == [stage.value for stage in Stage]


def test_readme_lists_every_metric() -> None:
    """The table of metrics is what all processes define, in their order, with kind, labels and description."""
    expected = {}
    for metric in metrics():
        (family,) = metric.describe()
        expected[family.name + ("_total" if isinstance(metric, Counter) else "")] = (metric, family)
    shown = {quoted(name)[0]: text for name, text in table("Health and metrics")}
    assert list(shown) == list(expected)
    for name, (metric, family) in expected.items():
        labels = ", by " + ", ".join(f"`{label}`" for label in metric._labelnames)
        described = f"{family.type}{labels if metric._labelnames else ''}: {family.documentation}"
        assert shown[name] == described


def test_metric_is_counted_by_somebody() -> None:
    """Each is set, counted up or observed somewhere: one that never moves says that all is well."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in modules("services").values())
    unmoved = [
        name
        for module in defining_metrics()
        for name, value in vars(import_module(module)).items()
        if isinstance(value, MetricWrapperBase)
        and not re.search(rf"\b{name}\.(labels|inc|set|observe|set_to_current_time)\(", code)
    ]
    assert unmoved == []


def metrics() -> Iterator[MetricWrapperBase]:
    """Every metric of every module, those of the first process first."""
    for name in defining_metrics():
        for value in vars(import_module(name)).values():
            if isinstance(value, MetricWrapperBase):
                yield value


def defining_metrics() -> list[str]:
    """The modules that use the client, by their process."""
    rooms = [*PROCESSES, *sorted(path.name for path in (ROOT / "services").iterdir())]
    using = [
        name
        for name, path in modules("services").items()
        if "prometheus_client" in path.read_text(encoding="utf-8")
    ]
    return sorted(using, key=lambda name: (rooms.index(name.split(".")[1]), name))


def test_readme_commands_are_in_the_makefile() -> None:
    """Every `make …` that is mentioned is a target."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"\bmake ([a-z]+)", TEXT)
    assert {"demo", "test", "check"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_readme_shows_what_the_demo_counts() -> None:
    """The numbers below `make demo` are those that its default seed gives; only speeds differ by machine."""
    games = [_game(number, entry) for number, entry in enumerate(game_file(1, _today()), start=1)]
    workload = Workload(tags="", partner_id=1, games=games, count=20_000, seed=1)
    shown = _counts_shown("make demo")
    counts = Tally(_label(record.fate) for record in workload.records())
    assert shown == {label: (count, count) for label, count in counts.items()}


def test_readme_shows_what_the_month_comes_to() -> None:
    """So are those below the second act, week by week and in the end."""
    reckoning, weeks = Reckoning(), month(1, "")
    shown = console(".venv/bin/couponry demo --act 2")
    for week in weeks:
        reckoning.reckon(week)
        counts = reckoning.counts
        assert (
            f"so far {counts[Line.EARNED]:,} points earned, {counts[Line.ENDED]:,} ended;"
            f" {counts[Line.ROAST]} reached Roast, {counts[Line.ESPRESSO]} Espresso\n"
        ) in shown
    totals = reckoning.totals()
    assert _counts_shown(".venv/bin/couponry demo --act 2") == {
        line: (totals[line], totals[line]) for line in Line
    }


@pytest.mark.parametrize("name", ["producer.py", "subscriber.py"])
def test_readme_program_is_short(name: str) -> None:
    """Producer and subscriber take 15 lines of code at most."""
    assert len([line for line in block(name).splitlines() if line.strip()]) <= 15


def _counts_shown(command: str) -> dict[str, tuple[int, int]]:
    """Must be and seen, by label."""
    return {
        label: (int(must.replace(",", "")), int(seen.replace(",", "")))
        for label, must, seen in re.findall(
            r"^(.+?) +([\d,]+) +([\d,]+)$", console(command), re.MULTILINE
        )
    }


def _today() -> date:
    """Where the demo's games stand in time."""
    return datetime.now(UTC).date()


def _game(number: int, entry: dict[str, Any]) -> Game:
    return Game(
        id=number,
        is_single=not entry.get("allow_multiple_active_coupons", True),
        is_active=entry.get("is_active", True),
        first_day=date.fromisoformat(entry.get("start_date", "0001-01-01")),
        last_day=date.fromisoformat(entry.get("end_date", "9999-12-31")),
    )


def _label(fate: Fate) -> str:
    return {
        "issued": "coupons issued",
        "repeat": "repeats absorbed",
        "declined": f"declined: {fate.detail}",
        "dead": f"dead-lettered: {fate.detail}",
    }[fate.outcome]
