"""Partners' own coupon systems: how each wants to be told of its coupons.

To read: `webhook` (one partner's, as it is called).
"""
