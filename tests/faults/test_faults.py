"""A short part of the fault run, and that its reckoning finds what is wrong. `make faults` is all of it."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services.local.servers import SETTING
from services.runtime.settings import read_settings
from tests.faults.audit import Finding, Stored, judge
from tests.faults.coupon_system import Issued, wrong_with
from tests.faults.faults import FAULTS, chosen
from tests.faults.ledger import Ledger, Place
from tests.faults.points import WAYS, points
from tests.faults.readers import Message, letter_name
from tests.faults.run import Row
from tests.faults.table import Report, show
from tests.stand.processes import environment

SHORT = ("kill issuer", "kill postgres", "point relay.after_send", "failover")
SLOW_MACHINE_SECONDS = 80
"""What a recovery may take here: how fast it is, `make faults` says."""
POISON = Place("orders", 1, 7, "bad")


@pytest.mark.slow
@pytest.mark.alone(
    "a fleet under load with servers of its own, and how soon all is well is measured"
)
@pytest.mark.timeout(400)
async def test_short_run_keeps_every_promise() -> None:
    """The command itself, with a few faults: exit code 0, each of them held; its output names the seed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults", f"--within={SLOW_MACHINE_SECONDS}", *(f"--only={name}" for name in SHORT),
        env=environment(read_settings(**dict.fromkeys(SETTING.values()))),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, said = await process.communicate()
    text = f"{out.decode()}\n{said.decode()}"
    assert process.returncode == 0, text
    for name in SHORT:
        assert f"{name} " in out.decode(), text
    assert "seed" in out.decode()
    assert "Verify: 0 violations." in out.decode(), text


def test_faults_come_in_the_order_of_the_seed() -> None:
    """Another seed, another order; the same seed, the same; a name picks what begins with it."""
    assert len({one.name for one in FAULTS}) == len(FAULTS)
    assert chosen((), 1) == chosen((), 1) != chosen((), 2)
    assert {one.name for one in chosen(("kill issuer",), 1)} == {"kill issuer"}


def test_every_point_of_the_code_is_a_fault() -> None:
    """The list is read from the code: with the points that other tests name, none twice, each with its way."""
    names = {one.name.removeprefix("point ") for one in FAULTS if one.name.startswith("point ")}
    assert len(points()) == len(set(points())) == len(names)
    assert {"issuer.after_commit", "relay.after_send", "waiting.after_put"} <= names
    assert {name.partition(".")[0] for name in names} == WAYS.keys()


def account() -> tuple[Ledger, Stored, list[Message]]:
    """An event, an order, poison and a coupon by hand, all of them as promised, during the second fault."""
    ledger = Ledger(row=2)
    ledger.send("won", "completion", "/games")
    ledger.send("bought", "order", "/shop")
    ledger.send("bad", "poison", "")
    ledger.acknowledge("bad", POISON)
    ledger.send("by-hand", "by hand", "")
    ledger.answer("by-hand", "coupon")
    keys = [one.key for one in ledger.of("completion", "order")]
    kept = Stored(
        decisions=Counter(keys), coupons=Counter(keys[:1]), by_hand=Counter(["by-hand"]),
        due=Counter(["coupon-issued a.issued"]), letters=Counter([POISON]), violations=(),
    )  # fmt: skip
    out = [Message(name=name, at_ms=2_500, tag="") for name in (*kept.due, letter_name(POISON))]
    return ledger, kept, out


def test_account_that_is_right_has_no_findings() -> None:
    """Nothing is found where nothing is wrong."""
    assert judge(*account(), [1_000, 2_000], ()) == []


KEY = account()[0].sent["won"].key
Change = Callable[[Stored, list[Message]], tuple[Stored, list[Message]]]
WRONG: list[tuple[str, str, Change]] = [
    ("lost", "won has no decision", lambda s, o: (replace(s, decisions=s.decisions - Counter([KEY])), o)),
    ("lost", "has no letter", lambda s, o: (replace(s, letters=Counter()), o[:1])),
    ("lost", "has no coupon", lambda s, o: (replace(s, by_hand=Counter()), o)),
    ("lost", "a.issued was never published", lambda s, o: (s, o[1:])),
    ("lost", "7 bad was never published", lambda s, o: (s, o[:1])),
    ("doubled", "won has 2 decisions", lambda s, o: (replace(s, decisions=s.decisions + Counter([KEY])), o)),
    ("doubled", "won has 2 coupons", lambda s, o: (replace(s, coupons=Counter({KEY: 2})), o)),
    ("doubled", "by-hand has 2 coupons", lambda s, o: (replace(s, by_hand=Counter({"by-hand": 2})), o)),
    ("doubled", "has 2 letters", lambda s, o: (replace(s, letters=Counter({POISON: 2})), o)),
    ("doubled", "nobody decided", lambda s, o: (s, [*o, replace(o[0], name="coupon-issued b.issued")])),
    ("doubled", "two active", lambda s, o: (replace(s, violations=["two active"]), o)),
    ("twice", "a.issued is out 2 times", lambda s, o: (s, [*o, o[0]])),
]  # fmt: skip


@pytest.mark.parametrize(("what", "text", "change"), WRONG, ids=[text for _, text, _ in WRONG])
def test_account_that_is_wrong_is_found(what: str, text: str, change: Change) -> None:
    """One thing is wrong: it is found, as what it is, charged to the fault that it came with, and nothing else."""
    ledger, kept, out = account()
    (found,) = judge(ledger, *change(kept, out), [1_000, 2_000], ())
    assert (found.what, found.row, found.allowed) == (what, 2, False)
    assert text in found.text


@pytest.mark.parametrize(("times", "allowed"), [(2, True), (3, False)])
def test_message_may_be_out_twice_after_a_failover_alone(times: int, allowed: bool) -> None:
    """Where the fault may do so it is told, and held against nobody; three times is too often."""
    ledger, kept, out = account()
    (found,) = judge(ledger, kept, [*out, *out[:1] * (times - 1)], [1_000, 2_000], {2})
    assert found.allowed is allowed


def coupon(number: int, customer: str, **changed: Any) -> Issued:
    """One whose code has come, decided in the order of the numbers."""
    made = Issued(
        coupon_id=str(number), customer_id=customer, seq=number,
        issued_at=datetime(2026, 11, 1, 12, number, tzinfo=UTC), code=f"OWN-issued_{number}",
    )  # fmt: skip
    return replace(made, **changed)


@pytest.mark.parametrize(
    ("heard", "wrong"),
    [
        ("1 2 3", []),
        ("3 1 1 2 1", []),
        ("1 2 4 4 3", []),
        ("1 3", ["issued_2 was never told"]),
        ("2 3 1 2", ["issued_1 of anna was told behind issued_2"]),
        ("1 2 3 9", ["issued_9 was told and is no coupon"]),
    ],
)
def test_partners_system_hears_of_each_in_order(heard: str, wrong: list[str]) -> None:
    """At least once, Anna of her first before her second; of two that two clocks order differently in any order."""
    coupons = [coupon(1, "anna"), coupon(2, "anna"), coupon(3, "bert")]
    if "4" in heard:
        coupons.append(coupon(4, "bert", issued_at=datetime(2026, 11, 1, tzinfo=UTC)))
    found = wrong_with(coupons, [f"issued_{number}" for number in heard.split()])
    assert found == wrong


def test_code_that_is_not_the_partners_is_found() -> None:
    """None at all, or another's."""
    found = wrong_with([coupon(1, "anna", code=None), coupon(2, "bert", code="OWN-issued_1")], ["issued_1", "issued_2"])  # fmt: skip
    assert found == ["issued_1 has the code None", "issued_2 has the code OWN-issued_1"]


def test_failure_names_the_seed_and_breaks_its_fault() -> None:
    """Too slow, something lost, or something that is no fault's: each is told with the seed; what is allowed is not."""
    rows = [
        Row(number=number, fault=fault, at_ms=0, after_seconds=0.0, recovery_seconds=1.0)
        for number, fault in enumerate(FAULTS[:4], 1)
    ]
    rows[0].wrong.append("took longer than 20 s")
    findings = [
        Finding(row=2, what="lost", text="e-1 has no decision"),
        Finding(row=3, what="twice", text="a is out 2 times", allowed=True),
    ]
    report = Report(seed=5, rows=rows, findings=findings, wrong=["verify: something"])
    assert report.failures() == [
        f"seed 5: {FAULTS[0].name}: took longer than 20 s",
        f"seed 5: {FAULTS[1].name}: lost: e-1 has no decision",
        "seed 5: verify: something",
    ]
    verdicts = [line.split("│")[-2].strip() for line in show(report).splitlines() if "│" in line]
    assert verdicts == ["BROKEN", "BROKEN", "held", "held"]
    assert Report(seed=5, rows=rows[2:], findings=findings[1:]).failures() == []
    assert "held" not in show(Report(seed=5, rows=rows)), "nobody has reckoned yet"
