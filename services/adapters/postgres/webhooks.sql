-- Partners' own coupon systems: where they are called, and the secrets that calls are signed with.

-- name: webhooks
-- The webhooks of these partners as their programs say, with the secrets that sign now, the newest first.
SELECT p.partner_id, p.sections ->> 'coupon' AS section,
       ARRAY(SELECT s.sealed FROM webhook_secrets s
             WHERE s.partner_id = p.partner_id AND (s.signs_until IS NULL OR s.signs_until > clock_timestamp())
             ORDER BY s.number DESC LIMIT 2) AS sealed_keys
FROM programs p JOIN webhooks w USING (partner_id)
WHERE p.partner_id = ANY($1::bigint[]) AND p.sections -> 'coupon' IS NOT NULL;

-- name: begin_webhook
-- A partner has a webhook since then, unless it ever had one before.
INSERT INTO webhooks (partner_id, since) VALUES ($1, $2) ON CONFLICT (partner_id) DO NOTHING;

-- name: outdate_secret
-- The newest secret goes on signing until then, beside the next one; older ones sign no more.
WITH gone AS (DELETE FROM webhook_secrets WHERE partner_id = $1 AND signs_until IS NOT NULL)
UPDATE webhook_secrets SET signs_until = clock_timestamp() + $2::interval WHERE partner_id = $1 AND signs_until IS NULL;

-- name: add_secret
-- The newest secret from now on.
INSERT INTO webhook_secrets (partner_id, number, sealed)
SELECT $1, 1 + coalesce((SELECT max(number) FROM webhook_secrets WHERE partner_id = $1), 0), $2;

-- name: drop_secrets
-- Nothing is signed with any of them any more.
DELETE FROM webhook_secrets WHERE partner_id = $1;
