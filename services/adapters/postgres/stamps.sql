-- Stamps and cards of customers whose rows are locked.

-- name: order_stamps
-- Every stamp of each order, whichever customer it was for.
SELECT named.partner_id, named.order_id, marks.game_id, marks.customer_no, marks.card_no, marks.taken_back
FROM unnest($1::bigint[], $2::text[]) AS named (partner_id, order_id)
CROSS JOIN LATERAL (
    SELECT * FROM order_stamps s WHERE s.partner_id = named.partner_id AND s.order_id = named.order_id OFFSET 0
) AS marks;

-- name: stamp_cards
-- The cards these customers are filling.
SELECT customer_no, game_id, card_no, stamps FROM stamp_cards WHERE customer_no = ANY($1::bigint[]);

-- name: put_cards
-- The cards as they stand after the batch.
INSERT INTO stamp_cards (customer_no, game_id, partner_id, card_no, stamps)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::integer[])
ON CONFLICT (customer_no, game_id) DO UPDATE SET card_no = excluded.card_no, stamps = excluded.stamps;

-- name: take_stamps_back
-- Stamps that count no more.
UPDATE order_stamps s SET taken_back = true
FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS n (partner_id, order_id, game_id)
WHERE s.partner_id = n.partner_id AND s.order_id = n.order_id AND s.game_id = n.game_id AND NOT s.taken_back
RETURNING s.game_id;
