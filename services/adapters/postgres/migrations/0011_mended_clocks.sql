-- What `couponry repair-clock` mends after the database's clock was wrong: from which instant a coupon's validity counts
-- instead of the one it was issued at, and of which steps the instants are off by how much.
ALTER TABLE coupons ADD mended_at timestamptz;
COMMENT ON COLUMN coupons.mended_at IS
    'When it was really issued, where the clock was wrong then: its validity counts from here. See clock_mends.';
ALTER TABLE coupons DROP CONSTRAINT expiry_follows_from_the_rule;
ALTER TABLE coupons ADD CONSTRAINT expiry_follows_from_the_rule CHECK (
    expires_at IS NOT DISTINCT FROM coalesce(mended_at, issued_at) + make_interval(hours => 24 * rule_validity_days)) NOT VALID;

-- A row for each time that a coupon was looked at by a repair: of its steps up to `steps`, those with an instant in
-- [from_at, to_at) happened at that instant less `shift`.
CREATE TABLE clock_mends (
    coupon_id      uuid NOT NULL,
    operation_id   bigint NOT NULL,
    mended_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    steps          integer NOT NULL,
    from_at        timestamptz NOT NULL,
    to_at          timestamptz NOT NULL,
    shift          interval NOT NULL,
    expires_at_was timestamptz,
    CONSTRAINT a_repair_mends_a_coupon_once PRIMARY KEY (coupon_id, operation_id)
);

ALTER TABLE operations DROP CONSTRAINT operation_command_is_known;
ALTER TABLE operations ADD CONSTRAINT operation_command_is_known
    CHECK (command IN ('replay', 'republish', 'redrive', 'discard', 'repair-clock'));

GRANT SELECT, INSERT ON clock_mends TO couponry_worker;
GRANT UPDATE (mended_at, expires_at) ON coupons TO couponry_worker;
