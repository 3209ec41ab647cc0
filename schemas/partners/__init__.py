"""Bodies of the partners' dialect: what they define, and what they are shown.

`games` and its `game_answers`, `completions`, `cards` and its `card_answers`, `catalogue` (shops and products),
`staff_coupons` (both ways); `answers` has the envelopes around all of them.
"""
