-- Who may speak for a partner: patterns of `ce_source`, `*` standing for any characters; none: anybody.
ALTER TABLE partners ADD COLUMN sources text[] NOT NULL DEFAULT '{}';
ALTER TABLE dead_letters DROP CONSTRAINT dead_letter_stage_is_known;
ALTER TABLE dead_letters ADD CONSTRAINT dead_letter_stage_is_known
    CHECK (stage IN ('header', 'decode', 'schema', 'source', 'time', 'decide', 'store'));
