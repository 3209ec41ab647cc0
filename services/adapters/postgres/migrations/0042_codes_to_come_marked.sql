-- Apart from the file before, so that coupons are written while this reads them all.

-- Codes of coupons that partners' systems are being told of, or will be once what is published of them is read: issued since
-- there was one, and of a type that it is told of, or would be by the next one where there is none just now.
UPDATE coupons c SET code_pending = true
FROM webhooks w JOIN programs p USING (partner_id)
WHERE c.partner_id = w.partner_id AND c.game_id IS NULL AND c.external_code IS NULL AND c.code_from IS NULL
  AND CASE (SELECT d.status IN ('pending', 'held') FROM deliveries d WHERE d.coupon_id = c.id AND d.kind = 'issued')
      WHEN true THEN true
      WHEN false THEN false
      ELSE c.issued_at >= w.since AND c.terms ->> 'type' <> 'custom' AND coalesce((p.sections -> 'coupon' ->> CASE c.terms ->> 'type'
          WHEN 'fixed' THEN 'enableFixedRate' WHEN 'percentage' THEN 'enablePercentage'
          WHEN 'free_product' THEN 'enableFreeProduct' ELSE 'enableFreeShipping' END)::boolean, true) END;

ALTER TABLE coupons VALIDATE CONSTRAINT a_code_that_is_to_come_is_not_there;
