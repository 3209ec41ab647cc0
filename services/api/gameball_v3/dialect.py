"""The v3 dialect, as the edge knows it: bearer tokens with a store's id, errors with a code, and every resource."""

from __future__ import annotations

import re
from typing import Final

from services.api.edge.dialect import Dialect
from services.api.edge.slashes import with_slashes_kept
from services.api.gameball_v3 import configuration, rules
from services.api.gameball_v3.access import authenticate
from services.api.gameball_v3.description import SECURITY
from services.api.gameball_v3.failures import failure
from services.api.gameball_v4.failures import REPLAYED

_version = re.compile(r"/api/v3(?:\.0)?(?=/|$)")
_by_id = re.compile(r"(/api/v3/integrations/client/redemption/config)(?=/[^/]+$)(?!/rule$)")
"""The shorter of the two paths to a rule."""
_rules = re.compile(r"/api/v3/integrations/client/redemption/(?:rule|config/rule)(?:/|$)")
LARGER_BODY_BYTES: Final = 1024 * 1024

NOWHERE: Final = "/api/v3/"
"""Of paths that can name nothing."""


def canonical(path: str, raw: bytes) -> str:
    """The path that routes know: one version, one path to a rule, whichever of its names was called."""
    kept = with_slashes_kept(path, raw)
    if kept is None:
        return NOWHERE
    return _by_id.sub(r"\1/rule", _version.sub("/api/v3", kept, count=1))


GAMEBALL_V3: Final = Dialect(
    name="gameball_v3",
    prefix=_version,
    routers=(configuration.router, rules.router),
    authenticate=authenticate,
    failure=failure,
    replayed=REPLAYED,
    security=SECURITY,
    larger=((_rules, LARGER_BODY_BYTES),),
    canonical=canonical,
)
