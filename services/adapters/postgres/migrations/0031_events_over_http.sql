-- Events that partners hand to the API are queued for the topic that they belong on, each under its partner's own source:
-- ids are the partner's. Null: the source of whoever publishes.
ALTER TABLE outbox ADD COLUMN source text;

-- What the API queues says in its data whose it is, and comes from nobody else: an id is used up for its source.
DROP POLICY partner_speaks_for_itself ON outbox;
CREATE POLICY partner_speaks_for_itself ON outbox FOR INSERT TO couponry_api
    WITH CHECK (dead_letter_id IS NULL AND (value::jsonb ->> 'partner_id')::bigint = session_partner_id()
                AND (source IS NULL OR source = '/couponry/http/' || session_partner_id()));
