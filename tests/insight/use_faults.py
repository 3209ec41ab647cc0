"""Faults to plant into uses of coupons in a copy of the busy program's database, each with what `verify` must then say."""

from __future__ import annotations

from tests.insight.program_faults import NEWEST_FREE, ONA, number_of

EGLE = number_of("eglė")
VISIT_OF_ONA = f"(SELECT id FROM coupons WHERE customer_no = {ONA} AND terms ->> 'type' = 'percentage' ORDER BY id LIMIT 1)"
OF_EGLE = f"(SELECT id FROM coupons WHERE customer_no = {EGLE} AND terms ->> 'type' = '{{}}' ORDER BY id LIMIT 1)"
_TAKEN = "jsonb_build_object('code', 'x', 'coupon_id', {}, 'class', '{}', 'amount', '1')"
_OF_FREE = _TAKEN.format(NEWEST_FREE, "shipping")
_OF_STRANGER = _TAKEN.format(OF_EGLE.format("free_shipping"), "shipping")


def _discounts(some: str, order_id: str) -> str:
    """A decision says that other discounts were given."""
    return f"""
        UPDATE decisions SET program = jsonb_set(program, '{{discounts}}', {some})
        WHERE order_id = '{order_id}' AND event_type = 'order.placed'
        """


FAULTS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "a constraint of uses that is gone": (
        "ALTER TABLE coupons DROP CONSTRAINT a_coupon_is_used_no_more_than_its_limit",
        [("P11", "lacks its constraint a_coupon_is_used_no_more_than_its_limit")],
    ),
    "a use that no step tells of": (
        f"UPDATE coupons SET used_count = 2 WHERE id = {VISIT_OF_ONA}",
        [("P11", "counts 2 uses, and its history 1")],
    ),
    "a coupon used more often than its terms allow": (
        f"UPDATE coupons SET used_count = 1, terms = terms || '{{\"usage_limit\": 1}}' WHERE id = {OF_EGLE.format('percentage')}",
        [("P11", "is used in step 1 and not redeemed, though that leaves no use")],
    ),
    "a coupon used though its terms allow nothing": (
        f"UPDATE coupons SET used_count = 0, terms = terms || '{{\"usage_limit\": 0}}' WHERE id = {VISIT_OF_ONA}",
        [("P11", "is used 1 times by step 1, and its terms allow 0")],
    ),
    "a use that comes back and never was": (
        f"""
        INSERT INTO coupon_history (coupon_id, step, partner_id, at, word, was, status, actor)
        SELECT id, 1, partner_id, issued_at, 'reinstated', 'active', 'active', 'test' FROM coupons WHERE id = {NEWEST_FREE};
        UPDATE coupons SET steps = 1 WHERE id = {NEWEST_FREE}
        """,
        [("P11", "comes back in step 1 from a use that it never had")],
    ),
    "a coupon redeemed with uses left": (
        f"UPDATE coupons SET terms = terms || '{{\"usage_limit\": 3}}' WHERE id = {OF_EGLE.format('percentage')}",
        [("P11", "is redeemed in step 2, though that leaves 1 uses")],
    ),
    "a use that its order does not keep": (
        "DELETE FROM coupon_uses WHERE order_id = 'o-1'",
        [("P11", "is used by order o-1 in step 1, and no such use of it is kept")],
    ),
    "a use that no step is": (
        "UPDATE coupon_uses SET step = 9 WHERE order_id = 'o-1'",
        [
            ("P11", "is used by order o-1 in step 1, and no such use of it is kept"),
            ("P11", "order 'o-1' keeps a use of it by step 9, which was none"),
        ],
    ),
    "a use that is given back and never came back": (
        "UPDATE coupon_uses SET given_back = true WHERE order_id = 'o-1'",
        [("P11", "order 'o-1' has given back 1 of 1 uses of it, and it came back 0 times")],
    ),
    "a use that came back and is not given back": (
        "UPDATE coupon_uses SET given_back = false WHERE order_id = 'o-2'",
        [("P11", "order 'o-2' has given back 0 of 1 uses of it, and it came back 1 times")],
    ),
    "a use that took nothing off": (
        _discounts("'[]'", "o-1"),
        [("P11", "is used by order o-1 in step 1, and its decision does not say once")],
    ),
    "a use that took something off twice": (
        _discounts("program -> 'discounts' || (program -> 'discounts')", "o-1"),
        [("P11", "is used by order o-1 in step 1, and its decision does not say once")],
    ),
    "a discount of a coupon that was not used": (
        _discounts(f"program -> 'discounts' || jsonb_build_array({_OF_FREE})", "o-1"),
        [("P11", "took something off, and was not used by it once")],
    ),
    "a discount of a stranger's coupon": (
        _discounts(f"program -> 'discounts' || jsonb_build_array({_OF_STRANGER})", "o-1"),
        [("P11", "took something off, and was not used by it once")],
    ),
    "a discount off what it is not for": (
        _discounts("jsonb_set(program -> 'discounts', '{0,class}', '\"product\"')", "e-2"),
        [("P11", "took off product, and is for order")],
    ),
    "a discount above what the coupon is worth": (
        _discounts("jsonb_set(program -> 'discounts', '{1,amount}', '\"5.01\"')", "e-2"),
        [("P11", "took off 5.01, which its terms do not allow")],
    ),
    "a discount that adds to the order": (
        _discounts("jsonb_set(program -> 'discounts', '{2,amount}', '\"-4.90\"')", "e-2"),
        [("P11", "took off -4.90, which its terms do not allow")],
    ),
    "a discount above the capping": (
        f'UPDATE coupons SET terms = terms || \'{{"capping": "3.02"}}\' WHERE id = {OF_EGLE.format("percentage")}',
        [("P11", "took off 3.03, which its terms do not allow")],
    ),
    "a discount that does not combine": (
        f"""
        UPDATE coupons SET terms = terms || '{{"combines_with": {{"order": true, "product": true, "shipping": false}}}}'
        WHERE id = {OF_EGLE.format("fixed")}
        """,
        [("P11", "does not combine with what was used before it")],
    ),
    "a discount that the order does not make": (
        _discounts("jsonb_set(program -> 'discounts', '{0,amount}', '\"3.02\"')", "e-2"),
        [("P11", "takes 3.03 off, and its decision says 3.02")],
    ),
    "a discount in another currency": (
        f"""UPDATE coupons SET terms = terms || '{{"currency": "USD"}}' WHERE id = {OF_EGLE.format("fixed")}""",
        [("P11", "is not for: currency_mismatch")],
    ),
    "a discount off an order that is worth too little": (
        f"""UPDATE coupons SET terms = terms || '{{"min_order_value": "30.26"}}' WHERE id = {OF_EGLE.format("percentage")}""",
        [("P11", "is not for: below_min_order_value")],
    ),
}
