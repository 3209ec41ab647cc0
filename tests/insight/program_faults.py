"""Faults to plant into a copy of the busy program's database, each with what `verify` must then say."""

from __future__ import annotations


def number_of(customer: str) -> str:
    return f"(SELECT customer_no FROM customers WHERE customer_id = '{customer}')"


ONA, JONAS, LAIMA, RASA, VYTAS = map(number_of, ("ona", "jonas", "laima", "rasa", "vytas"))
VISITS = "(SELECT min(source_id::bigint) FROM coupons WHERE source_kind = 'campaign')"
SILVER = "(SELECT max(tier_id) FROM wallets)"
NEWEST = f"(SELECT id FROM coupons WHERE customer_no = {ONA} AND terms ->> 'type' = '{{}}' ORDER BY issued_at DESC LIMIT 1)"
NEWEST_FIXED, NEWEST_FREE = NEWEST.format("fixed"), NEWEST.format("free_shipping")
OF_REVERSED = "(SELECT id FROM coupons WHERE status = 'cancelled' AND terms ->> 'type' = 'fixed' AND source_kind = 'campaign')"
O_10 = f"(SELECT number FROM ledger WHERE customer_no = {ONA} AND order_id = 'o-10' AND source_kind = '{{}}')"


def _at(customer: str, condition: str) -> str:
    return f"customer_no = {customer} AND {condition}"


def _another_source(customer: str, number: str, kind: str, id_: str) -> str:
    """An entry and its lot are said to come of something else."""
    source = f"source_kind = '{kind}', source_id = ({id_})::text WHERE customer_no = {customer} AND number = {number}"
    return f"UPDATE lots SET {source}; UPDATE ledger SET {source}"


SPENT = "kind = 'spent'"
_MORE = "points = points + 5, points_earned = points_earned + 5"

FAULTS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "a balance that nobody earned": (
        f"UPDATE wallets SET balance = balance + 1 WHERE customer_no = {ONA}",
        [("P1", "has balance")],
    ),
    "a meter that nothing raised": (
        f"UPDATE wallets SET score = score + 1 WHERE customer_no = {ONA}",
        [("P1", "has score")],
    ),
    "a debt that nobody has": (
        f"UPDATE wallets SET owed = owed + 1 WHERE customer_no = {VYTAS}",
        [("P1", "has owed")],
    ),
    "an entry that is gone": (
        f"DELETE FROM ledger WHERE {_at(ONA, 'number = 2')}",
        [("P1", "follows entry 1")],
    ),
    "an entry that leaves another balance": (
        f"UPDATE ledger SET balance = balance + 1 WHERE {_at(ONA, 'number = 2')}",
        [("P1", "leaves")],
    ),
    "a meter that falls below nothing": (
        "UPDATE ledger SET spent = spent - 1000 WHERE kind = 'reversed' AND source_id = 'o-2'",
        [("P1", "below nothing")],
    ),
    "a ledger without a wallet": (
        f"DELETE FROM wallets WHERE customer_no = {LAIMA}",
        [("P1", "has entries and no wallet")],
    ),
    "the last ledger without a wallet": (
        f"DELETE FROM wallets WHERE customer_no = {VYTAS}",
        [("P1", "has entries and no wallet")],
    ),
    "a constraint of debts that is gone": (
        "ALTER TABLE wallets DROP CONSTRAINT nobody_owes_less_than_nothing",
        [("P1", "lacks its constraint nobody_owes_less_than_nothing")],
    ),
    "an entry of a decision that nobody made": (
        f"UPDATE ledger SET event_key = gen_random_uuid() WHERE {_at(ONA, 'number = 1')}",
        [("P2", "which is not there")],
    ),
    "an entry of somebody else's decision": (
        f"""
        UPDATE ledger SET event_key = (SELECT event_key FROM ledger WHERE {_at(LAIMA, "number = 1")})
        WHERE {_at(ONA, "number = 1")}
        """,
        [("P2", "of another customer")],
    ),
    "points that came from nowhere": (
        f"UPDATE ledger SET event_key = NULL WHERE {_at(ONA, 'number = 1')}",
        [("P2", "names no decision")],
    ),
    "points of a card that an order earned": (
        _another_source(JONAS, "1", "card", "1"),
        [("P2", "is earned by card '1', and its decision made no such entry")],
    ),
    "points of a campaign that was not achieved": (
        _another_source(ONA, O_10.format("campaign"), "campaign", "9"),
        [("P2", "is earned by campaign '9', and its decision made no such entry")],
    ),
    "points of a tier that was not reached": (
        _another_source(RASA, "2", "tier", SILVER),
        [("P2", "is earned by tier '5', and its decision made no such entry")],
    ),
    "an order that earned more than its rate": (
        f"""
        UPDATE ledger SET {_MORE}, balance = balance + 5 WHERE order_id = 'r-1';
        UPDATE wallets SET balance = balance + 5, points_earned = points_earned + 5 WHERE customer_no = {RASA};
        UPDATE lots SET amount = amount + 5, remaining = remaining + 5 WHERE source_id = 'r-1';
        UPDATE purchases SET points = points + 5 WHERE order_id = 'r-1'
        """,
        [("P2", "earns 10 of 5, which no rate of version 3 gives")],
    ),
    "an order that earned by another rate": (
        "UPDATE ledger SET base_points = base_points + 1 WHERE order_id = 'r-1'",
        [("P2", "which no rate of version 3 gives")],
    ),
    "a version of the program that never was": (
        "UPDATE decisions SET program_version = 77 WHERE order_id = 'r-1'",
        [("P2", "was decided by version 77 of the program, which never was")] * 3,
    ),
    "an entry of another instant than its decision's": (
        f"""
        UPDATE ledger SET at = at - interval '1 hour' WHERE order_id = 'r-1';
        UPDATE lots SET earned_at = earned_at - interval '1 hour' WHERE customer_no = {RASA} AND source_id = 'r-1'
        """,
        [("P2", "takes effect at")],
    ),
    "a score that is spent": (
        f"UPDATE ledger SET score = 5 WHERE {_at(LAIMA, SPENT)}",
        [("P2", "moves what nothing of its kind, spent, may")],
    ),
    "a lot that says another end of it": (
        f"""
        UPDATE lots SET expired = expired - 1 WHERE customer_no = {ONA}
        AND number = (SELECT min(number) FROM lots WHERE customer_no = {ONA} AND expired > 0)
        """,
        [("P3", "is not what its entries make of it")],
    ),
    "a lot that is gone": (
        "DELETE FROM lots WHERE source_id = 'r-1'",
        [("P3", "lot 5 is not what its entries make of it")],
    ),
    "points taken from no lot": (
        f"UPDATE ledger SET takes = '[[99, 30, 0]]' WHERE {_at(LAIMA, SPENT)}",
        [("P3", "which is not there")],
    ),
    "more taken from a lot than the entry moves": (
        f"UPDATE ledger SET takes = '[[1, 31, 0]]' WHERE {_at(LAIMA, SPENT)}",
        [("P3", "moves other points than its lots do")],
    ),
    "lots taken out of their order": (
        f"UPDATE ledger SET takes = '[[2, 30, 0]]' WHERE {_at(VYTAS, SPENT)}",
        [("P3", "takes lots out of their order")],
    ),
    "a reversal that spares its own lot": (
        f"""
        UPDATE ledger SET takes = '[[1, 10, 0], [3, 10, 0]]'
        WHERE {_at(ONA, "source_id = 'o-9' AND kind = 'reversed'")}
        """,
        [("P3", "spares lot")],
    ),
    "a debt paid of other points": (
        f"UPDATE ledger SET takes = '[[1, 0, 0], [5, 15, 0]]' WHERE {_at(VYTAS, 'owed < 0')}",
        [("P3", "pays a debt of other points than came in")],
    ),
    "a lot that ended before its end": (
        """
        UPDATE ledger SET at = at - interval '1 hour' WHERE kind = 'expired' AND (customer_no, number) IN (
            SELECT customer_no, number FROM ledger WHERE kind = 'expired' ORDER BY 1, 2 LIMIT 1)
        """,
        [("P3", "at another instant")],
    ),
    "points spent after their end": (
        f"UPDATE ledger SET expires_at = at + interval '1 us' WHERE {_at(LAIMA, 'number = 1')}",
        [("P3", "comes after lot 1, which nobody ended")],
    ),
    "an end that is recorded twice": (
        f"""
        INSERT INTO ledger (customer_no, number, partner_id, at, kind, source_kind, source_id, points, balance, owed,
                            points_earned, score, spent, orders, referrals, takes)
        SELECT customer_no, 6, partner_id, at, kind, source_kind, source_id, -5, 0, 0, 0, 0, 0, 0, 0, '[[1, 5, 0]]'
        FROM ledger WHERE {_at(RASA, "number = 3")}
        """,
        [("P3", "takes more from lot 1 than there is")],
    ),
    "a campaign counted more often than achieved": (
        f"UPDATE wallets SET campaigns = jsonb_set(campaigns, ARRAY[{VISITS}::text, '0'], '9') WHERE customer_no = {ONA}",
        [("P4", "counts 9 achievements of campaign 6, and decisions made 1 that stand")],
    ),
    "a campaign achieved more often than it might": (
        """
        UPDATE program_versions SET sections = jsonb_set(sections, '{campaigns,1,maxAchievement}', '1')
        WHERE version = (SELECT program_version FROM decisions WHERE order_id = 'o-2' AND event_type = 'order.placed')
        """,
        [("P4", "has achieved campaign 7 by decision")],
    ),
    "a campaign achieved twice by one event": (
        """
        UPDATE decisions SET program = jsonb_set(program, '{campaigns}', program -> 'campaigns' || (program -> 'campaigns'))
        WHERE event_type = 'customer.birthday'
        """,
        [
            ("P4", "has achieved campaign 10 twice by decision"),
            ("P4", "counts 1 achievements of campaign 10, and decisions made 2 that stand"),
        ],
    ),
    "a friend who never was one": (
        "UPDATE profiles SET referral_key = NULL WHERE referred_by IS NOT NULL",
        [("P5", "was counted and should not be")],
    ),
    "a referral in a loop": (
        f"UPDATE profiles SET referred_by = 'jonas' WHERE customer_no = {ONA}",
        [("P5", "registered later")],
    ),
    "a referral of oneself": (
        f"UPDATE profiles SET referred_by = 'ona' WHERE customer_no = {ONA}",
        [("P5", "by themselves")],
    ),
    "a referral that another event completed": (
        f"""
        UPDATE profiles SET referral_key = (SELECT event_key FROM decisions WHERE order_id = 'j-2' AND event_type = 'order.placed')
        WHERE customer_no = {JONAS}
        """,
        [("P5", "has a referral that no decision completed")],
    ),
    "a friend whom nobody counted": (
        f"""
        UPDATE ledger SET referrals = 0 WHERE customer_no = {ONA};
        UPDATE wallets SET referrals = 0 WHERE customer_no = {ONA}
        """,
        [("P5", "which counted none")],
    ),
    "a tier that progress does not reach": (
        f"UPDATE wallets SET tier_id = tier_id + 1 WHERE customer_no = {ONA}",
        [("P6", "reaches another one")],
    ),
    "a tier that rewarded twice": (
        _another_source(ONA, O_10.format("campaign"), "tier", SILVER),
        [("P7", "was rewarded twice for tier '5'")],
    ),
    "a tier that granted its coupon twice": (
        f"UPDATE coupons SET source_kind = 'tier', source_id = '5' WHERE id = {NEWEST_FIXED}",
        [("P7", "was granted coupons twice for tier '5'")],
    ),
    "a coupon of a campaign that was not achieved": (
        f"UPDATE coupons SET source_id = '987654' WHERE source_kind = 'campaign' AND customer_no = {LAIMA}",
        [("P8", "achieved no such campaign")],
    ),
    "a coupon of a tier that was not reached": (
        f"UPDATE coupons SET source_kind = 'tier', source_id = '5' WHERE customer_no = {LAIMA}",
        [("P8", "is of tier 5, and its decision reached none")],
    ),
    "a coupon of a referral that was not completed": (
        f"UPDATE coupons SET source_kind = 'referral', source_id = 'laima' WHERE customer_no = {LAIMA}",
        [("P8", "is of the referral of laima, and its decision completed no such one")],
    ),
    "a coupon of another version of the program": (
        f"UPDATE coupons SET program_version = 99 WHERE customer_no = {LAIMA}",
        [("P8", "names version 99")],
    ),
    "a coupon of a reversed order that is open": (
        f"""
        DELETE FROM coupon_history WHERE coupon_id = {OF_REVERSED};
        UPDATE coupons SET status = 'active', steps = 0 WHERE id = {OF_REVERSED}
        """,
        [("P8", "order 'o-2' of partner 1 counts no more, and coupon")],
    ),
    "a coupon of an order that is gone": (
        f"DELETE FROM coupons WHERE id = {NEWEST_FREE}",
        [("P8", "order 'o-10' of partner 1 granted coupon")],
    ),
    "a refund that took nothing back": (
        "UPDATE purchases SET refunded = refunded - 1 WHERE order_id = 'o-1'",
        [("P9", "order 'o-1' of partner 1 has not left what its refund leaves")],
    ),
    "a reversal that takes more than it reverses": (
        "UPDATE ledger SET points_earned = points_earned + 1 WHERE kind = 'reversed' AND source_id = 'o-1'",
        [("P9", "takes, counts and owes 10 of 9")],
    ),
    "an order that names another entry": (
        "UPDATE purchases SET entry = 3 WHERE order_id = 'o-9'",
        [("P9", "order 'o-9' of partner 1 is not what entry 3")],
    ),
    "an order that is gone": (
        "DELETE FROM purchases WHERE order_id = 'r-1'",
        [("P9", "order 'r-1' of partner 1 has entries, and has not earned")],
    ),
    "a coupon that ends later than its terms": (
        f"UPDATE coupons SET expires_at = expires_at + interval '1 day' WHERE id = {NEWEST_FIXED}",
        [("I3", "expires at another instant than its terms say")],
    ),
    "a prefix that its terms have not": (
        f"UPDATE coupons SET code_prefix = 'MINE' WHERE id = {NEWEST_FREE}",
        [("I6", 'has the prefix "MINE" instead of ""')],
    ),
    "terms told otherwise": (
        f"""UPDATE coupons SET terms = terms || '{{"value": "50"}}' WHERE id = {NEWEST_FIXED}""",
        [("I3", ": terms")],
    ),
    "points told otherwise": (
        """
        UPDATE ledger SET expires_at = expires_at + interval '1 day' WHERE order_id = 'r-1';
        UPDATE lots SET expires_at = expires_at + interval '1 day' WHERE source_id = 'r-1'
        """,
        [("I3", "was told otherwise, as points of entry 3 of the decision")],
    ),
    "points that ended and nobody was told": (
        f"""
        INSERT INTO ledger (customer_no, number, partner_id, at, kind, source_kind, source_id, points, balance, owed,
                            points_earned, score, spent, orders, referrals, takes)
        SELECT customer_no, 6, partner_id, expires_at, 'expired', source_kind, source_id, -5, 0, 0, 0, 0, 0, 0, 0, '[[5, 5, 0]]'
        FROM lots WHERE source_id = 'r-1';
        UPDATE lots SET remaining = 0, expired = 5 WHERE source_id = 'r-1';
        UPDATE wallets SET entries = 6, balance = 0 WHERE customer_no = {RASA}
        """,
        [("I3", "an end of points has no message")],
    ),
    "points that are told to have ended, and did not": (
        f"""
        WITH gone AS (DELETE FROM ledger WHERE {_at(LAIMA, "kind = 'expired'")} RETURNING *)
        UPDATE lots l SET remaining = l.expired, expired = 0 FROM gone WHERE l.customer_no = gone.customer_no AND l.expired > 0;
        UPDATE wallets SET entries = 3, balance = 95 WHERE customer_no = {LAIMA}
        """,
        [("I3", "are told to have ended, and did not end so")],
    ),
    "a birthday nobody was told of": (
        f"INSERT INTO birthdays SELECT {ONA}, 2025, 1, now()",
        [("I3", ".2025.birthday, neither published nor queued")],
    ),
}
