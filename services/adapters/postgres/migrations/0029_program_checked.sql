-- Apart from the file before, so that coupons are written while this reads them all.
ALTER TABLE coupons VALIDATE CONSTRAINT a_coupon_is_of_a_game_or_has_terms;
ALTER TABLE coupons VALIDATE CONSTRAINT a_coupon_is_used_no_more_than_its_limit;
ALTER TABLE coupons VALIDATE CONSTRAINT expiry_follows_from_the_rule;
ALTER TABLE coupon_history VALIDATE CONSTRAINT a_step_is_a_transition_of_the_state_machine;
