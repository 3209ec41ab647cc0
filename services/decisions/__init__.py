"""The one room that loads and writes customers: lock, load, decide, record, confirm.

May import adapters, runtime, domain and schemas. Nobody else puts rules and tables together; whoever has events,
steps or time to record comes here with a connection, and commits. To read:

`manner` (how it is timed and written), `programs` (the rules in force, cached), `gathering` and `loading` (what the
rules must know; `account_reading` of accounts), `follow_ups` (whether what we told ourselves is true), `rows` and
`accounts` (what will be written), `telling` (what subscribers of the program hear), `verdicts` (from a decided event
to rows), `recording` (the writing, and last the proof that the rules still hold), `stocking` (what groups of coupons
have left); then what is made of these: `transaction` (events, a batch or one), `by_hand` (a coupon that staff issue),
`accounts_by_hand` (points and cards that a partner gives), `redemptions_by_hand` (points into coupons, for one who
waits), `till` (what a coupon's terms say there), `steps` (one step on one coupon), `passing_time` (what time alone has
done), `account_time` (the same of points), `birthday_time` (and of birthdays), `repeats` (which events have no
decision yet), `groundwork` (what a change of games needs done before it), `rule_changes` (a game that is changed under
way), `program_changes` (a partner's program, likewise), `webhooks` (what a change of its webhook brings with it, and
switching one off), `delivering` (codes that partners' own systems give), `explained` (what is said of a decision),
`queueing` (events that wait for their topic).
"""
