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

TELL_STEPS = """;
    INSERT INTO outbox (topic, ce_type, ce_id, subject, key, value)
    SELECT 'coupon-lifecycle', 'coupon.' || word, coupon_id || '.' || step || '.' || word, coupon_id, 'k', '{}'
    FROM coupon_history
"""
"""Every step there is, waiting to be published."""
LIMITED = """
    UPDATE games SET customer_limit = 2 WHERE id = 3;
    UPDATE coupons SET rule_version = 2 WHERE game_id = 3;
"""
"""Nobody has more than two coupons of the game but ona, who has three."""
AN_ORDER = """
    INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, "offset", coupon_id, partition,
                           event_id, event_source, event_type, topic, outcome, order_id, codes)
    SELECT '{key}', c.issued_at, c.issued_at, c.partner_id, c.customer_no, 0, c.id, 0,
           'unread', '/games', 'order.placed', 'elsewhere', 'recorded', 'o-1', '[]'
    FROM coupons c WHERE code = '0000000000000000';
"""
BY_HAND = """
    INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset", coupon_id,
                           partition, rule_version, event_id, event_source, event_type, topic, outcome)
    SELECT '{key}', issued_at, issued_at, partner_id, customer_no, game_id, 0, id, 0, 1, 'unread', '/games',
           'staff.issue', '/couponry/staff', 'issued'
    FROM coupons WHERE code = '0000000000000000';
"""
ANOTHER = CLONE.replace("'0000000000000000', code_prefix", "'000000000000001Y', code_prefix")
QUEUE_ANOTHER = QUEUE_CLONE.replace("0000000000000000", "000000000000001Y")

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
        """
        + TELL_STEPS,
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
        FROM decisions WHERE event_id = 'lost';
        INSERT INTO outbox (topic, ce_type, ce_id, key, value)
        SELECT 'issuance-declined', 'issuance.declined', event_key || '.declined.' || game_id, 'k', '{}'
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
    "an earlier reinstatement beside another active one": (
        """
        UPDATE game_versions SET rules = rules || '{"allow_multiple_active_coupons": false}' WHERE game_id = 2;
        UPDATE coupons SET rule_allow_multiple = false WHERE game_id = 2;
        CREATE TEMPORARY TABLE times AS
            SELECT id, customer_no, issued_at, lead(issued_at) OVER mine AS next_at, row_number() OVER mine AS nth
            FROM coupons WHERE game_id = 2 WINDOW mine AS (PARTITION BY customer_no ORDER BY issued_at, id);
        CREATE TEMPORARY TABLE steps AS
            SELECT id, 1 AS step, next_at AS at, 'redeemed' AS word, 'active' AS was, 'redeemed' AS status
            FROM times WHERE next_at IS NOT NULL;
        INSERT INTO steps
            SELECT id, n, next_at + n * interval '1 second', word, was, status
            FROM times, (VALUES (2, 'reinstated', 'redeemed', 'active'), (3, 'redeemed', 'active', 'redeemed'),
                                (4, 'reinstated', 'redeemed', 'active'), (5, 'redeemed', 'active', 'redeemed'))
                 AS more (n, word, was, status)
            WHERE nth = 1 AND customer_no = (SELECT customer_no FROM customers WHERE customer_id = 'jonas');
        INSERT INTO coupon_history (coupon_id, step, partner_id, at, word, was, status, actor)
            SELECT id, step, 1, at, word, was, status, 'test' FROM steps;
        UPDATE coupons c SET status = 'redeemed', redeemed_at = now(), steps = n.steps
            FROM (SELECT id, max(step) AS steps FROM steps GROUP BY id) AS n WHERE n.id = c.id
        """
        + TELL_STEPS,
        [("I1", "became active at")],
    ),
    "two coupons of one order event": (
        CLONE.format(event_key=f"'{UNREAD}'", coupon=A_COUPON)
        + ANOTHER.format(event_key=f"'{UNREAD}'", coupon=A_COUPON)
        + QUEUE_CLONE.format(refused="NULL")
        + QUEUE_ANOTHER.format(refused="NULL")
        + AN_ORDER.format(key=UNREAD),
        [("I2", "order event unread of /games has 2 coupons of game 3")],
    ),
    "two coupons of one issue by hand": (
        CLONE.format(event_key=f"'{UNREAD}'", coupon=A_COUPON)
        + ANOTHER.format(event_key=f"'{UNREAD}'", coupon=A_COUPON)
        + QUEUE_CLONE.format(refused="NULL")
        + QUEUE_ANOTHER.format(refused="NULL")
        + BY_HAND.format(key=UNREAD),
        [("I2", "is not the coupon that its decision issued")],
    ),
    "a decision of another game than its coupon": (
        f"UPDATE decisions SET game_id = 2 WHERE coupon_id = ({A_COUPON})",
        [("I3", "is of game 3 but its decision of game 2")],
    ),
    "a decline that nobody was told of": (
        f"""
        INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset",
                               partition, event_id, event_source, event_type, topic, outcome, reason)
        SELECT '{UNREAD}', decided_at, occurred_at, partner_id, customer_no, game_id, 0, 0, 'unread', '/games',
               event_type, 'elsewhere', outcome, reason
        FROM decisions WHERE event_id = 'lost'
        """,
        [("I3", "has no issuance.declined of game 2, neither published nor queued")],
    ),
    "a step that nobody was told of": (
        f"""
        INSERT INTO coupon_history (coupon_id, step, partner_id, at, word, was, status, actor)
        SELECT id, 1, 1, now(), 'cancelled', 'active', 'cancelled', 'test' FROM coupons WHERE id = ({A_COUPON});
        UPDATE coupons SET status = 'cancelled', steps = 1 WHERE id = ({A_COUPON})
        """,
        [("I3", "has no coupon.cancelled of its step 1, neither published nor queued")],
    ),
    "a decision for another customer than the record's": (
        """
        UPDATE decisions SET customer_no = (SELECT customer_no FROM customers WHERE customer_id = 'jonas')
        WHERE event_id = 'lost'
        """,
        [("I4", "of customer ona of partner 1, and was decided for customer jonas")],
    ),
    "redeemed after the end": (
        f"""
        INSERT INTO coupon_history (coupon_id, step, partner_id, at, word, was, status, actor)
        SELECT id, 1, 1, expires_at, 'redeemed', 'active', 'redeemed', 'test' FROM coupons
        WHERE id = ({A_COUPON.replace("= 3", "= 2")});
        UPDATE coupons SET status = 'redeemed', redeemed_at = expires_at, steps = 1
        WHERE id = ({A_COUPON.replace("= 3", "= 2")})
        """
        + TELL_STEPS,
        [("I5", "was redeemed in step 1 at")],
    ),
    "a customer's limit exceeded": (
        LIMITED,
        [("I7", "is one too many in game 3 under its version 2: 3 where 2 may be")],
    ),
    "a customer's limit of a day exceeded": (
        LIMITED.replace("customer_limit", "customer_limit_per_day"),
        [("I7", "3 on a day where 2 may be")],
    ),
    "a quota that does not add up": (
        """
        UPDATE games SET total_limit = 100 WHERE id = 3;
        UPDATE game_quota SET remaining = remaining + 1 WHERE game_id = 3 AND share = 1
        """,
        [("I7", "which is not its limit of 100")],
    ),
    "a total limit exceeded": (
        """
        UPDATE games SET total_limit = 7 WHERE id = 3;
        """
        + CLONE.format(event_key=f"'{UNREAD}'", coupon=A_COUPON)
        + DECIDE_CLONE
        + QUEUE_CLONE.format(refused="NULL"),
        [("I7", "which is not its limit of 7")],
    ),
    "stamps that do not add up": (
        """
        INSERT INTO order_stamps (partner_id, order_id, game_id, customer_no, card_no, event_key, taken_back)
            SELECT 1, 'o-' || n, 3, 1, 1, gen_random_uuid(), n = 3 FROM generate_series(1, 3) AS n;
        INSERT INTO stamp_cards (customer_no, game_id, partner_id, card_no, stamps) VALUES (1, 3, 1, 1, 3)
        """,
        [("I7", "counts 3 stamps, and orders have given it 2")],
    ),
}
