"""Whatever is sent: it is refused by its place, or it is a program that is stored, shown and loaded again."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.definitions import InvalidDefinition
from schemas.gameball_v4.changing import (
    post_campaign,
    put_campaign,
    put_cashback,
    put_referrals,
    put_settings,
    put_tiers,
)
from schemas.gameball_v4.exact_json import read, write
from schemas.gameball_v4.files import loaded, partner_of
from schemas.gameball_v4.program import Sections, missing_ids, sections_from, stored_of, with_ids
from schemas.gameball_v4.shown import shown_program
from schemas.gameball_v4.webhook_changes import LOOKED_AT, put_coupon
from tests.schemas.gameball_v4.samples import ZONE, document, sections

SAMPLE = document()
NOW = sections()

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.decimals(allow_nan=False, allow_infinity=False), st.text(max_size=5),
    st.sampled_from([
        "2026-02-30", "9998-12-31", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "Any", "Percentage", "Gold",
        10**12, -1, 0, 11, "https://[", "\ud800", "\0", "\u202e", Decimal("1E-400"), Decimal("1E+400"), Decimal("7.0"),
    ]),
)  # fmt: skip
names = st.sampled_from([
    "coupon", "options", "carried", "id", "Id", "anyProduct", "tierId", "collections", "applicableTo", "extraReward",
    "minOrderValue", "sealed", "values",
])  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(names | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Of everything in a document."""
    found = [at] if at else []
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, each in items:
        found += places(each, (*at, key))
    return found


PLACES = [place for place in places(SAMPLE) if place[0] != "partner_id"]


def changed(place: tuple[Any, ...], value: Any, extra: str | None) -> dict[str, Any]:
    """The sample with this value there; or beside it, under a name of its own."""
    found = copy.deepcopy(SAMPLE)
    inside: Any = found
    for step in place[:-1]:
        inside = inside[step]
    inside[extra if extra is not None and isinstance(inside, dict) else place[-1]] = value
    return found


def holds(now: Sections) -> None:
    """It is stored and read, shown and loaded, got and put, as it is."""
    now = with_ids(now, iter(range(10**6, 10**6 + missing_ids(now))))
    stored = json.loads(json.dumps(stored_of(now)))
    assert sections_from(stored, ZONE) == now
    again = read(write({"partner_id": 1, **shown_program(now)}))
    partner_of(again)
    assert loaded(now, again).sections == now
    assert put_settings(now, again["settings"]) == now
    assert put_tiers(now, again["tiers"]) == now
    assert put_referrals(now, again["referrals"]) == now
    assert put_cashback(now, again["cashback"]) == now
    if now.coupon is not None:
        assert put_coupon(now, again["coupon"], LOOKED_AT) == now
    for campaign in again["campaigns"]:
        assert put_campaign(now, campaign["id"], campaign) == now


def tried(change: Callable[[], Sections | None]) -> None:
    try:
        now = change()
    except InvalidDefinition:
        return
    if now is not None:
        holds(now)


@settings(max_examples=400)
@given(place=st.sampled_from(PLACES), value=values, extra=st.none() | names)
@example(
    place=("referrals", "friendReward", "coupon", "options", "weight"),
    value={"a": 1},
    extra="carried",
)
def test_file_of_anything_is_refused_or_holds(
    place: tuple[Any, ...], value: Any, extra: str | None
) -> None:
    """One place of a whole program is anything: no other exception, and nothing is accepted that does not last."""
    sent = changed(place, value, extra)

    def load() -> Sections:
        partner_of(sent)
        return loaded(NOW, sent).sections

    tried(load)


@settings(max_examples=400)
@given(place=st.sampled_from(PLACES), value=values, extra=st.none() | names)
def test_change_of_anything_is_refused_or_holds(
    place: tuple[Any, ...], value: Any, extra: str | None
) -> None:
    """The same over HTTP, where unknown names are ignored and objects are laid over what is there."""
    sent = changed(place, value, extra)
    match place[0]:
        case "settings" if isinstance(sent["settings"], dict):
            tried(lambda: put_settings(NOW, sent["settings"]))
        case "tiers" if isinstance(sent["tiers"], list):
            tried(lambda: put_tiers(NOW, sent["tiers"]))
        case "referrals" if isinstance(sent["referrals"], dict):
            tried(lambda: put_referrals(NOW, sent["referrals"]))
        case "cashback" if isinstance(sent["cashback"], dict):
            tried(lambda: put_cashback(NOW, sent["cashback"]))
        case "campaigns" if len(place) > 1 and isinstance(sent["campaigns"], list):
            campaign = sent["campaigns"][place[1]]
            if isinstance(campaign, dict):
                tried(lambda: post_campaign(NOW, campaign))
                tried(lambda: put_campaign(NOW, 21 + place[1], campaign))
        case _:
            pass
