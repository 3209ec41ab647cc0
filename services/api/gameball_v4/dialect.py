"""The v4 dialect, as the edge knows it: keys in headers, errors with a code, and every resource."""

from __future__ import annotations

import re
from typing import Final

from services.api.edge.dialect import LARGEST_BODY_BYTES, Dialect
from services.api.edge.slashes import with_slashes_kept
from services.api.gameball_v4 import (
    campaign_progress,
    campaigns,
    cashback,
    codes,
    coupon_webhook,
    customer_coupons,
    customers,
    deliveries,
    events,
    friends,
    groups,
    redeeming,
    redemption,
    referrals,
    settings,
    tiers,
    transactions,
    webhook_tests,
)
from services.api.gameball_v4.description import SECURITY
from services.api.gameball_v4.failures import REPLAYED, failure
from services.api.gameball_v4.keys import authenticate

_version = re.compile(r"/api/v4(?:\.[01])?(?=/|$)")
_under_rewards = re.compile(
    r"(/api/v4/integrations/configurations)/rewards(?=/(?:cashback|redemption)$)"
)
_rewards_coupons = re.compile(r"(/api/v4/integrations/configurations)/rewards/coupons(?=/|$)")

_of_many_coupons = re.compile(
    r"/api/v4/integrations/configurations/(?:tiers|reward-campaigns|referrals)(?:/|$)"
)
LARGER_BODY_BYTES: Final = 1024 * 1024
_of_codes = re.compile(r"/api/v4/integrations/configurations/coupon-groups/[^/]+/codes$")

NOWHERE: Final = "/api/v4/"
"""Of paths that can name nothing."""


def canonical(path: str, raw: bytes) -> str:
    """The path that routes know: one version, and sections where they stand, whichever of its names was called."""
    kept = with_slashes_kept(path, raw)
    if kept is None:
        return NOWHERE
    path = _under_rewards.sub(r"\1", _version.sub("/api/v4", kept, count=1))
    return _rewards_coupons.sub(r"\1/coupon", path)


GAMEBALL_V4: Final = Dialect(
    name="gameball_v4",
    prefix=_version,
    routers=(
        settings.router,
        tiers.router,
        campaigns.router,
        referrals.router,
        cashback.router,
        redemption.router,
        groups.router,
        codes.router,
        coupon_webhook.router,
        customers.router,
        customer_coupons.router,
        campaign_progress.router,
        friends.router,
        transactions.router,
        redeeming.router,
        events.router,
        deliveries.router,
        deliveries.of_coupons,
        webhook_tests.router,
    ),
    authenticate=authenticate,
    failure=failure,
    replayed=REPLAYED,
    security=SECURITY,
    larger=((_of_many_coupons, LARGER_BODY_BYTES), (_of_codes, LARGEST_BODY_BYTES)),
    canonical=canonical,
)
