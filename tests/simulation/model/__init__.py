"""The contract's arithmetic, read a second time: plain, slow, in fractions, and without a line of the domain.

In this order each module needs only what stands before it: `exactly` (numbers and rounding), `rules` (a program as it
is stored), `triggers` (conditions, and who may achieve a campaign), `account` (points, lots, debt and meters),
`pools` (codes that groups were given), `coupons` (what one is worth, and what may be done with it), `customer` (everything
known of one), `earning` (rates and multipliers), `orders` (orders and their reversals), `redemptions` (points into coupons,
and back), `book` (all customers, each event in its turn).
"""
