"""Faults to plant into a copy of the world's database, each with what `verify` must then say."""

from __future__ import annotations

from services.adapters.event_keys import event_key

UNREAD = event_key("/games", "unread")
WRONG_CODE = "0000000000000001"
A_COUPON = "SELECT id FROM coupons WHERE game_id = 3 ORDER BY id LIMIT 1"
CLONE = """
    INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, expires_at, rule_version,
                         rule_validity_days, rule_allow_multiple, holds_single_place, code, code_prefix)
    SELECT gen_random_uuid(), {event_key}, partner_id, game_id, customer_no, issued_at, expires_at, rule_version,
           rule_validity_days, rule_allow_multiple, holds_single_place, '0000000000000000', code_prefix
    FROM coupons WHERE id = ({coupon});
"""
QUEUE_CLONE = """
    INSERT INTO outbox (topic, ce_type, ce_id, subject, key, value, refused)
    SELECT 'coupon-issued', 'coupon.issued', id || '.issued', id, 'k', '{{}}', {refused}
    FROM coupons WHERE code = '0000000000000000';
"""
DECIDE_CLONE = f"""
    INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset", coupon_id,
                           partition, rule_version, event_id, event_source, event_type, topic, outcome)
    SELECT '{UNREAD}', issued_at, issued_at, partner_id, customer_no, game_id, 0, id, 0, 1, 'unread', '/games',
           'game.completed', 'elsewhere', 'issued'
    FROM coupons WHERE code = '0000000000000000';
"""

FAULTS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "two active under the single rule": (
        """
        UPDATE coupons SET rule_allow_multiple = false
            WHERE game_id = 2 AND customer_no = (SELECT customer_no FROM customers WHERE customer_id = 'jonas');
        UPDATE game_versions SET rules = rules || '{"allow_multiple_active_coupons": false}' WHERE game_id = 2;
        UPDATE coupons SET rule_version = 2 WHERE game_id = 2 AND rule_allow_multiple;
        INSERT INTO game_versions SELECT game_id, 2, partner_id, rules || '{"allow_multiple_active_coupons": true}'
            FROM game_versions WHERE game_id = 2
        """,
        [("I1", "became active at")],
    ),
    "reinstated beside another active one": (
        """
        CREATE TEMPORARY TABLE pair AS
            SELECT (array_agg(c.id ORDER BY issued_at, c.id))[1] AS id, max(issued_at) AS next_at
            FROM coupons c JOIN customers USING (customer_no) WHERE game_id = 2 AND customer_id = 'jonas';
        UPDATE coupons SET steps = 2, holds_single_place = true FROM pair WHERE pair.id = coupons.id;
        INSERT INTO coupon_history (coupon_id, step, partner_id, at, word, was, status, actor)
            SELECT id, 1, 1, next_at, 'redeemed', 'active', 'redeemed', 'test' FROM pair
            UNION ALL
            SELECT id, 2, 1, next_at + interval '1 second', 'reinstated', 'redeemed', 'active', 'test' FROM pair
        """,
        [("I1", "became active at")],
    ),
    "the index of the single rule is gone": (
        "DROP INDEX customer_holds_one_active_coupon_per_single_game",
        [("I1", "lacks its constraint customer_holds_one_active_coupon_per_single_game")],
    ),
    "an event decided again under another key": (
        """
        INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset",
                               partition, event_id, event_source, event_type, topic, outcome, reason)
        SELECT gen_random_uuid(), decided_at, occurred_at, partner_id, customer_no, game_id, "offset",
               partition, event_id, event_source, event_type, topic, outcome, reason
        FROM decisions WHERE event_id = 'lost'
        """,
        [("I2", "event lost of /games stands under the key")],
    ),
    "an event decided twice without the constraint": (
        """
        ALTER TABLE decisions DROP CONSTRAINT an_event_is_decided_once;
        INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset",
                               partition, event_id, event_source, event_type, topic, outcome, reason)
        SELECT event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset",
               partition, event_id, event_source, event_type, topic, outcome, reason
        FROM decisions WHERE event_id = 'lost'
        """,
        [("I2", "an_event_is_decided_once"), ("I2", "event lost of /games has 2 decisions")],
    ),
    "a second coupon of one decision": (
        CLONE.format(event_key="event_key", coupon=A_COUPON) + QUEUE_CLONE.format(refused="NULL"),
        [("I2", "is not the coupon that its decision issued")],
    ),
    "a coupon without decision": (
        CLONE.format(event_key="gen_random_uuid()", coupon=A_COUPON)
        + QUEUE_CLONE.format(refused="NULL"),
        [("I3", "has no decision")],
    ),
    "a decision whose coupon is gone": (
        f"DELETE FROM coupons WHERE id = ({A_COUPON})",
        [("I3", "which does not exist")],
    ),
    "an expiry that was moved": (
        f"""
        ALTER TABLE coupons DROP CONSTRAINT expiry_follows_from_the_rule;
        UPDATE coupons SET expires_at = issued_at + interval '1 hour' WHERE id = ({A_COUPON})
        """,
        [("I3", "expiry_follows_from_the_rule"), ("I3", "expires at another instant")],
    ),
    "a constraint that nobody validated": (
        """
        ALTER TABLE coupons DROP CONSTRAINT expiry_follows_from_the_rule;
        ALTER TABLE coupons ADD CONSTRAINT expiry_follows_from_the_rule CHECK (issued_at IS NOT NULL) NOT VALID
        """,
        [("I3", "lacks its constraint expiry_follows_from_the_rule")],
    ),
    "another rule than its game had": (
        f"""
        UPDATE coupons SET rule_validity_days = 8, expires_at = issued_at + interval '192 hours'
        WHERE id = ({A_COUPON})
        """,
        [("I3", "stores another rule than version 1")],
    ),
    "a rule of a version that never was": (
        f"UPDATE coupons SET rule_version = 77 WHERE id = ({A_COUPON})",
        [("I3", "version 77 of game 3")],
    ),
    "a coupon in another customer's hands": (
        f"""
        UPDATE coupons SET customer_no = (SELECT min(customer_no) FROM customers cu WHERE cu.customer_no <> coupons.customer_no)
        WHERE id = ({A_COUPON})
        """,
        [("I3", "belongs to another customer")],
    ),
    "a coupon nobody was told of": (
        CLONE.format(event_key=f"'{UNREAD}'", coupon=A_COUPON) + DECIDE_CLONE,
        [("I3", "neither published nor queued")],
    ),
    "a coupon whose event was refused": (
        CLONE.format(event_key=f"'{UNREAD}'", coupon=A_COUPON)
        + DECIDE_CLONE
        + QUEUE_CLONE.format(refused="'too large'"),
        [("I3", "neither published nor queued")],
    ),
    "a decision that vanished": (
        "DELETE FROM decisions WHERE event_id = 'lost'",
        [("I4", "game-completed:")],
    ),
    "a repeat whose decision vanished": (
        "DELETE FROM decisions WHERE event_id = 'ona-many-1'",
        [("I3", "has no decision"), ("I4", "game-completed:"), ("I4", "game-completed:")],
    ),
    "a dead letter that vanished": (
        "DELETE FROM dead_letters WHERE event_id = 'bad-json'",
        [("I4", "game-completed:")],
    ),
    "a code whose check symbol is wrong": (
        f"UPDATE coupons SET code = '{WRONG_CODE}' WHERE id = ({A_COUPON})",
        [("I6", f"has the code {WRONG_CODE}")],
    ),
    "a code of two coupons": (
        f"""
        ALTER TABLE coupons DROP CONSTRAINT code_is_unique;
        UPDATE coupons SET code = '0000000000000000' WHERE game_id = 3 AND id IN ({A_COUPON.replace("LIMIT 1", "LIMIT 2")})
        """,
        [("I6", "code_is_unique"), ("I6", "code 0000000000000000 belongs to 2 coupons")],
    ),
    "a prefix the game never had": (
        f"UPDATE coupons SET code_prefix = 'MINE' WHERE id = ({A_COUPON})",
        [("I6", 'the prefix "MINE" instead of ""')],
    ),
}
