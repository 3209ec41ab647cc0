-- Partners who call with their keys are found by the API, which sees nobody's row until it knows whose it may see.

-- Whose key it is, and whether that partner's secret key came with it. What is stored of keys is not told.
CREATE FUNCTION partner_of_keys(api_key bytea, secret_key bytea) RETURNS TABLE (partner_id bigint, has_secret boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT id, coalesce(secret_key_hash = secret_key, false) FROM partners WHERE api_key_hash = api_key
$$;

REVOKE ALL ON FUNCTION partner_of_keys FROM public;
GRANT EXECUTE ON FUNCTION partner_of_keys TO couponry_worker, couponry_api;
