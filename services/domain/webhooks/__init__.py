"""Partners' own coupon systems: how each wants to be told of its coupons.

To read: `webhook` (one partner's, as it is called), `rendering` (what is sent) with `signing`, `answers` (what comes
back), `schedule` (when it is tried again).
"""
