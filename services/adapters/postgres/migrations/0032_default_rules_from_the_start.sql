-- The default rule of redemption exists from the start, and so does its id: one is kept for every partner, and counts as long
-- as no section says another.
ALTER TABLE programs ADD COLUMN default_rule_id bigint NOT NULL DEFAULT nextval('program_item_ids');
