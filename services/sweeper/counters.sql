-- Counters of games, folded from decisions. All of it runs in one transaction that holds the row of `counting`.

-- name: take
-- How far counting has come, unless somebody else counts at the moment. Numbers up to `noted_to` are final when no
-- transaction that ran at the note is left: whoever drew one of them had its transaction id by then.
SELECT counted_to, counted_at, noted_to, noted_at, noted_xid <= pg_snapshot_xmin(pg_current_snapshot()) AS is_final
FROM counting FOR UPDATE SKIP LOCKED;

-- name: count_games
-- Players met and completions won in these decisions of games. The bound in time is what the index finds them by.
WITH fresh AS MATERIALIZED (
    SELECT d.game_id, d.partner_id, d.customer_no, d.won
    FROM decisions d
    WHERE d.decided_at >= $3 AND d.seq > $1 AND d.seq <= $2 AND d.event_type = 'game.completed'
      AND EXISTS (SELECT FROM games g WHERE g.id = d.game_id AND g.partner_id = d.partner_id)
), met AS (
    INSERT INTO game_players (game_id, customer_no, partner_id)
    SELECT DISTINCT game_id, customer_no, partner_id FROM fresh ORDER BY game_id, customer_no
    ON CONFLICT (game_id, customer_no) DO NOTHING
    RETURNING game_id, partner_id
)
INSERT INTO game_counters AS known (game_id, partner_id, players, completions, cards_begun)
SELECT game_id, partner_id, sum(players), sum(completions), 0 FROM (
    SELECT game_id, partner_id, 1 AS players, 0 AS completions FROM met
    UNION ALL
    SELECT game_id, partner_id, 0, won::integer FROM fresh
) AS found
GROUP BY game_id, partner_id
ON CONFLICT (game_id) DO UPDATE
    SET players = known.players + excluded.players, completions = known.completions + excluded.completions;

-- name: count_cards
-- The stamp cards of customers whose orders are among these decisions, by how they differ from what was counted.
WITH cards AS MATERIALIZED (
    SELECT s.game_id, s.customer_no, s.partner_id, s.card_no - 1 AS cards_full, s.stamps > 0 AS card_begun
    FROM stamp_cards s
    WHERE s.customer_no IN (
        SELECT d.customer_no FROM decisions d
        WHERE d.decided_at >= $3 AND d.seq > $1 AND d.seq <= $2 AND d.order_id IS NOT NULL)
), known_cards AS MATERIALIZED (
    SELECT p.* FROM game_players p JOIN cards USING (game_id, customer_no)
), put AS (
    INSERT INTO game_players (game_id, customer_no, partner_id, cards_full, card_begun)
    SELECT game_id, customer_no, partner_id, cards_full, card_begun FROM cards
    ON CONFLICT (game_id, customer_no)
        DO UPDATE SET cards_full = excluded.cards_full, card_begun = excluded.card_begun
)
INSERT INTO game_counters AS known (game_id, partner_id, players, completions, cards_begun)
SELECT c.game_id, c.partner_id, count(*) FILTER (WHERE k.game_id IS NULL),
       sum(c.cards_full - coalesce(k.cards_full, 0)),
       sum(c.card_begun::integer - coalesce(k.card_begun, false)::integer)
FROM cards c LEFT JOIN known_cards k USING (game_id, customer_no)
GROUP BY c.game_id, c.partner_id
ON CONFLICT (game_id) DO UPDATE
    SET players = known.players + excluded.players, completions = known.completions + excluded.completions,
        cards_begun = known.cards_begun + excluded.cards_begun;

-- name: highest
-- The highest number drawn so far, committed or not.
SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM decisions_seq_seq;

-- name: note
-- Count up to here next time. A statement after `highest`: its snapshot is later than the number.
UPDATE counting SET counted_to = $1, counted_at = $2, noted_to = $3, noted_at = clock_timestamp(),
                    noted_xid = pg_snapshot_xmax(pg_current_snapshot());
