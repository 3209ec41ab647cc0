-- Vacuum by the tenth or the fifth of a table, as Postgres does by itself, comes too late where a table has a hundred
-- million rows: until then every look along an index meets the entries of rows that are gone, and counting from an index
-- alone asks the table. None of it blocks anybody; the outbox has had settings of its own from the beginning.

-- A coupon changes a few times in its life and leaves entries in every index each time, most of all in the one that says
-- what is due. Not oftener, because a vacuum reads all its indexes.
ALTER TABLE coupons SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 50000,
                         autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
-- Each event moves its customer's instant on. Most of what that leaves is cleared away on the page, without a vacuum.
ALTER TABLE customers SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE stamp_cards SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
-- Rows are only added: frozen where they are once visible to all, so that no later vacuum has to write all of it again.
ALTER TABLE decisions SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_freeze_min_age = 0,
                           autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE coupon_history SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_freeze_min_age = 0);
ALTER TABLE order_stamps SET (autovacuum_vacuum_insert_scale_factor = 0.05);
-- Left as they are: shares of quotas, next offsets, counters and records that wait are few rows each, which are cleared
-- away on their page and vacuumed within a minute.
