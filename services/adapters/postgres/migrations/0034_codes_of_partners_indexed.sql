-- outside a transaction
-- Built while coupons are issued, however many there are.

-- What a code that a partner brought is looked up by; it is one coupon's.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS an_external_code_is_one_coupons
    ON coupons (partner_id, external_code) WHERE external_code IS NOT NULL;

-- What a group's cap for one customer counts.
CREATE INDEX CONCURRENTLY IF NOT EXISTS coupons_by_customer_and_group
    ON coupons (customer_no, (terms ->> 'group')) WHERE terms ->> 'group' IS NOT NULL AND status <> 'cancelled';
