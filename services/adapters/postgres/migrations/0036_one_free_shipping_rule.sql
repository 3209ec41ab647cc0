-- A partner has one redemption rule for free shipping, by its own type or by its coupon's. Those who change a program look
-- first, and say which rule it is; this holds whoever writes. Older versions stay as they were.
ALTER TABLE programs ADD CONSTRAINT a_partner_has_one_free_shipping_rule CHECK (
    jsonb_array_length(jsonb_path_query_array(
        sections,
        '$.redemption.rules[*] ? (@.ruleType == "free_shipping_settings" || @.coupon.couponType == "free_shipping")'
    )) <= 1
);
