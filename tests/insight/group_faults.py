"""Faults to plant into groups of coupons in a copy of the busy program's database, each with what `verify` must then say."""

from __future__ import annotations

from tests.insight.program_faults import LAIMA, VYTAS
from tests.insight.use_faults import EGLE

_OF = "(SELECT id FROM coupons WHERE customer_no = {} AND terms ->> 'group' = '{}' AND status {} 'cancelled')"
GIFT, OF_VYTAS = _OF.format(LAIMA, "gifts", "<>"), _OF.format(VYTAS, "few", "<>")
GONE, OF_EGLE = _OF.format(EGLE, "few", "="), _OF.format(EGLE, "few", "<>")


def _capped(cap: str, most: int) -> str:
    """By every version."""
    path = f"{{couponGroups,2,{cap}}}"
    return f"UPDATE program_versions SET sections = jsonb_set(sections, '{path}', '{most}')"


def _pooled(coupon: str, *, shown: bool = True, before: str = "0") -> str:
    """Its code is one that we made for the pool of its group; and it was issued so long before."""
    own = "code" if shown else "'0000000000000000'"
    return f"""
        UPDATE coupons SET code_from = 'pool', issued_at = issued_at - interval '{before}' WHERE id = {coupon};
        INSERT INTO pool_codes (partner_id, code, handle, own_code, own_prefix, coupon_id)
        SELECT partner_id, id::text, terms ->> 'group', {own}, code_prefix, id FROM coupons WHERE id = {coupon}
        """


FAULTS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "a constraint of pools that is gone": (
        "ALTER TABLE pool_codes DROP CONSTRAINT own_pool_code_is_unique",
        [("P10", "lacks its constraint own_pool_code_is_unique")],
    ),
    "a group that counts a coupon that is none": (
        "UPDATE group_counts SET issued = issued + 1 WHERE handle = 'few'",
        [("P10", "group 'few' of partner 1 counts 3 coupons, and 2 of its are not cancelled")],
    ),
    "a group that nobody counts": (
        "DELETE FROM group_counts WHERE handle = 'gifts'",
        [("P10", "group 'gifts' of partner 1 counts 0 coupons, and 1 of its are not cancelled")],
    ),
    "a group that issued more than it might": (
        _capped("maxTotal", 1),
        [("P10", "beyond the cap of version 2 for group 'few' of partner 1: 1 in all")],
    ),
    "a group that issued what it might not": (
        _capped("maxPerCustomer", 0),
        [("P10", "beyond the cap of version 2 for group 'few' of partner 1: 0 for a customer")] * 3,
    ),
    "a group that issued more to a customer than it might": (
        f"""
        UPDATE coupon_history SET at = (SELECT issued_at + interval '1 us' FROM coupons WHERE id = {OF_EGLE})
        WHERE coupon_id = {GONE}
        """,
        [("P10", "group 'few' of partner 1: 1 for a customer")],
    ),
    "another code than was told": (
        """
        UPDATE coupons SET external_code = 'Ačiū!8' WHERE external_code IS NOT NULL;
        UPDATE pool_codes SET code = 'Ačiū!8' WHERE own_code IS NULL
        """,
        [("I3", ": code")] * 3,
    ),
    "a code that a pool gave to another coupon": (
        "UPDATE pool_codes SET coupon_id = (SELECT coupon_id FROM pool_codes WHERE own_code IS NOT NULL) WHERE own_code IS NULL",
        [("P10", ", which does not show it"), ("P10", "shows a code that no pool has given it")],
    ),
    "a code that its coupon shows in place of ours": (
        """
        UPDATE coupons SET external_code = NULL WHERE external_code IS NOT NULL
        """,
        [("P10", ", which does not show it"), ("P10", "shows a code that no pool has given it")],
    ),
    "a code of a pool that no coupon has": (
        """
        INSERT INTO pool_codes (partner_id, code, handle, coupon_id)
        SELECT id, 'A', 'few', gen_random_uuid() FROM partners
        """,
        [("P10", ", which is not there")],
    ),
    "a code of a pool that its coupon does not show": (
        f"""
        {_pooled(OF_VYTAS)};
        INSERT INTO pool_codes (partner_id, code, handle, coupon_id) SELECT id, 'A', 'few', {OF_VYTAS} FROM partners
        """,
        [("P10", ", which does not show it")],
    ),
    "a code of ours that its coupon does not show": (
        _pooled(OF_VYTAS, shown=False),
        [("P10", ", which does not show it"), ("P10", "shows a code that no pool has given it")],
    ),
    "a code that no pool has given": (
        f"UPDATE coupons SET code_from = 'pool' WHERE id = {OF_VYTAS}",
        [("P10", "shows a code that no pool has given it")],
    ),
    "a code of a pool that was given to nobody": (
        f"""
        {_pooled(OF_VYTAS)};
        UPDATE pool_codes SET coupon_id = NULL WHERE coupon_id = {OF_VYTAS}
        """,
        [("P10", "shows a code that no pool has given it")],
    ),
    "a coupon without a code of the pool that there was": (
        _pooled(GONE, before="1 minute"),
        [
            ("I3", ": instant of issue"),
            ("P10", "has no code of the pool that group 'few' of partner 1 had then"),
            ("P10", "has no code of the pool that group 'few' of partner 1 had then"),
        ],
    ),
    "none: a code of the pool that its coupon shows": (_pooled(OF_VYTAS), []),
    "none: a coupon that was decided when the pool came": (_pooled(OF_EGLE), []),
    "a coupon told otherwise, without a code of a pool that is gone": (
        f"""
        {_pooled(GONE, before="1 minute")};
        UPDATE program_versions SET sections = jsonb_set(sections, '{{couponGroups}}', '[]') WHERE version = 2
        """,
        [("I3", ": instant of issue")],
    ),
}
