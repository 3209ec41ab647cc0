-- Records that concern nobody: orders of no customer, types that a setting names. They leave no letter and no decision;
-- what is kept is where they stood, by type, so that an account of every offset still closes.
CREATE TABLE passed_over (
    topic        text    NOT NULL,
    partition    integer NOT NULL,
    type         text    NOT NULL,
    reason       text    NOT NULL CONSTRAINT passed_over_for_a_reason CHECK (reason IN ('ignored_type', 'no_customer')),
    first_offset bigint  NOT NULL,
    last_offset  bigint  NOT NULL,
    CONSTRAINT a_type_has_one_span_of_a_partition PRIMARY KEY (topic, partition, type, reason)
);
GRANT SELECT, INSERT, UPDATE ON passed_over TO couponry_worker;

-- Orders name products by the partner's own numbers.
CREATE INDEX products_by_sku ON products (partner_id, sku) WHERE sku IS NOT NULL;
