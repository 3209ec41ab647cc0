-- What is kept for a time only. A dead letter that was dealt with keeps its row and its place for ever, so that what
-- became of its record can be told and proven; what the record said goes after a while.
ALTER TABLE dead_letters
    ADD COLUMN closed_at timestamptz,
    ADD COLUMN emptied_at timestamptz,
    ADD CONSTRAINT an_emptied_letter_is_closed_and_empty CHECK (emptied_at IS NULL
        OR (state <> 'open' AND key IS NULL AND value IS NULL AND header_names = '{}' AND header_values = '{}'));

-- By a trigger, so that whoever closes a letter does, an older release as well.
CREATE FUNCTION note_since_when_a_letter_is_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.closed_at := CASE WHEN NEW.state <> 'open' THEN clock_timestamp() END;
    RETURN NEW;
END $$;
CREATE TRIGGER a_closed_letter_says_since_when BEFORE UPDATE OF state ON dead_letters
    FOR EACH ROW WHEN (NEW.state IS DISTINCT FROM OLD.state) EXECUTE FUNCTION note_since_when_a_letter_is_closed();

-- What was closed before is kept as long as what is closed now.
UPDATE dead_letters SET closed_at = clock_timestamp() WHERE state <> 'open';
CREATE INDEX dead_letters_to_empty ON dead_letters (closed_at) WHERE closed_at IS NOT NULL AND emptied_at IS NULL;
-- A letter that still waits to be published is kept whole.
CREATE INDEX outbox_letters ON outbox (dead_letter_id) WHERE dead_letter_id IS NOT NULL;

CREATE INDEX audit_log_by_age ON audit_log (at);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at);
-- Entries may go, and may not be changed. Of keys a column may, or they could not be locked.
GRANT DELETE ON audit_log TO couponry_worker;
GRANT UPDATE (created_at) ON idempotency_keys TO couponry_worker;
