-- A code that a partner brings must not read as one of ours, whoever's it is; and the API sees one partner's rows alone.

-- Those of these codes of ours that a coupon has, or one of a pool will have, with what stands before each. Whose they are is
-- not told.
CREATE FUNCTION own_codes_taken(wanted text[]) RETURNS TABLE (code text, code_prefix text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT c.code, c.code_prefix FROM coupons c WHERE c.code = ANY (wanted)
    UNION ALL
    SELECT p.own_code, p.own_prefix FROM pool_codes p WHERE p.own_code = ANY (wanted)
$$;
REVOKE ALL ON FUNCTION own_codes_taken FROM public;
GRANT EXECUTE ON FUNCTION own_codes_taken TO couponry_worker, couponry_api;
