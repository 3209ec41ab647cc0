"""Examples and generated files: nothing wrong, nothing stale, nothing orphaned."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from schemas import fields
from schemas.events import (
    coupon_lifecycle,
    customers,
    dead_letters,
    issuance_declined,
    program_events,
    types,
)
from schemas.fields import Outgoing
from schemas.generate import EXAMPLES, GENERATED, MODELS, OTHERS, main, stale
from services.domain.coupons.coupon import CouponStatus, Step
from services.domain.coupons.effects import DeclineReason, GrantRefusal, RedeemReason
from services.domain.letters import Stage
from services.domain.origins import SourceKind
from services.domain.points.wallet import EntryKind
from services.domain.referrals import Role
from services.domain.terms import TermsType
from services.domain.tiers import TierMethod
from services.domain.triggers import OURS

FILES = sorted(EXAMPLES.iterdir())
EXPIRING, DELIVERED = "expiring", "delivered"


def word_of(model: type[BaseModel], field: str) -> object:
    """What a field of that model may say."""
    return model.model_fields[field].annotation


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_example_validates(path: Path) -> None:
    """Each file is an instance of the schema it is named after; what we send is exactly what we would send."""
    schema, _case, suffix = path.name.rsplit(".", 2)
    assert suffix == "json"
    text = path.read_text(encoding="utf-8")
    model = MODELS[schema].model_validate_json(text)
    if isinstance(model, Outgoing):
        optional = {
            name for name, field in type(model).model_fields.items() if field.default is None
        }
        sent = model.model_dump(mode="json", by_alias=True)
        assert json.loads(text) == {
            name: value for name, value in sent.items() if value is not None or name not in optional
        }


def test_every_schema_has_an_example() -> None:
    """No schema is orphaned."""
    assert {path.name.rsplit(".", 2)[0] for path in FILES} == set(MODELS)


def test_generated_files_are_current() -> None:
    """`python -m schemas.generate` was run after the last change of a model."""
    assert main(["--check"]) == 0
    own = {path.stem for path in GENERATED.iterdir() if path.name not in OTHERS}
    assert own == set(MODELS)


def test_check_names_stale_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed, a missing and a left-over file are found, and written or removed."""
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    (tmp_path / "coupon.issued.json").write_text("{}")
    (tmp_path / "game.completed.json").unlink()
    (tmp_path / "game.started.json").write_text("{}")
    assert stale(tmp_path) == ["coupon.issued.json", "game.completed.json", "game.started.json"]
    assert main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err.count("is stale: run python -m schemas.generate") == 3
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0


@pytest.mark.parametrize(
    ("on_the_wire", "in_the_rules"),
    [
        (issuance_declined.Reason, DeclineReason),
        (coupon_lifecycle.Status, CouponStatus),
        (dead_letters.Stage, Stage),
        (word_of(fields.Source, "kind"), SourceKind),
        (word_of(fields.Terms, "type"), TermsType),
        (word_of(program_events.TierChanged, "method"), TierMethod),
        (word_of(program_events.ReferralRewarded, "role"), Role),
        (word_of(program_events.RewardDeclined, "reason"), (*GrantRefusal, *RedeemReason)),
    ],
)
def test_closed_lists_agree(on_the_wire: object, in_the_rules: Iterable[StrEnum]) -> None:
    """The wire knows neither more nor fewer words than the rules."""
    assert set(get_args(on_the_wire)) == set(in_the_rules)


def test_types_of_steps_and_entries_agree() -> None:
    """What can happen to a coupon, with the notice of its end and its partner's code, and each kind of entry, has a type of its own."""
    words = (*Step, EXPIRING, DELIVERED)
    assert set(types.COUPON_LIFECYCLE) == {f"coupon.{word}" for word in words}
    assert set(types.POINTS) == {f"points.{kind}" for kind in EntryKind}
    assert set(customers.OURS) == OURS


def test_dead_letter_headers_have_the_contract_names() -> None:
    """Names and order that subscribers rely on."""
    names = ("topic", "partition", "offset", "stage", "exception.class.name", "exception.message")
    assert tuple(f"__connect.errors.{name}" for name in names) == dead_letters.HEADER_NAMES
