-- Records whose (source, id) had been decided for somebody else or for another type: they change nothing, but whoever
-- sends them has a fault.
CREATE TABLE reused_ids (
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    "offset"    bigint      NOT NULL,
    event_key   uuid        NOT NULL,
    partner_id  bigint      NOT NULL,
    customer_id text        NOT NULL,
    event_type  text        NOT NULL,
    seen_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT a_record_reuses_an_id_once PRIMARY KEY (topic, partition, "offset", event_key)
);
CREATE INDEX reused_ids_by_event ON reused_ids (event_key);
GRANT SELECT, INSERT, UPDATE ON reused_ids TO couponry_worker;
ALTER TABLE reused_ids ENABLE ROW LEVEL SECURITY;
ALTER TABLE reused_ids FORCE ROW LEVEL SECURITY;
