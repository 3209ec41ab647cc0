"""What is on the topics, a module per topic; `types` has the names of the CloudEvents types.

In: `game_completed`, `orders`. Out: `coupon_issued`, `coupon_lifecycle`, `issuance_declined`, `dead_letters` (its
headers).
"""
