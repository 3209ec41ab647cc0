"""What tests of every package stand on: real servers, our processes, and the other end of the wire.

`servers` (started once per run, a clean corner per test) or `containers`, `database` (one partner and a pipeline),
`commands` (the command line) and `processes` (ours, as in production) are found ready. To build with: `customers`,
`issuing` (games to play, and an audit), `records` (made by hand), `till` (of a partner's games and shops), `feed`
(the other end of a topic), `world` (a small system at work). To do harm with: `proxy` (a line that can be cut),
`planting` (a topic nobody knows).
"""
