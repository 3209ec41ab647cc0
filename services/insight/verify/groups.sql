-- Groups of coupons: what they have issued, and the codes of their pools.

-- name: some_groups
-- Whether any coupon was issued of a group, or any has codes.
SELECT EXISTS (SELECT FROM group_counts) OR EXISTS (SELECT FROM pool_codes)
    OR EXISTS (SELECT FROM coupons WHERE terms ->> 'group' IS NOT NULL AND status <> 'cancelled');

-- name: groups_miscounted
-- Groups that count another number of coupons than there are of them and not cancelled.
SELECT partner_id, handle, coalesce(g.issued, 0) AS counted, coalesce(c.coupons, 0) AS coupons
FROM group_counts g
FULL JOIN (
    SELECT partner_id, terms ->> 'group' AS handle, count(*) AS coupons FROM coupons
    WHERE terms ->> 'group' IS NOT NULL AND status <> 'cancelled' GROUP BY 1, 2
) AS c USING (partner_id, handle)
WHERE coalesce(g.issued, 0) <> coalesce(c.coupons, 0)
ORDER BY partner_id, handle;

-- name: issues_of_groups
-- Coupons of groups that ever had a cap or a pool, in the order in which they were decided: with the caps of the version that
-- each was issued by, and since when it counts no more: since which decision, or instant of its customer. Of a cancellation
-- by a wrong clock the instant means nothing: it counts as old.
WITH grouped AS MATERIALIZED (
    SELECT id, event_key, partner_id, customer_no, program_version, terms ->> 'group' AS handle, status, code_from, issued_at
    FROM coupons WHERE game_id IS NULL AND terms ->> 'group' IS NOT NULL
), caps AS MATERIALIZED (
    SELECT v.partner_id, v.version AS program_version, caps ->> 'handle' AS handle,
           (caps ->> 'maxTotal')::bigint AS most, (caps ->> 'maxPerCustomer')::bigint AS most_for_one
    FROM (SELECT DISTINCT partner_id, program_version FROM grouped) AS named
    JOIN program_versions v ON v.partner_id = named.partner_id AND v.version = named.program_version
    CROSS JOIN LATERAL jsonb_array_elements(v.sections -> 'couponGroups') AS listed (caps)
    WHERE num_nonnulls(caps ->> 'maxTotal', caps ->> 'maxPerCustomer') > 0
), bound AS (
    SELECT partner_id, handle FROM caps UNION SELECT partner_id, handle FROM grouped WHERE code_from = 'pool'
)
SELECT g.id, g.partner_id, g.handle, g.customer_no, g.program_version, g.code_from, g.issued_at, g.status = 'cancelled' AS is_gone,
       d.seq, c.most, c.most_for_one, gone.seq AS gone_seq, gone.at AS gone_at
FROM grouped g JOIN bound USING (partner_id, handle)
LEFT JOIN caps c USING (partner_id, handle, program_version)
CROSS JOIN LATERAL (SELECT d.seq FROM decisions d WHERE d.event_key = g.event_key LIMIT 1) AS d
LEFT JOIN LATERAL (
    SELECT CASE WHEN NOT EXISTS (SELECT FROM clock_mends m WHERE m.coupon_id = g.id) THEN h.at END AS at,
           (SELECT d.seq FROM decisions d WHERE d.event_key = h.event_key LIMIT 1) AS seq
    FROM coupon_history h WHERE h.coupon_id = g.id AND h.word = 'cancelled' ORDER BY h.step LIMIT 1
) AS gone ON g.status = 'cancelled'
ORDER BY g.partner_id, g.handle, d.seq, g.id;

-- name: was_without
-- Whether a partner's program was ever without the group ($2) from one version to another: its pool went with it.
SELECT EXISTS (
    SELECT FROM program_versions v
    WHERE v.partner_id = $1 AND v.version BETWEEN $3 AND $4
      AND NOT EXISTS (
          SELECT FROM jsonb_array_elements(v.sections -> 'couponGroups') AS listed (caps) WHERE caps ->> 'handle' = $2));

-- name: pool_codes_astray
-- Codes that are given to a coupon which is not there, or does not show them; and coupons that show a code which was given to
-- them by no pool. Of a code that we made the coupon's own is shown.
SELECT k.partner_id, k.handle, k.coupon_id, 'code number ' || k.number || ' is given to coupon ' || k.coupon_id || CASE
           WHEN c.id IS NULL THEN ', which is not there' ELSE ', which does not show it' END AS fault
FROM pool_codes k LEFT JOIN LATERAL (SELECT * FROM coupons c WHERE c.id = k.coupon_id LIMIT 1) AS c ON true
WHERE k.coupon_id IS NOT NULL
  AND ((c.partner_id, c.terms ->> 'group', c.code_from, c.external_code) IS DISTINCT FROM
       (k.partner_id, k.handle, 'pool', CASE WHEN k.own_code IS NULL THEN k.code END)
       OR k.own_code IS NOT NULL AND (c.code, c.code_prefix) IS DISTINCT FROM (k.own_code, k.own_prefix))
UNION ALL
SELECT c.partner_id, c.terms ->> 'group', c.id, 'coupon ' || c.id || ' shows a code that no pool has given it'
FROM coupons c
WHERE c.game_id IS NULL AND c.code_from = 'pool' AND c.id IS DISTINCT FROM CASE
          WHEN c.external_code IS NULL THEN (SELECT k.coupon_id FROM pool_codes k WHERE k.own_code = c.code)
          ELSE (SELECT k.coupon_id FROM pool_codes k WHERE k.partner_id = c.partner_id AND k.code = c.external_code) END;
