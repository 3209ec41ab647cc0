"""Events of a file for a trial: JSON lines, read as the issuer reads structured events from a topic.

A line is a CloudEvent: `{"type", "time", "data"}`, and if wanted `id`, `source`, `specversion`. What would be a dead
letter is refused, with what the letter would say. A coupon may be named by its code, which is what people see of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from aiokafka import ConsumerRecord

from schemas.envelope import CONTENT_TYPE
from schemas.events.types import POINTS_UNDO_REQUESTED
from schemas.gameball_v4.exact_json import read, write
from services.admin.trial import SOURCE
from services.domain.arrival import Incoming
from services.domain.coupons.codes import parse
from services.domain.events import Event
from services.issuer.codec import PassedOver, read_record
from services.terminal.output import CommandError

_STRUCTURED: Final = b"application/cloudevents+json"
_DEFAULTS: Final = {"specversion": "1.0", "source": SOURCE}


def read_events(
    file: Path, partner_id: int, coupon_ids: Mapping[str, str]
) -> Iterator[tuple[int, Event]]:
    """The number of each line that is not blank, and its event. Raises CommandError, one line with the number.

    `coupon_ids`: by stored code or code of a pool, of the lines so far.
    """
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    for number, line in enumerate(raw.splitlines(), 1):
        if not line.strip():
            continue
        try:
            document = read(line)
        except (ValueError, RecursionError) as error:
            raise CommandError(f"{file}:{number}: is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise CommandError(f"{file}:{number}: must be an object: type, time, data")
        _name_coupon(document, coupon_ids)
        event = _event({**_DEFAULTS, "id": f"line-{number}", **document}, f"{file}:{number}")
        if event.partner_id != partner_id:
            text = f"is of partner {event.partner_id}, the program of {partner_id}"
            raise CommandError(f"{file}:{number}: data.partner_id: {text}")
        yield number, event


def _name_coupon(document: dict[str, Any], coupon_ids: Mapping[str, str]) -> None:
    """Put the id of the coupon in the place of its code."""
    data = document.get("data")
    if document.get("type") == POINTS_UNDO_REQUESTED and isinstance(data, dict):
        named = data.get("coupon_id")
        if not isinstance(named, str):
            return
        read = parse(named)
        found = coupon_ids.get(named) or (coupon_ids.get(read[1]) if read is not None else None)
        if found is not None:
            document["data"] = {**data, "coupon_id": found}


def _event(document: dict[str, object], place: str) -> Event:
    value = write(document).encode()
    record: ConsumerRecord[bytes, bytes] = ConsumerRecord(
        topic="",
        partition=0,
        offset=0,
        timestamp=0,
        timestamp_type=1,
        key=None,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=len(value),
        headers=[(CONTENT_TYPE, _STRUCTURED)],
    )
    found = read_record(record)
    if isinstance(found, Incoming):
        return found.event
    if isinstance(found, PassedOver):
        raise CommandError(f"{place}: concerns no customer: issuers pass it over")
    raise CommandError(f"{place}: {found.message} (a dead letter, stage {found.stage})")
