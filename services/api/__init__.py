"""HTTP: games, cards, shops, products, staff coupons and programs for many partners at once. Nothing is decided here.

Two kinds of rooms. `edge/` is what every request passes, whoever asks and in whichever dialect; it knows no
dialect. Each dialect has a room beside it, with its credentials, bodies, sentences and routes, and knows no other
dialect: `partners/` is loyalty.lt's, `gameball_v4/` that of programs. `gameball_v3/` alone, an older way to change part
of a program, stands upon another one. `app` alone composes; `generate` writes the OpenAPI description.

May import decisions, adapters, runtime, domain and schemas. To read: the edge, the dialect, the composition.
"""
