"""Faults to plant into redemptions in a copy of the busy program's database, each with what `verify` must then say."""

from __future__ import annotations

from tests.insight.program_faults import number_of

_OF = f"customer_no = {number_of('simona')}"
BOUGHT = (
    f"(SELECT id FROM coupons WHERE {_OF} AND terms ->> 'type' = 'percentage' ORDER BY id LIMIT 1)"
)
OTHER = f"(SELECT id FROM coupons WHERE {_OF} AND terms ->> 'type' = 'fixed' ORDER BY id LIMIT 1)"
UNDONE = f"reason = 'redemption_undone' AND coupon_id IN (SELECT id FROM coupons WHERE {_OF})"


def _set(path: str, value: str) -> str:
    """By the version that redemptions were decided by."""
    return f"""
        UPDATE program_versions SET sections = jsonb_set(sections, '{{redemption,{path}}}', '{value}')
        WHERE version = (SELECT max(program_version) FROM coupons WHERE source_kind = 'redemption')
        """


FAULTS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "a rule that costs more": (
        _set("rules,0,pointsToRedeem", "120"),
        [("P8", "spent 100 points by rule 2, which costs 120 by version 2")] * 4,
    ),
    "a rule that costs all there is": (
        _set("rules,0,pointsToRedeem", "null"),
        [("P8", "spent 100 points by rule 2, which costs all there is by version 2")] * 4,
    ),
    "a rule that does not cost all there is": (
        _set("rules,1,pointsToRedeem", "50"),
        [("P8", "spent 73 points by rule 3, which costs 50 by version 2")],
    ),
    "a rule that gives something else": (
        _set("rules,0,coupon,discountValue", '"16"'),
        [("P8", "bought a coupon for 100 points by rule 2, which gives another by version 2")] * 4,
    ),
    "a point that is worth more": (
        _set("defaultRule,valueOfPoint", '"0.2"'),
        [("P8", "bought a coupon for ")] * 3,
    ),
    "a rule that never was": (
        _set("rules", "[]"),
        [("P8", ", which version 2 has not")] * 5,
    ),
    "points that bought nothing": (
        f"UPDATE decisions SET coupon_id = {OTHER} WHERE coupon_id = {BOUGHT}",
        [
            ("I3", "which does not exist or names another event"),
            ("P8", "is not the coupon that points were spent on by its decision: "),
        ],
    ),
    "a coupon that nothing was spent on": (
        f"UPDATE coupons SET source_id = '99' WHERE id = {BOUGHT}",
        [("P8", "is of redemption rule 99, and its decision has not once spent points on it")],
    ),
    "points that were spent for nothing": (
        f"UPDATE coupons SET source_kind = 'campaign', source_id = '4' WHERE id = {BOUGHT}",
        [("P8", "and its decision achieved no such campaign")],
    ),
    "points that were spent by hand": (
        f"UPDATE ledger SET source_kind = 'manual' WHERE event_key = (SELECT event_key FROM coupons WHERE id = {BOUGHT})",
        [
            ("P2", "is spent by manual '2', and its decision made no such entry"),
            ("P8", "has not once spent points on it"),
        ],
    ),
    "points that came back by a redemption": (
        f"""
        UPDATE ledger SET (event_key, at) = (SELECT event_key, issued_at FROM coupons WHERE id = {BOUGHT})
        WHERE kind = 'restored' AND {_OF}
        """,
        [
            ("I3", "has no message"),
            ("P2", "is restored by redemption '2', and its decision made no such entry"),
        ],
    ),
    "points that came back, and no coupon did": (
        f"UPDATE coupon_history SET reason = 'order_reversed' WHERE {UNDONE}",
        [
            ("I3", ": reason"),
            ("P8", "gives points back, and its decision undid no redemption, or did before"),
        ],
    ),
    "a coupon that was given back by who was refused": (
        f"""
        UPDATE coupon_history SET event_key = (
            SELECT event_key FROM decisions WHERE event_type = 'points.undo-requested' AND reason IS NOT NULL)
        WHERE {UNDONE}
        """,
        [
            ("I3", ": cause"),
            ("P8", "gives points back, and its decision undid no redemption, or did before"),
            ("P8", "gave a coupon back by decision"),
        ],
    ),
}
