-- Where reading goes on, by partition, told by the database that holds what was decided. Kafka has it too, but after a
-- failover to a standby that lagged Kafka is ahead of what is known here.
CREATE TABLE next_offsets (
    topic       text    NOT NULL,
    partition   integer NOT NULL,
    next_offset bigint  NOT NULL,
    CONSTRAINT a_partition_goes_on_at_one_offset PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON next_offsets TO couponry_worker;
