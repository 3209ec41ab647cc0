-- Apart from the files before, so that coupons are written while this reads them all.
ALTER TABLE coupons VALIDATE CONSTRAINT code_comes_from_somewhere_known;
ALTER TABLE coupons VALIDATE CONSTRAINT an_external_code_says_where_it_is_from;
ALTER TABLE coupons VALIDATE CONSTRAINT external_code_has_characters;
