-- Only that an order was reversed can matter to what arrives later: that it was placed is in its decision.
ALTER TABLE orders NO FORCE ROW LEVEL SECURITY; -- for the owner, who may be no superuser, and for this change alone
DELETE FROM orders WHERE NOT is_reversed;
ALTER TABLE orders FORCE ROW LEVEL SECURITY;
ALTER TABLE orders DROP COLUMN is_reversed;
ALTER TABLE orders RENAME TO reversed_orders;
ALTER TABLE reversed_orders RENAME CONSTRAINT orders_pkey TO a_customer_reverses_an_order_once;
COMMENT ON TABLE reversed_orders IS
    'Orders that count no more, by the customer whose event said so: somebody else''s reversal must not close one.';
