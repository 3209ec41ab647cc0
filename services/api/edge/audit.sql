-- The audit trail of the partner API.

-- name: record
-- One change: by whom, in which request, to what.
INSERT INTO audit_log (partner_id, actor, request_id, action, subject_id, before, after)
VALUES ($1, $2, $3, $4, $5, $6, $7);
