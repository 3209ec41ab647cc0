-- Which version of a game was in force for a decision that does not name one: an order names the version only of a
-- game whose card it filled. A batch draws the numbers of its decisions before it shares its games' rows, and a change
-- holds the game's row when its trigger runs; so a decision made under an older version has a number up to
-- `decided_before`, and a later one a higher number, whatever the clocks did meanwhile.
ALTER TABLE game_versions ADD decided_before bigint;
COMMENT ON COLUMN game_versions.decided_before IS
    'The highest number of a decision when this version was made; null for versions older than this column.';

-- The zone is part of the rules: dates and limits per day, week and month are the partner's. Versions without one,
-- kept before, are read in the zone of now.
CREATE OR REPLACE FUNCTION keep_game_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO game_versions (game_id, version, partner_id, rules, decided_before)
    VALUES (NEW.id, NEW.version, NEW.partner_id,
            to_jsonb(NEW) || jsonb_build_object('time_zone', (SELECT time_zone FROM partners WHERE id = NEW.partner_id)),
            (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM decisions_seq_seq))
    ON CONFLICT (game_id, version) DO NOTHING;
    RETURN NULL;
END $$;
-- For the trigger, when a partner changes a game.
GRANT SELECT ON SEQUENCE decisions_seq_seq TO couponry_api;
