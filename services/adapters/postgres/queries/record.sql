-- What a batch writes besides its COPYs. Every change names the state it was decided upon, and returns the rows it
-- changed: fewer than asked for is a lost race.

-- name: change_coupons
-- Bring coupons into the state after their last step, if their history is still as long as it was when they were read.
UPDATE coupons c
SET status = n.status, steps = n.steps, reserved_until = n.reserved_until, reserved_shop_id = n.reserved_shop_id,
    redeemed_at = n.redeemed_at, redeemed_order_id = n.redeemed_order_id, holds_single_place = n.holds_single_place,
    notice_at = n.notice_at
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::integer[], $5::timestamptz[], $6::bigint[], $7::timestamptz[],
            $8::text[], $9::boolean[], $10::timestamptz[])
    AS n (id, steps_seen, status, steps, reserved_until, reserved_shop_id, redeemed_at, redeemed_order_id,
          holds_single_place, notice_at)
WHERE c.id = n.id AND c.steps = n.steps_seen
RETURNING c.id;

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

-- name: bury
-- Keep dead letters, one per place in a topic; returns the new ones, whose bytes still have to be published.
INSERT INTO dead_letters (topic, partition, "offset", record_time, stage, exception, message, key, value,
                          event_id, event_source, event_type, header_names, header_values)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (topic, partition, "offset") DO NOTHING
RETURNING id;
