"""A partner's own coupon system, as it is called: where, with what, for which coupons, and how fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.domain.terms import TermsType


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Placeholders stand in `query`, `headers` and `payload` as they are written.

    `headers` has authentication's among them, `Authorization` first; of a name that both have, the partner's own is
    there alone. `mapping` is the partner's word for a type of coupon: fixed, percentage, freeProduct, freeShipping.
    `signing_keys`: those that sign at this instant, the newest first. `secret_headers`: names, in small letters, of
    headers that are shown to nobody whatever they are called.
    """

    partner_id: int
    url: str
    method: str
    content_type: str
    headers: tuple[tuple[str, str], ...]
    query: tuple[tuple[str, str], ...]
    payload: str
    mapping: Mapping[str, str]
    sends: frozenset[TermsType]
    platforms: tuple[str, ...]
    is_active: bool
    timeout_seconds: int = 10
    max_in_flight: int = 20
    max_per_second: int | None = None
    cancel_url: str | None = None
    signing_keys: tuple[bytes, ...] = ()
    secret_headers: frozenset[str] = frozenset()

    def takes(self, type_: str) -> bool:
        """Whether coupons of this type are sent now: it is on, and they are among what it is told of."""
        return self.is_active and type_ in self.sends
