-- What workers may not do without a repair, the database's owner may: the constraint and `verify` hold for everybody.
CREATE OR REPLACE FUNCTION only_a_repair_mends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_LEVEL = 'STATEMENT' THEN
        IF current_user = 'couponry_worker' AND current_setting('couponry.mending', true) IS DISTINCT FROM 'on' THEN
            RAISE insufficient_privilege USING MESSAGE = 'permission denied: the end of a coupon is fixed at its issue';
        END IF;
        RETURN NULL;
    END IF;
    IF current_user = 'couponry_worker' AND NOT EXISTS (
        SELECT FROM clock_mends m WHERE m.coupon_id = NEW.id AND m.expires_at_was IS NOT DISTINCT FROM OLD.expires_at
    ) THEN
        RAISE insufficient_privilege USING MESSAGE = 'permission denied: no repair of the clock has recorded this coupon';
    END IF;
    RETURN NEW;
END $$;
