-- outside a transaction
-- Built while coupons are told of.

-- What was given up lately, which an operator is told of.
CREATE INDEX CONCURRENTLY IF NOT EXISTS deliveries_given_up ON deliveries (partner_id, due_at) WHERE status = 'dead';
