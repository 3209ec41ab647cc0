"""Named queries: every statement lives in a `.sql` file beside the module that uses it, one line of intent above each.

A file looks like this::

    -- name: open_single_coupons
    -- The open coupon, if any, of each (customer, game) pair under the single rule.
    SELECT ...
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def queries(file: str, package: str = __package__) -> dict[str, str]:
    """The statements of `<file>.sql` in a package, by name. KeyError from a look-up is a bug, not an input error."""
    text = files(package).joinpath(f"{file}.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)[1:]
    return {
        name: body.strip().rstrip(";") for name, body in zip(parts[::2], parts[1::2], strict=True)
    }
