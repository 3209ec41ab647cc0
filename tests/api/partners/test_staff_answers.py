"""Staff are told why in words: of every reason that the rules know, none left over."""

from __future__ import annotations

from services.api.partners.staff_answers import DECLINES, REFUSALS, declined
from services.domain.coupons.effects import DeclineReason
from services.domain.coupons.lifecycle import StepRefusal
from services.domain.coupons.till import REASONS


def test_staff_are_told_every_decline() -> None:
    """A reason without a sentence would be a 500 at the counter."""
    assert list(DECLINES) == list(DeclineReason)
    assert len({declined(reason).message for reason in DeclineReason}) == len(DeclineReason)


def test_staff_are_told_every_refusal() -> None:
    """The same of a step that cannot be taken, as the coupon stands or by its terms at a till."""
    assert list(REFUSALS) == [*StepRefusal, *REASONS]
    sentences = [message for _, _, message in REFUSALS.values()]
    assert len(set(sentences)) == len(sentences)
