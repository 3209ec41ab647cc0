"""What commands share.

May import adapters, local, runtime and schemas. `addresses` (where the servers are), `arguments` (types of what is
typed), `program_file` (a partner's program in a file), `output` (tables, JSON, refusals in one line), `narration` (what
is going on, for people), `pace` (how fast a bulk command works).
"""
