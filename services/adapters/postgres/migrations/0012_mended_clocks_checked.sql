-- Apart from the file before, so that coupons are written while this reads them all.
ALTER TABLE coupons VALIDATE CONSTRAINT expiry_follows_from_the_rule;
