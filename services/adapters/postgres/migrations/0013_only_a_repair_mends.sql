-- The end of a coupon is fixed at its issue. Workers may move it only in a repair of the clock, which says that it is one
-- (`couponry.mending`) and records each coupon it mends; nothing else sets these columns.
CREATE FUNCTION only_a_repair_mends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_LEVEL = 'STATEMENT' THEN
        IF current_setting('couponry.mending', true) IS DISTINCT FROM 'on' THEN
            RAISE insufficient_privilege USING MESSAGE = 'permission denied: the end of a coupon is fixed at its issue';
        END IF;
        RETURN NULL;
    END IF;
    IF NOT EXISTS (
        SELECT FROM clock_mends m WHERE m.coupon_id = NEW.id AND m.expires_at_was IS NOT DISTINCT FROM OLD.expires_at
    ) THEN
        RAISE insufficient_privilege USING MESSAGE = 'permission denied: no repair of the clock has recorded this coupon';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_a_repair_moves_an_end BEFORE UPDATE OF expires_at, mended_at ON coupons
    FOR EACH STATEMENT EXECUTE FUNCTION only_a_repair_mends();
CREATE TRIGGER a_moved_end_is_recorded BEFORE UPDATE OF expires_at, mended_at ON coupons
    FOR EACH ROW EXECUTE FUNCTION only_a_repair_mends();
