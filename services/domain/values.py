"""Values of which a million are made in a minute: half a dozen for every event.

A frozen dataclass fills each field by a call, which takes three times as long as filling a plain one. What is
`quickly_made` is a frozen dataclass to whoever reads it and to the type checker, which lets nobody assign to a field;
at run time it is a plain one. `replaced` is `replace` of such values, in half its time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

__all__ = ["quickly_made", "replaced"]

if TYPE_CHECKING:
    from dataclasses import dataclass as quickly_made
    from dataclasses import replace as replaced
else:

    def quickly_made(*, frozen: bool, **options: Any) -> Any:
        """`dataclass`; compared and hashed by its fields, as a frozen one is."""
        return dataclass(unsafe_hash=frozen, **options)

    def replaced(value: Any, **fields: Any) -> Any:
        """The same value but for these fields, as `dataclasses.replace` makes it."""
        for name in value.__slots__:
            if name not in fields:
                fields[name] = getattr(value, name)
        return type(value)(**fields)
