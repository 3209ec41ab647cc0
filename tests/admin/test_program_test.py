"""`couponry program test`: events of a file decided under a program of a file, without a server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.gameball_v4 import program as sections_of_a_program
from services.admin.trial import Trial
from services.domain.events import Birthday, Cause, CustomerDescribed, Told
from services.domain.partner_program import PartnerProgram
from tests.stand.commands import Result, run_process

SMALL_SHOP = Path(sections_of_a_program.__file__).with_name("small-shop.json")


def line(type_: str, time: str, customer_id: str | None = "anna", **data: Any) -> str:
    told = {"partner_id": 1, "customer_id": customer_id, **data}
    return json.dumps({"type": type_, "time": f"2026-03-{time}Z", "data": told})


def tried(
    tmp_path: Path, lines: Sequence[str], *options: str, program: Path = SMALL_SHOP
) -> Result:
    """The program, the small shop's by default, in Vilnius; a process without any server to go to."""
    events = tmp_path / "events.jsonl"
    events.write_text("\n".join(lines), encoding="utf-8")
    zone = ("--time-zone", "Europe/Vilnius")
    return run_process(None, "program", "test", str(program), str(events), *zone, *options)


STORY = [
    line("customer.created", "01T09:00:00", birthday="1990-03-02"),
    line("customer.created", "01T09:00:00", "bert", referred_by="anna"),
    "",
    line("order.placed", "01T09:05:00", order_id="o-1", currency="EUR", total="105.99"),
    line("order.placed", "03T09:05:00", "bert", order_id="o-2", currency="EUR", total=30.1, coupon_codes=["HELLO-0000-0000-0000-00RF"]),
    line("order.placed", "03T09:06:00", "carl", order_id="o-1", currency="EUR", total=500),
    line("order.refunded", "04T09:05:00", order_id="o-1", refunded_total="50"),
]  # fmt: skip


def test_events_earn_what_the_program_says(tmp_path: Path) -> None:
    """By rate, campaigns, a tier reached and lost, a birthday and a referral that follow, a coupon used, a refund."""
    found = tried(tmp_path, STORY, "--json").json()
    assert [
        (
            row["line"],
            row["customer_id"],
            row["points"],
            row["campaigns"],
            row["tier"],
            row["outcome"],
        )
        for row in found["events"]
    ] == [
        (1, "anna", 50, ["Join us"], "Bean", "recorded"),
        (2, "bert", 50, ["Join us"], "Bean", "recorded"),
        (4, "anna", 105 + 30 + 150, ["First basket"], "Roast", "recorded"),
        (None, "anna", 200, ["Happy birthday"], "Roast", "recorded"),
        (5, "bert", 27 + 30 + 50, ["First basket"], "Bean", "recorded"),
        (None, "anna", 200, [], "Roast", "recorded"),
        (6, "carl", 0, [], "Bean", "order_already_counted"),
        (7, "anna", -49, [], "Bean", "recorded"),
    ]
    assert found["events"][3]["at"] == "2026-03-01T22:00:00Z", "midnight in Vilnius"
    anna, bert, carl = found["statements"]
    assert (anna["points"], anna["worth"], anna["spent"], anna["referrals"]) == (
        686,
        6.86,
        55.99,
        1,
    )
    assert (bert["spent"], bert["orders"], carl["orders"]) == (27.09, 1, 0)


def test_points_that_have_ended_are_not_in_the_statement(tmp_path: Path) -> None:
    """The statement is of the instant of the last event, whoever's it is."""
    later = line("customer.event", "01T09:00:00", "bert", name="looked").replace("2026", "2027")
    lines = [line("customer.created", "01T09:00:00"), later]
    anna, _ = tried(tmp_path, lines, "--json").json()["statements"]
    assert anna["points"] == 0


def test_it_is_shown_as_two_tables(tmp_path: Path) -> None:
    """What each event earned, then what each customer has."""
    result = tried(tmp_path, STORY)
    assert result.code == 0, result.err
    events, customers = result.out.split("\n\n")
    assert events.split()[:3] == ["line", "type", "customer_id"]
    assert "referral.completed" in events
    assert customers.split()[:4] == ["customer_id", "points", "worth", "owed"]


REDEEMED = [
    line("customer.created", "01T09:00:00"),
    line("points.redeem-requested", "01T09:01:00", rule_id=1, points=40),
    line("points.undo-requested", "01T09:02:00", coupon_id="0000-0000-0000-00RF"),
    line("points.redeem-requested", "01T09:03:00", rule_id=1, points=50),
    line("order.placed", "01T09:04:00", order_id="o-1", currency="EUR", total="10.50", coupon_codes=["0000000000018R"]),
    line("points.redeem-requested", "01T09:05:00", rule_id=2, points=10),
    line("points.undo-requested", "01T09:06:00", coupon_id="00000000-0000-0000-0000-000000000003"),
    line("points.undo-requested", "01T09:07:00", "bert", coupon_id="0000-0000-0000-00RF"),
]  # fmt: skip


def test_points_are_redeemed_and_given_back(tmp_path: Path) -> None:
    """What it costs and the coupon; a coupon is named by its code or its id; what is refused says why."""
    found = tried(tmp_path, REDEEMED, "--json").json()
    second = found["events"][3]["coupons"][0]
    lines = [each.replace("0000000000018R", second) for each in REDEEMED]
    found = tried(tmp_path, lines, "--json").json()
    assert [(row["points"], row["coupons"], row["outcome"]) for row in found["events"]] == [
        (50, ["HELLO-0000-0000-0000-008G"], "recorded"),
        (-40, ["0000-0000-0000-00RF"], "issued"),
        (40, [], "recorded"),
        (-50, [second], "issued"),
        (10 + 30, [], "recorded"),
        (0, [], "rule_not_found"),
        (0, [], "coupon_not_active"),
        (0, [], "not_a_redemption"),
    ]
    assert found["events"][1]["coupon_ids"] == ["00000000-0000-0000-0000-000000000003"]
    assert [each["points"] for each in found["statements"]] == [40, 0]
    assert found["rules"] == [
        {
            "rule_id": 1, "is_default": True, "is_active": True, "points": None, "coupon": "fixed", "value": None,
        }
    ]  # fmt: skip


def test_rules_are_shown_where_points_are_redeemed(tmp_path: Path) -> None:
    """By the numbers that events name; the table is of no use without such events."""
    _, _, rules = tried(tmp_path, REDEEMED).out.split("\n\n")
    assert rules.split()[:2] == ["rule_id", "is_default"]


def shop_with_groups(tmp_path: Path, *groups: dict[str, Any]) -> Path:
    """Whoever registers has 100 points, and a coupon of the first group; for 10 points there is one of each."""
    coupons = [
        {"couponType": "Custom", "group": {"handle": group["handle"]}, "discountValue": 5}
        for group in groups
    ]
    rules = [
        {"id": number, "ruleType": "custom", "pointsToRedeem": 10, "coupon": coupon}
        for number, coupon in enumerate(coupons, 1)
    ]
    join = {"name": "Join", "type": "SignUp", "rewards": [{"walletReward": 100, "couponReward": coupons[0]}]}  # fmt: skip
    program = {"partner_id": 1, "campaigns": [join], "redemption": {"rules": rules}, "couponGroups": groups}  # fmt: skip
    file = tmp_path / "program.json"
    file.write_text(json.dumps(program), encoding="utf-8")
    return file


def redeemed(time: str, rule_id: int, customer_id: str = "anna") -> str:
    return line("points.redeem-requested", time, customer_id, rule_id=rule_id)


def test_caps_of_groups_bind(tmp_path: Path) -> None:
    """A customer's own and everybody's, whichever way a coupon is earned; one that is given back makes room."""
    program = shop_with_groups(
        tmp_path,
        {"handle": "all", "title": "All", "maxTotal": 3},
        {"handle": "each", "title": "Each", "maxPerCustomer": 1},
    )
    lines = [
        line("customer.created", "01T09:00:00"),
        redeemed("01T09:01:00", 1),
        line("customer.created", "01T09:02:00", "bert"),
        line("customer.created", "01T09:03:00", "carl"),
        redeemed("01T09:04:00", 1),
        line("points.undo-requested", "01T09:05:00", coupon_id="00000000-0000-0000-0000-000000000002"),
        redeemed("01T09:06:00", 1, "bert"),
        redeemed("01T09:07:00", 2),
        redeemed("01T09:08:00", 2),
        redeemed("01T09:09:00", 2, "bert"),
    ]  # fmt: skip
    found = tried(tmp_path, lines, "--json", program=program).json()
    assert [(row["points"], len(row["coupons"]), row["outcome"]) for row in found["events"]] == [
        (100, 1, "recorded"),
        (-10, 1, "issued"),
        (100, 1, "recorded"),
        (100, 0, "group_exhausted"),
        (0, 0, "group_exhausted"),
        (10, 0, "recorded"),
        (-10, 1, "issued"),
        (-10, 1, "issued"),
        (0, 0, "group_customer_limit_reached"),
        (-10, 1, "issued"),
    ]
    assert found["groups"] == [
        {"handle": "all", "issued": 3, "remaining": 0},
        {"handle": "each", "issued": 2, "remaining": None},
    ]


def test_pool_is_issued_until_it_is_empty(tmp_path: Path) -> None:
    """Its codes in their order, by which events name coupons; the code of a coupon that is given back is gone."""
    program = shop_with_groups(tmp_path, {"handle": "gift", "title": "Gift", "maxTotal": 5})
    codes = tmp_path / "codes.txt"
    codes.write_text("ONE\r\n\nTWO/2\nthree\nfour", encoding="utf-8")
    lines = [
        line("customer.created", "01T09:00:00"),
        redeemed("01T09:01:00", 1),
        line("points.undo-requested", "01T09:02:00", coupon_id="TWO/2"),
        redeemed("01T09:03:00", 1),
        line("order.placed", "01T09:04:00", order_id="o", currency="EUR", total=9, coupon_codes=["three"]),
        redeemed("01T09:05:00", 1),
        redeemed("01T09:06:00", 1),
    ]  # fmt: skip
    result = tried(tmp_path, lines, "--codes", "gift", str(codes), "--json", program=program)
    found = result.json()
    assert [(row["coupons"], row["outcome"]) for row in found["events"]] == [
        (["ONE"], "recorded"),
        (["TWO/2"], "issued"),
        ([], "recorded"),
        (["three"], "issued"),
        ([], "recorded"),
        (["four"], "issued"),
        ([], "group_exhausted"),
    ]
    assert found["statements"][0]["points"] == 80
    assert found["groups"] == [{"handle": "gift", "issued": 3, "remaining": 0}]


def test_groups_are_shown_where_there_are_any(tmp_path: Path) -> None:
    """What they have issued and what is left: the least of cap and codes."""
    program = shop_with_groups(tmp_path, {"handle": "gift", "title": "Gift", "maxTotal": 5})
    codes = tmp_path / "codes.txt"
    codes.write_text("ONE\nTWO\nTHREE", encoding="utf-8")
    lines = [line("customer.created", "01T09:00:00")]
    result = tried(tmp_path, lines, "--codes", "gift", str(codes), program=program)
    *_, groups = result.out.split("\n\n")
    assert groups.split() == ["handle", "issued", "remaining", "gift", "1", "2"]


@pytest.mark.parametrize(
    ("handle", "text", "says"),
    [
        ("nobody", "ONE", "--codes nobody: the program has no such group"),
        ("gift", "ONE\nTWO\nONE", "codes.txt: ONE is there twice"),
        ("gift", "ONE\nT\tWO", "codes.txt: line 2: "),
    ],
)
def test_wrong_codes_are_one_line(tmp_path: Path, handle: str, text: str, says: str) -> None:
    """Of no group, or a file that could not be a pool."""
    program = shop_with_groups(tmp_path, {"handle": "gift", "title": "Gift"})
    codes = tmp_path / "codes.txt"
    codes.write_text(text, encoding="utf-8")
    result = tried(tmp_path, [], "--codes", handle, str(codes), program=program)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert says in result.err


REFUSED = [
    (line("points.undo-requested", "01T09:00:00", coupon_id="0000-0000-0000-00RF"), "(a dead letter, stage schema)"),
    ("{", "events.jsonl:1: is not JSON"),
    ("[]", "events.jsonl:1: must be an object"),
    ('{"type": "order.lost", "time": "2026-03-01T09:00:00Z", "data": {}}', "unknown type 'order.lost'"),
    (line("order.placed", "01T09:00:00", order_id="o", total="x"), "(a dead letter, stage schema)"),
    (line("customer.birthday", "01T09:00:00", year=2026), "is told by Couponry itself"),
    (line("order.placed", "01T09:00:00", None, order_id="o", currency="EUR", total=1), "concerns no customer"),
    (line("customer.created", "01T09:00:00", partner_id=2), "data.partner_id: is of partner 2, the program of 1"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_wrong_event_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    """What would be a dead letter is told with its line, exit 2."""
    result = tried(tmp_path, [text])
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert says in result.err


def test_wrong_program_is_one_line(tmp_path: Path) -> None:
    """As `program load` says it."""
    file = tmp_path / "program.json"
    file.write_text('{"partner_id": 1, "tiers": [{}]}', encoding="utf-8")
    result = run_process(None, "program", "test", str(file), "-")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "tiers.0.name: The tiers.0.name field is required." in result.err


@pytest.mark.parametrize("zone", ["Etc/GMT+12", "Europe/Vilnius", "Pacific/Kiritimati"])
@pytest.mark.parametrize("born", [date(1990, 1, 1), date(1990, 12, 31)])
def test_birthday_is_of_its_year_in_any_zone(zone: str, born: date) -> None:
    """Around New Year too, where a day of the partner's may begin in another year elsewhere."""
    trial = Trial(partner=PartnerProgram(partner_id=1, version=1, time_zone=zone))
    told = CustomerDescribed(
        cause=Cause(source="/shop", id="1", type="customer.created"),
        occurred_at=datetime(2026, 3, 1, tzinfo=UTC),
        partner_id=1,
        customer_id="anna",
        registers=True,
        told=Told(birthday=born, given=frozenset({"birthday"})),
    )
    trial.happens(told)
    events = [each.event for each in trial.until(datetime(2028, 2, 1, tzinfo=UTC))]
    years = [event.year for event in events if isinstance(event, Birthday)]
    assert years == ([2027, 2028] if born.month == 1 else [2026, 2027])
