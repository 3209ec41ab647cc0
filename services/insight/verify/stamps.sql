-- Stamps and the cards they are on. Nothing leads from a customer to its stamps, so all of them are read at once.

-- name: stamps_astray
-- Stamps whose event is not their order's, or that count although their order was reversed, or the reverse: faults in words.
SELECT found.* FROM (
    SELECT s.partner_id, s.order_id, s.game_id, d.event_key, array_remove(ARRAY[
        CASE WHEN d.event_key IS NULL THEN 'comes from no event that was decided'
             WHEN d.event_type <> 'order.placed'
               OR (d.partner_id, d.order_id, d.customer_no) IS DISTINCT FROM (s.partner_id, s.order_id, s.customer_no)
             THEN 'comes from an event that is not the order''s' END,
        CASE WHEN s.taken_back AND x.order_id IS NULL THEN 'was taken back, and its order was not reversed' END,
        CASE WHEN NOT s.taken_back AND x.order_id IS NOT NULL AND EXISTS (
                 SELECT FROM stamp_cards k
                 WHERE k.customer_no = s.customer_no AND k.game_id = s.game_id AND k.card_no = s.card_no)
             THEN 'counts on a card that is not full, and its order was reversed' END
    ], NULL) AS faults
    FROM order_stamps s
    LEFT JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = s.event_key LIMIT 1) AS d ON true
    LEFT JOIN LATERAL (
        SELECT * FROM reversed_orders x
        WHERE x.partner_id = s.partner_id AND x.order_id = s.order_id AND x.customer_no = s.customer_no LIMIT 1
    ) AS x ON true
) AS found
WHERE faults <> '{}';

-- name: cards_astray
-- Cards that are at odds with their stamps. What a card needed to be full is what the game has ever asked for.
WITH marks AS MATERIALIZED (
    SELECT customer_no, game_id, card_no, count(*) FILTER (WHERE NOT taken_back) AS stamps
    FROM order_stamps GROUP BY customer_no, game_id, card_no
), asked AS MATERIALIZED (
    SELECT game_id, min((rules ->> 'stamps_required')::integer) AS least, max((rules ->> 'stamps_required')::integer) AS most
    FROM game_versions WHERE game_id IN (SELECT game_id FROM stamp_cards) GROUP BY game_id
), filled AS MATERIALIZED (
    SELECT m.customer_no, m.game_id, count(*) AS cards
    FROM marks m JOIN stamp_cards k USING (customer_no, game_id)
    WHERE m.card_no < k.card_no AND m.stamps > 0 GROUP BY m.customer_no, m.game_id
)
SELECT k.customer_no, k.game_id, k.card_no,
       'has ' || k.stamps || ' stamps, and orders have given it ' || coalesce(m.stamps, 0) AS fault
FROM stamp_cards k LEFT JOIN marks m USING (customer_no, game_id, card_no)
WHERE k.stamps <> coalesce(m.stamps, 0)
UNION ALL
SELECT k.customer_no, k.game_id, k.card_no, 'has ' || k.stamps || ' stamps and is not full, though ' || a.most || ' fill it'
FROM stamp_cards k JOIN asked a USING (game_id) WHERE k.stamps >= a.most
UNION ALL
SELECT m.customer_no, m.game_id, m.card_no, 'has stamps, and was never begun'
FROM marks m LEFT JOIN stamp_cards k USING (customer_no, game_id) WHERE m.card_no > coalesce(k.card_no, 0)
UNION ALL
SELECT m.customer_no, m.game_id, m.card_no,
       'was full with ' || m.stamps || ' stamps, and the game asks for ' || a.least
       || CASE WHEN a.most > a.least THEN ' to ' || a.most ELSE '' END
FROM marks m JOIN stamp_cards k USING (customer_no, game_id) JOIN asked a USING (game_id)
WHERE m.card_no < k.card_no AND m.stamps > 0 AND m.stamps NOT BETWEEN a.least AND a.most
UNION ALL
SELECT k.customer_no, k.game_id, k.card_no, 'is the next after ' || coalesce(f.cards, 0) || ' full ones'
FROM stamp_cards k LEFT JOIN filled f USING (customer_no, game_id) WHERE k.card_no <> coalesce(f.cards, 0) + 1;

-- name: number_of_stamps
-- How many were read.
SELECT count(*) FROM order_stamps;
