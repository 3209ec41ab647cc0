"""Topics on a service that forbids some of our settings: everything else of ours is set, and what is not is told.

Services bound what a tenant may set (the size of segments, for one) and refuse a whole topic for one value. Nothing of
what the settings do is worth having no topic for: they bound disk, memory and how long a look back reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidConfigurationError, PolicyViolationError, for_code

BROKER_DEFAULT = -1
MIN_INSYNC = "min.insync.replicas"
ENOUGH_REPLICAS, ENOUGH_INSYNC = 3, 2
"""With three replicas one may be away without harm, so that an acknowledgement can mean two: a record that only one
broker had would be lost with it. With fewer replicas that would stop every producer with the first broker."""
REFUSED = frozenset({InvalidConfigurationError.errno, PolicyViolationError.errno})
"""Of a topic or a change: not as asked for. Asked for less, it may be granted."""

Note = Callable[[str], None]
"""Told one line for each setting that is refused."""
Answer = tuple[int, str]
"""A code of the protocol, 0 for done, and what the broker says."""


def new_topic(name: str, partitions: int, config: Mapping[str, str]) -> NewTopic:
    """A request for a topic, as often replicated as the broker does by itself."""
    return NewTopic(
        name, partitions, BROKER_DEFAULT, replica_assignments={}, topic_configs=dict(config)
    )


def insync(replicas: int, effective: Mapping[str, str]) -> dict[str, str]:
    """What is to be set so that an acknowledged record outlives a broker; empty where that cannot be, or is so."""
    if replicas < ENOUGH_REPLICAS or int(effective.get(MIN_INSYNC, "1")) >= ENOUGH_INSYNC:
        return {}
    return {MIN_INSYNC: str(ENOUGH_INSYNC)}


async def create(
    admin: AIOKafkaAdminClient, name: str, partitions: int, config: Mapping[str, str], note: Note
) -> Answer:
    """Create a topic with as many of its settings as the service takes. The answer that stands in the end."""
    code, why = await _created(admin, name, partitions, config)
    if code not in REFUSED:
        return code, why
    named = {key for key in config if key in why}
    for left_out in (named, set(config)):
        if not left_out:
            continue
        kept = {key: value for key, value in config.items() if key not in left_out}
        code, said = await _created(admin, name, partitions, kept)
        if code == 0:
            if len(left_out) == 1:
                note(_line(name, next(iter(left_out)), config, why))
            else:
                await change(admin, name, kept, {key: config[key] for key in left_out}, note)
        if code not in REFUSED:
            return code, said
    return code, why


async def change(
    admin: AIOKafkaAdminClient,
    name: str,
    current: Mapping[str, str],
    wanted: Mapping[str, str],
    note: Note,
) -> Answer:
    """Set what is wanted beside what is set already; one by one, if all at once is refused."""
    code, why = await _changed(admin, name, {**current, **wanted})
    if code not in REFUSED:
        return code, why
    kept = dict(current)
    for key in sorted(wanted):
        if len(wanted) > 1:
            code, why = await _changed(admin, name, kept | {key: wanted[key]})
        if code in REFUSED:
            note(_line(name, key, wanted, why))
        elif code:
            return code, why
        else:
            kept[key] = wanted[key]
    return 0, ""


async def _created(
    admin: AIOKafkaAdminClient, name: str, partitions: int, config: Mapping[str, str]
) -> Answer:
    response = await admin.create_topics([new_topic(name, partitions, config)])
    ((_, code, message),) = response.topic_errors
    return code, message or ""


async def _changed(admin: AIOKafkaAdminClient, name: str, config: Mapping[str, str]) -> Answer:
    """Replaces the topic's own settings: this request knows no other way."""
    resource = ConfigResource(ConfigResourceType.TOPIC, name, dict(config))
    (response,) = await admin.alter_configs([resource])
    ((code, message, _, _),) = response.resources
    return code, message or ""


def _line(name: str, key: str, config: Mapping[str, str], why: str) -> str:
    return (
        f"topic {name} goes without {key}={config[key]}: refused ({why or for_code(40).__name__})"
    )
