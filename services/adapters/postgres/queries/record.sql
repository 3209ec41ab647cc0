-- What a batch writes besides its COPYs.

-- name: expire_coupons
-- Close coupons whose validity is over; only those still open, so a lost race shows as a missing row.
UPDATE coupons SET status = 'expired', reserved_until = NULL, reserved_shop_id = NULL
WHERE id = ANY($1::uuid[]) AND status IN ('active', 'reserved')
RETURNING id, code, code_prefix, partner_id, game_id, customer_no,
          (SELECT count(*) FROM coupon_history h WHERE h.coupon_id = coupons.id)::integer AS steps;

-- name: bury
-- Keep dead letters, one per place in a topic; returns the new ones, whose bytes still have to be published.
INSERT INTO dead_letters (topic, partition, "offset", record_time, stage, exception, message, key, value,
                          event_id, event_source, event_type, header_names, header_values)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (topic, partition, "offset") DO NOTHING
RETURNING id;
