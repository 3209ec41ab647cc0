-- outside a transaction
-- What was kept long enough is found without reading the rest. Built while events are decided and requests answered: the
-- outbox and the audit trail are written to by both.
CREATE INDEX CONCURRENTLY IF NOT EXISTS dead_letters_to_empty
    ON dead_letters (closed_at) WHERE closed_at IS NOT NULL AND emptied_at IS NULL;
-- A letter that still waits to be published is kept whole.
CREATE INDEX CONCURRENTLY IF NOT EXISTS outbox_letters ON outbox (dead_letter_id) WHERE dead_letter_id IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_log_by_age ON audit_log (at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idempotency_keys_by_time ON idempotency_keys (created_at);
