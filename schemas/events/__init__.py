"""What is on the topics, a module per topic; `types` has the names of the CloudEvents types.

In: `game_completed`, `orders`, `customers`, and from us to us `follow_ups`. Out: `coupon_issued`, `coupon_lifecycle`,
`issuance_declined`, `program_events`, `dead_letters` (its headers). `reading` has how data that come in are read.
"""
