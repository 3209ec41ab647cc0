-- When the database was found to know less than Kafka says it did: a standby that lagged was promoted, or a backup
-- restored. What was published before and is published again after such an instant is explained by it.
CREATE TABLE went_back (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    noticed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    topic       text NOT NULL,
    partition   integer NOT NULL,
    from_offset bigint NOT NULL,
    to_offset   bigint NOT NULL,
    CONSTRAINT going_back_leads_to_an_earlier_offset CHECK (to_offset < from_offset)
);
GRANT SELECT, INSERT ON went_back TO couponry_worker;
