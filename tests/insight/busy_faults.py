"""Faults to plant into a copy of the busy shop's database, each with what `verify` must then say."""

from __future__ import annotations

from services.adapters.event_keys import event_key

UNREAD = event_key("/games", "unread")
OF_MANY = "(SELECT id FROM coupons WHERE game_id = 2 ORDER BY id LIMIT 1)"
OF_A_CARD = "(SELECT id FROM coupons WHERE game_id = 3 ORDER BY id LIMIT 1)"
FIRST_OF_A_CARD = "(SELECT c.id FROM coupons c JOIN decisions d USING (event_key) WHERE c.game_id = 3 ORDER BY d.seq LIMIT 1)"
BY_HAND = "(SELECT coupon_id FROM decisions WHERE event_type = 'staff.issue')"
NEWEST = "(SELECT c.id FROM coupons c JOIN decisions d USING (event_key) WHERE c.game_id = {game} ORDER BY d.seq DESC LIMIT 1)"
STRANGER = "(SELECT customer_no FROM customers WHERE customer_id = 'laima')"
SECOND_OF_ONA = """(
    SELECT c.issued_at FROM coupons c JOIN customers USING (customer_no)
    WHERE game_id = 1 AND customer_id = 'ona' ORDER BY c.issued_at DESC LIMIT 1)"""
FIRST_REINSTATED = "word = 'reinstated' AND step = 2"


def clone(coupon: str) -> str:
    """Another coupon of the same event."""
    return f"""
        INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, expires_at, rule_version,
                             rule_validity_days, rule_allow_multiple, holds_single_place, code, code_prefix)
        SELECT gen_random_uuid(), event_key, partner_id, game_id, customer_no, issued_at, expires_at, rule_version,
               rule_validity_days, rule_allow_multiple, holds_single_place, '0000000000000000', code_prefix
        FROM coupons WHERE id = {coupon};
        INSERT INTO outbox (topic, ce_type, ce_id, subject, key, value)
        SELECT 'coupon-issued', 'coupon.issued', id || '.issued', id, 'k', '{{}}' FROM coupons WHERE code = '0000000000000000';
    """


def one_more(game: int) -> str:
    """A coupon like the newest of the game, of an event of its own."""
    return f"""
        {clone(NEWEST.format(game=game))}
        UPDATE coupons SET event_key = '{UNREAD}' WHERE code = '0000000000000000';
        INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset", coupon_id,
                               partition, rule_version, event_id, event_source, event_type, topic, outcome)
        SELECT event_key, issued_at, issued_at, partner_id, customer_no, game_id, 0, id, 0, rule_version, 'unread',
               '/games', 'game.completed', 'elsewhere', 'issued'
        FROM coupons WHERE code = '0000000000000000';
    """


def redeem(coupon: str, at: str) -> str:
    """A step that was taken well, at this instant."""
    return f"""
        INSERT INTO coupon_history (coupon_id, step, partner_id, at, word, was, status, actor)
        SELECT id, 1, partner_id, {at}, 'redeemed', 'active', 'redeemed', 'test' FROM coupons WHERE id = {coupon};
        UPDATE coupons SET status = 'redeemed', steps = 1, redeemed_at = {at} WHERE id = {coupon};
    """


FAULTS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "an earlier reinstatement beside another coupon": (
        f"UPDATE coupon_history SET at = {SECOND_OF_ONA} + interval '1 s' WHERE {FIRST_REINSTATED}",
        [("I1", "became active at")],
    ),
    "an earlier reinstatement by staff beside another coupon": (
        f"""
        UPDATE coupon_history SET at = {SECOND_OF_ONA} + interval '1 s', event_key = NULL
        WHERE {FIRST_REINSTATED}
        """,
        [("I1", "became active at")],
    ),
    "two coupons of one order's card": (
        clone(OF_A_CARD),
        [("I2", "issued several coupons of game 3: ")],
    ),
    "two coupons of one issue by hand": (
        clone(BY_HAND),
        [("I2", "is not the coupon that its decision issued")],
    ),
    "a decision of another game": (
        f"UPDATE decisions SET game_id = 5 WHERE coupon_id = {OF_MANY}",
        [("I3", "is of game 2, and its decision of game 5")],
    ),
    "a coupon of another game": (
        f"UPDATE coupons SET game_id = 5 WHERE id = {OF_MANY}",
        [("I3", "is of game 5, and its decision of game 2")],
    ),
    "a card's coupon of another game": (
        f"UPDATE coupons SET game_id = 2 WHERE id = {OF_A_CARD}",
        [("I3", "is of game 2, and its order stamped no card of that game")],
    ),
    "a decision of another customer than the coupon": (
        f"UPDATE decisions SET customer_no = {STRANGER} WHERE coupon_id = {OF_MANY}",
        [("I3", "belongs to another customer than its decision")],
    ),
    "another customer than the record's, with the coupon": (
        f"""
        UPDATE decisions SET customer_no = {STRANGER} WHERE coupon_id = {OF_MANY};
        UPDATE coupons SET customer_no = {STRANGER} WHERE id = {OF_MANY}
        """,
        [("I4", "game 2, and its decision of customer laima")],
    ),
    "another customer than the record's, declined": (
        f"UPDATE decisions SET customer_no = {STRANGER} WHERE reason = 'active_coupon_exists'",
        [("I4", "customer jonas, game 1, and its decision of customer laima")],
    ),
    "another game than the record's, declined": (
        "UPDATE decisions SET game_id = 2 WHERE reason = 'active_coupon_exists'",
        [("I4", "customer jonas, game 1, and its decision of game 2")],
    ),
    "an order of another customer": (
        f"UPDATE decisions SET customer_no = {STRANGER} WHERE order_id = 'p-4' AND event_type = 'order.cancelled'",
        [
            (
                "I4",
                "type order.cancelled, partner 1, customer petras, and its decision of customer laima",
            )
        ],
    ),
    "a decline nobody was told of": (
        f"""
        INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset", partition,
                               rule_version, event_id, event_source, event_type, topic, outcome, reason)
        SELECT '{UNREAD}', decided_at, occurred_at, partner_id, customer_no, game_id, 0, 0, rule_version, 'unread',
               '/games', event_type, 'elsewhere', outcome, reason
        FROM decisions WHERE reason = 'active_coupon_exists'
        """,
        [
            (
                "I3",
                "event unread of /games has no issuance.declined of game 1, neither published nor queued",
            )
        ],
    ),
    "a decline told otherwise": (
        """
        UPDATE decisions SET reason = 'game_inactive', blocking_coupon_id = NULL
        WHERE reason = 'active_coupon_exists'
        """,
        [("I3", ": reason (game_inactive), blocking coupon")],
    ),
    "a full card's coupon that is gone": (
        f"""
        CREATE TEMPORARY TABLE first AS SELECT {FIRST_OF_A_CARD} AS id;
        UPDATE decisions d SET coupon_id = c.id FROM coupons c
        WHERE d.coupon_id = (SELECT id FROM first) AND c.event_key = d.event_key AND c.game_id = 4;
        DELETE FROM coupons WHERE id = (SELECT id FROM first)
        """,
        [("I3", "has no issuance.declined of game 3"), ("I3", "which the database does not know")],
    ),
    "a step nobody was told of": (
        redeem(OF_MANY, "issued_at + interval '1 hour'"),
        [("I3", "has no coupon.redeemed of its step 1, neither published nor queued")],
    ),
    "a step told otherwise": (
        "UPDATE coupon_history SET shop_id = shop_id + 100 WHERE word = 'reserved' AND step = 1",
        [("I3", "in step 1: shop")],
    ),
    "a step that was unmade": (
        """
        DELETE FROM coupon_history WHERE word = 'expired';
        UPDATE coupons SET status = 'active', steps = 0 WHERE game_id = 7
        """,
        [("I3", "in step 1, which the database does not know")],
    ),
    "a coupon told otherwise": (
        f"""
        UPDATE coupons SET issued_at = issued_at - interval '1 h', expires_at = expires_at - interval '1 h'
        WHERE id = {OF_MANY}
        """,
        [("I3", ": instant of issue, end")],
    ),
    "a coupon moved to a later instant than its decision's": (
        f"""
        UPDATE coupons SET issued_at = issued_at + interval '1 h', expires_at = expires_at + interval '1 h'
        WHERE id = {OF_MANY}
        """,
        [("I3", ": instant of issue, end")],
    ),
    "redeemed after its end": (
        redeem(OF_MANY, "expires_at + interval '1 hour'"),
        [("I5", "and its validity ended at")],
    ),
    "redeemed at its end": (
        redeem(OF_MANY, "expires_at"),
        [("I5", "and its validity ended at")],
    ),
    "expired before its end": (
        "UPDATE coupon_history SET at = at - interval '1 h' WHERE word = 'expired'",
        [("I5", "expired at")],
    ),
    "beyond the limit for a day": (
        one_more(5),
        [("I7", "beyond the limit of version 1 of game 5: 2 a day for a customer")],
    ),
    "beyond the limit for a customer": (
        """
        UPDATE game_versions SET rules = rules || '{"customer_limit": 2, "customer_limit_per_day": null}'
        WHERE game_id = 5 AND version = 1;
        """
        + one_more(5),
        [("I7", "beyond the limit of version 1 of game 5: 2 in all for a customer")],
    ),
    "beyond the limit for all": (
        one_more(6),
        [
            (
                "I7",
                "game 6 does not add up: 4 of its coupons counted under version 1, which allows 3",
            )
        ],
    ),
    "shares that do not add up": (
        """
        UPDATE game_quota SET remaining = remaining + 1
        WHERE game_id = 6 AND share = 1 AND epoch = (SELECT quota_epoch FROM games WHERE id = 6)
        """,
        [("I7", "3 of its coupons count and its limit is 1, but its shares have -1 left")],
    ),
    "a card with a stamp too few": (
        "UPDATE stamp_cards SET stamps = 0 WHERE game_id = 3",
        [("I8", "has 0 stamps, and orders have given it 1")],
    ),
    "a card that should be full": (
        """
        UPDATE stamp_cards SET stamps = 2 WHERE card_no = 3;
        UPDATE order_stamps SET card_no = 3, taken_back = false WHERE order_id = 'p-4';
        DELETE FROM reversed_orders WHERE order_id = 'p-4'
        """,
        [("I8", "has 2 stamps and is not full, though 2 fill it")] * 2,
    ),
    "a full card with too few": (
        "DELETE FROM order_stamps WHERE game_id = 3 AND order_id = 'p-0'",
        [
            ("I8", "card 1"),
        ],
    ),
    "a stamp of no event": (
        "UPDATE order_stamps SET event_key = gen_random_uuid() WHERE game_id = 3 AND order_id = 'p-5'",
        [("I8", "order p-5 of partner 1 in game 3 comes from no event that was decided")],
    ),
    "a stamp of another order's event": (
        """
        UPDATE order_stamps SET event_key = (SELECT event_key FROM decisions WHERE order_id = 'p-0')
        WHERE game_id = 3 AND order_id = 'p-5'
        """,
        [("I8", "comes from an event that is not the order's")],
    ),
    "a stamp taken back for nothing": (
        """
        UPDATE order_stamps SET taken_back = true WHERE game_id = 3 AND order_id = 'p-5';
        UPDATE stamp_cards SET stamps = 0 WHERE game_id = 3
        """,
        [("I8", "was taken back, and its order was not reversed")],
    ),
    "a stamp of a reversed order that counts": (
        """
        INSERT INTO reversed_orders (partner_id, order_id, customer_no, event_key)
        SELECT partner_id, order_id, customer_no, event_key FROM decisions WHERE order_id = 'p-5'
        """,
        [
            ("I8", "in game 3 counts on a card that is not full"),
            ("I8", "in game 4 counts on a card that is not full"),
        ],
    ),
    "a stamp of a card that was never begun": (
        "DELETE FROM stamp_cards WHERE game_id = 3; DELETE FROM order_stamps WHERE game_id = 3 AND card_no < 3",
        [
            ("I3", "stamped no card of that game"),
            ("I3", "stamped no card of that game"),
            ("I8", "card 3"),
        ],
    ),
}
