"""Kafka: how every client connects, and how the topics of `schemas.topics` are brought into shape.

Connection settings exist in two spellings, one for aiokafka and one for FastStream's broker, from one source.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import NodeNotReadyError, TopicAlreadyExistsError, for_code

from schemas import topics
from services.adapters import topic_settings
from services.adapters.kafka_tokens import token_provider
from services.fetching.batches import accept_any_batch
from services.runtime.settings import Settings, SettingsError, required

# At import, because no consumer is made without the options below.
accept_any_batch()

TOPIC_CONFIG_SOURCE = 1  # a value set on the topic itself, as the protocol numbers it
METADATA_SECONDS = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """What a topic should be. `name` is the broker's, prefix included; replication is the broker's default."""

    name: str
    partitions: int
    config: Mapping[str, str]


def client_options(settings: Settings) -> dict[str, Any]:
    """Arguments of any aiokafka client. Raises SettingsError if there is no address or a TLS file is unusable."""
    (servers,) = required(settings, "kafka_bootstrap_servers")
    options: dict[str, Any] = {
        "bootstrap_servers": servers,
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": _ssl_context(settings),
    }
    if _uses_sasl(settings) and settings.kafka_sasl_mechanism == "OAUTHBEARER":
        options |= {
            "sasl_mechanism": "OAUTHBEARER",
            "sasl_oauth_token_provider": token_provider(settings),
        }
    elif _uses_sasl(settings):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password,
        }
    return options


def broker_options(settings: Settings) -> dict[str, Any]:
    """The same as arguments of FastStream's `KafkaBroker`."""
    # A third of a command's start-up, which only the issuer needs.
    from faststream.security import (
        BaseSecurity,
        SASLOAuthBearer,
        SASLPlaintext,
        SASLScram256,
        SASLScram512,
    )

    (servers,) = required(settings, "kafka_bootstrap_servers")
    context = _ssl_context(settings)
    encrypted = context is not None
    if not _uses_sasl(settings):
        return {
            "bootstrap_servers": servers,
            "security": BaseSecurity(ssl_context=context, use_ssl=encrypted),
        }
    if settings.kafka_sasl_mechanism == "OAUTHBEARER":
        return {
            "bootstrap_servers": servers,
            "security": SASLOAuthBearer(ssl_context=context, use_ssl=encrypted),
            "sasl_oauth_token_provider": token_provider(settings),
        }
    mechanism = {
        "PLAIN": SASLPlaintext,
        "SCRAM-SHA-256": SASLScram256,
        "SCRAM-SHA-512": SASLScram512,
    }[settings.kafka_sasl_mechanism]
    user, password = required(settings, "kafka_sasl_username", "kafka_sasl_password")
    security = mechanism(user, password, ssl_context=context, use_ssl=encrypted)
    return {"bootstrap_servers": servers, "security": security}


def topic_specs(settings: Settings) -> list[TopicSpec]:
    """Every topic of the service, as it should be."""
    return [
        TopicSpec(
            name=settings.topic(topic.name),
            partitions=topic.partitions or settings.topic_partitions,
            config=topic.config,
        )
        for topic in topics.ALL
    ]


async def ensure_topics(
    settings: Settings,
    plan_only: bool = False,
    note: topic_settings.Note = log.warning,
    keep: Collection[str] = (),
) -> list[str]:
    """Create what is missing, add partitions, set what differs; never take partitions away. Idempotent.

    Topics named in `keep` get no more partitions than they have. Returns one line per change made (or, with
    `plan_only`, to be made; how often a missing topic will be replicated is not known before). Values that somebody
    set on a topic and that we have no opinion about stay; what a service forbids is told to `note`, and the rest is
    done. Raises KafkaError when the cluster refuses or is away.
    """
    specs = topic_specs(settings)
    async with admin_client(settings) as admin:
        existing = {topic["topic"]: topic for topic in await admin.describe_topics()}
        missing = [spec for spec in specs if spec.name not in existing]
        present = [spec for spec in specs if spec.name in existing]
        grow = {
            spec.name: (len(existing[spec.name]["partitions"]), spec.partitions)
            for spec in present
            if spec.name not in keep and len(existing[spec.name]["partitions"]) < spec.partitions
        }
        if not plan_only:
            await _create(admin, missing, note)
            existing = {topic["topic"]: topic for topic in await admin.describe_topics()}
        there = [spec for spec in specs if spec.name in existing]
        current, effective = await _topic_config(admin, [spec.name for spec in there])
        wanted = {
            spec.name: topic_settings.insync(_replicas(existing[spec.name]), effective[spec.name])
            for spec in there
        }
        for spec in present:
            wanted[spec.name] |= dict(spec.config.items() - current[spec.name].items())
        changes = {name: difference for name, difference in wanted.items() if difference}
        if not plan_only:
            if grow:
                await admin.create_partitions(
                    {name: NewPartitions(total) for name, (_, total) in grow.items()}
                )
            await _set_config(admin, current, changes, note)
    return [
        *(f"create {spec.name} with {spec.partitions} partitions" for spec in missing),
        *(f"grow {name} from {old} to {new} partitions" for name, (old, new) in grow.items()),
        *(
            f"set {name} {key}={value}"
            for name, new in changes.items()
            for key, value in sorted(new.items())
        ),
    ]


async def require_topics(settings: Settings, names: Collection[str]) -> None:
    """Raises SettingsError naming the first of our topics (without prefix) that does not exist."""
    async with admin_client(settings) as admin:
        existing = await admin.list_topics()
    for name in names:
        if settings.topic(name) not in existing:
            raise SettingsError(
                f"topic {settings.topic(name)} does not exist: run `couponry topics`,"
                " or set COUPONRY_TOPIC_PREFIX to the prefix the topics have"
            )


@asynccontextmanager
async def admin_client(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for the cluster's affairs. Raises KafkaError when nobody answers.

    A broker that was away for longer than its session answers before its controller has let it in again, and names
    no broker to ask, not even itself: that is waited for.
    """
    deadline = time.monotonic() + METADATA_SECONDS
    while True:
        admin = AIOKafkaAdminClient(**client_options(settings), client_id="couponry-admin")
        try:
            await admin.start()
            try:
                await admin.describe_cluster()
            except NodeNotReadyError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.2)
                continue
            yield admin
            return
        finally:
            await admin.close()


async def _create(
    admin: AIOKafkaAdminClient, specs: list[TopicSpec], note: topic_settings.Note
) -> None:
    """Create topics and wait until the cluster names a leader for every partition of theirs."""
    if not specs:
        return
    by_name = {spec.name: spec for spec in specs}
    response = await admin.create_topics(
        [topic_settings.new_topic(spec.name, spec.partitions, spec.config) for spec in specs]
    )
    for name, code, message in response.topic_errors:
        if code in topic_settings.REFUSED:
            spec = by_name[name]
            code, message = await topic_settings.create(
                admin, name, spec.partitions, spec.config, note
            )
        if code not in (0, TopicAlreadyExistsError.errno):
            raise for_code(code)(f"cannot create topic {name}: {message}")
    deadline = time.monotonic() + METADATA_SECONDS
    names = {spec.name for spec in specs}
    while True:
        created = [topic for topic in await admin.describe_topics() if topic["topic"] in names]
        leaders = [partition["leader"] for topic in created for partition in topic["partitions"]]
        if len(created) == len(names) and min(leaders) >= 0:
            return
        if time.monotonic() > deadline:
            raise for_code(5)(f"topics {', '.join(sorted(names))} have no leader yet")
        await asyncio.sleep(0.05)


async def _topic_config(
    admin: AIOKafkaAdminClient, names: Collection[str]
) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
    """By topic: what is set on each itself, and what holds for it, the broker's defaults included."""
    if not names:
        return {}, {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    (response,) = await admin.describe_configs(resources)
    answers = {name: entries for _, _, _, name, entries in response.resources}
    return {
        name: {entry[0]: entry[1] for entry in entries if entry[3] == TOPIC_CONFIG_SOURCE}
        for name, entries in answers.items()
    }, {name: {entry[0]: entry[1] for entry in entries} for name, entries in answers.items()}


def _replicas(topic: Mapping[str, Any]) -> int:
    """Of the partition that has the fewest."""
    return min(len(partition["replicas"]) for partition in topic["partitions"])


async def _set_config(
    admin: AIOKafkaAdminClient,
    current: dict[str, dict[str, str]],
    changes: dict[str, dict[str, str]],
    note: topic_settings.Note,
) -> None:
    for name, new in changes.items():
        code, message = await topic_settings.change(admin, name, current[name], new, note)
        if code:
            raise for_code(code)(f"cannot configure topic {name}: {message}")


def _uses_sasl(settings: Settings) -> bool:
    return settings.kafka_security_protocol.startswith("SASL")


def _ssl_context(settings: Settings) -> ssl.SSLContext | None:
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    named, files = "COUPONRY_KAFKA_SSL_CAFILE", [settings.kafka_ssl_cafile]
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
        if settings.kafka_ssl_certfile:
            named = "COUPONRY_KAFKA_SSL_CERTFILE, COUPONRY_KAFKA_SSL_KEYFILE"
            files = [settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile]
            context.load_cert_chain(
                settings.kafka_ssl_certfile,
                settings.kafka_ssl_keyfile,
                # Never ask at the terminal.
                password=settings.kafka_ssl_password or "",
            )
    except (OSError, ValueError) as error:
        used = ", ".join(str(file) for file in files if file)
        raise SettingsError(f"{named}: cannot use {used}: {error}") from None
    return context
