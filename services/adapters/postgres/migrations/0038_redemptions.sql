-- outside a transaction
-- Built while points are earned and spent, however many entries there are; it holds the few that were spent.

-- What points a coupon was bought with.
CREATE INDEX CONCURRENTLY IF NOT EXISTS ledger_by_spending ON ledger (event_key) WHERE kind = 'spent';

-- Which coupon a decision has given points back for.
CREATE INDEX CONCURRENTLY IF NOT EXISTS redemptions_undone ON coupon_history (event_key) WHERE reason = 'redemption_undone';
