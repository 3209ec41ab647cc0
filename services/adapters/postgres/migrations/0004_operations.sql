-- What operators do in bulk (replay, republish, redrive, discard): who, why, what was asked for, and how far it has
-- come, so that a run that was killed goes on where it was. A dry run is not kept: it does nothing.
CREATE TABLE operations (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    command     text NOT NULL CONSTRAINT operation_command_is_known CHECK (command IN ('replay', 'republish', 'redrive', 'discard')),
    actor       text NOT NULL,
    reason      text,
    request     jsonb NOT NULL CONSTRAINT operation_request_is_an_object CHECK (jsonb_typeof(request) = 'object'),
    progress    jsonb NOT NULL DEFAULT '{}' CONSTRAINT operation_progress_is_an_object CHECK (jsonb_typeof(progress) = 'object'),
    counts      jsonb NOT NULL DEFAULT '{}' CONSTRAINT operation_counts_are_an_object CHECK (jsonb_typeof(counts) = 'object'),
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    moved_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
);
COMMENT ON COLUMN operations.counts IS
    'Numbers by name. They commit together with what they count, so they are exact also after a kill.';
CREATE INDEX operations_unfinished ON operations (command, id) WHERE finished_at IS NULL;

-- What became of a dead letter each time somebody dealt with it: once per operation, however often that was resumed.
CREATE TABLE dead_letter_actions (
    operation_id   bigint NOT NULL REFERENCES operations,
    dead_letter_id bigint NOT NULL REFERENCES dead_letters,
    at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome        text NOT NULL CONSTRAINT dead_letter_action_is_known CHECK (outcome IN ('decided', 'already_decided', 'dead', 'discarded')),
    CONSTRAINT an_operation_handles_a_letter_once PRIMARY KEY (operation_id, dead_letter_id)
);
CREATE INDEX dead_letter_actions_by_letter ON dead_letter_actions (dead_letter_id);

GRANT SELECT, INSERT, UPDATE (progress, counts, moved_at, finished_at) ON operations TO couponry_worker;
GRANT SELECT, INSERT ON dead_letter_actions TO couponry_worker;

-- True for an event that was published before and leaves once more: the relay says so in a header.
ALTER TABLE outbox ADD republished boolean;
