"""Topic `follow-ups`: what one customer's event brings another, and what the calendar does. From us to us.

`ce_id` says what each follows from: the decision that completed the referral, the sweeper's row of the birthday.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.fields import Id, Incoming, KnownCustomerId


class ReferralCompleted(Incoming):
    """Data of `referral.completed`: of the customer who brought `friend_id`."""

    partner_id: Id
    customer_id: KnownCustomerId
    friend_id: KnownCustomerId


class CustomerBirthday(Incoming):
    """Data of `customer.birthday`, which begins in this year."""

    partner_id: Id
    customer_id: KnownCustomerId
    year: Annotated[int, Field(ge=1, le=9999)]
