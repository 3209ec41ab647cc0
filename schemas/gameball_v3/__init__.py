"""The part of a partner's program that the v3 dialect changes: redemption rules, of the parts in `schemas.gameball_v4`.

`rules` (what is sent over HTTP, laid over the sections as they are) and `answers` (how answers are described).
"""
