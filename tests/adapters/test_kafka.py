"""Connecting to Kafka and bringing topics into shape, on a real broker, encrypted and with a password too."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker

from schemas.topics import (
    COUPON_ISSUED,
    DEAD_LETTERS,
    GAME_COMPLETED,
    MAX_MESSAGE_BYTES,
    ORDERS,
    RELAY_PROGRESS,
)
from services.adapters import kafka as adapter
from services.adapters import kafka_tokens, topic_settings
from services.adapters.kafka import (
    TopicSpec,
    broker_options,
    client_options,
    ensure_topics,
    require_topics,
    topic_specs,
)
from services.local import kafka
from services.local.process import Processes
from services.local.servers import quiet
from services.local.state import HOST, StateDir
from services.runtime.settings import Settings, SettingsError, read_settings
from tests.stand.waiting import eventually

DAY_MS = 24 * 60 * 60 * 1000


def test_topics_are_shaped_as_promised() -> None:
    """Retention, sizes and clean-up of every kind of topic, under the prefix."""
    specs = {
        spec.name: spec for spec in topic_specs(Settings(topic_prefix="x-", topic_partitions=7))
    }
    assert len(specs) == 10
    assert specs["x-" + GAME_COMPLETED].partitions == 7
    assert specs["x-" + RELAY_PROGRESS].partitions == 1
    assert specs["x-" + RELAY_PROGRESS].config["cleanup.policy"] == "compact"
    assert specs["x-" + ORDERS].config["retention.ms"] == str(30 * DAY_MS)
    assert specs["x-" + COUPON_ISSUED].config["retention.ms"] == str(30 * DAY_MS)
    assert specs["x-" + DEAD_LETTERS].config["retention.ms"] == str(90 * DAY_MS)
    assert int(specs["x-" + DEAD_LETTERS].config["max.message.bytes"]) >= MAX_MESSAGE_BYTES


async def test_topics_are_created_once(settings: Settings) -> None:
    """A plan changes nothing, the first run creates everything, the second finds nothing to do."""
    plan = await ensure_topics(settings, plan_only=True)
    assert len(plan) == 10
    with pytest.raises(SettingsError, match=rf"topic {settings.topic(ORDERS)} does not exist"):
        await require_topics(settings, [ORDERS])
    assert await ensure_topics(settings) == plan
    assert await ensure_topics(settings) == []
    await require_topics(settings, [ORDERS, GAME_COMPLETED])


async def test_topics_grow_and_keep_what_others_set(topics: Settings) -> None:
    """More partitions are added, fewer are not taken; a drifted value of ours is set right, a foreign one stays."""
    name = topics.topic(ORDERS)
    admin = AIOKafkaAdminClient(**client_options(topics))
    await admin.start()
    resource = {"retention.ms": "1000", "segment.bytes": "2000000"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, resource)])

    async def drifted() -> bool:
        return len(await ensure_topics(topics, plan_only=True)) > 0

    await eventually(drifted, "the change is visible")
    fewer = topics.model_copy(update={"topic_partitions": 1})
    assert await ensure_topics(fewer, plan_only=True) == [
        f"set {name} message.timestamp.type=LogAppendTime",
        f"set {name} retention.ms={30 * DAY_MS}",
    ]
    more = topics.model_copy(update={"topic_partitions": 6})
    assert f"grow {name} from 4 to 6 partitions" in await ensure_topics(more)

    async def settled() -> bool:
        return await ensure_topics(more, plan_only=True) == []

    await eventually(settled, "the topics are as they should be")
    request = ConfigResource(ConfigResourceType.TOPIC, name, {"segment.bytes": None})
    (answer,) = await admin.describe_configs([request])
    assert answer.resources[0][4][0][1] == "2000000"
    await admin.close()


@pytest.mark.parametrize(
    ("replicas", "holds", "is_set"),
    [
        (1, "1", {}),
        (2, "1", {}),  # the first broker that is away would stop every producer
        (3, "1", {"min.insync.replicas": "2"}),
        (3, None, {"min.insync.replicas": "2"}),
        (3, "2", {}),
        (3, "3", {}),  # somebody's wish
        (5, "1", {"min.insync.replicas": "2"}),
    ],
)
def test_acknowledged_means_two_brokers_where_there_are_three(
    replicas: int, holds: str | None, is_set: dict[str, str]
) -> None:
    """Set where it holds not yet, on the topic itself or by the broker, and where one broker may still be away."""
    effective = {} if holds is None else {"min.insync.replicas": holds}
    assert topic_settings.insync(replicas, effective) == is_set


async def test_topics_that_are_there_and_new_ones_are_made_safe(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a cluster that replicates three times: set with creation, named by a plan, and then done."""
    monkeypatch.setattr(adapter, "_replicas", lambda _: 3)
    created = await ensure_topics(settings)
    name = settings.topic(ORDERS)
    assert f"set {name} min.insync.replicas=2" in created
    assert f"create {name} with 4 partitions" in created

    async def settled() -> bool:
        return await ensure_topics(settings, plan_only=True) == []

    await eventually(settled, "nothing is left to be set")
    async with adapter.admin_client(settings) as admin:
        resource = ConfigResource(ConfigResourceType.TOPIC, name, {"min.insync.replicas": "1"})
        await admin.alter_configs([resource])

    async def planned() -> bool:
        plan = await ensure_topics(settings, plan_only=True)
        return f"set {name} min.insync.replicas=2" in plan

    await eventually(planned, "what somebody weakened is to be set again")


async def test_topics_do_without_what_a_service_forbids(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One setting or several that the broker refuses, of a new topic and of one that is there: told, and the rest done."""
    usual = topic_specs(settings)
    wishes: dict[str, dict[str, str]] = {
        settings.topic(RELAY_PROGRESS): {"segment.bytes": "13"},
        settings.topic(ORDERS): {"segment.bytes": "13", "cleanup.policy": "burn"},
    }

    def forbidden(_: Settings) -> list[TopicSpec]:
        return [
            replace(spec, config={**spec.config, **wishes.get(spec.name, {})}) for spec in usual
        ]

    monkeypatch.setattr(adapter, "topic_specs", forbidden)
    for _ in ("new", "there"):
        told: list[str] = []
        await ensure_topics(settings, note=told.append)
        assert sorted(line.partition(": refused (")[0] for line in told) == sorted(
            f"topic {name} goes without {key}={value}"
            for name, wish in wishes.items()
            for key, value in wish.items()
        )
    monkeypatch.undo()

    async def as_usual() -> bool:
        left = await ensure_topics(settings, plan_only=True)
        return left == [f"set {settings.topic(RELAY_PROGRESS)} segment.bytes={1024 * 1024}"]

    await eventually(as_usual, "everything else is as it should be")


async def test_incoming_records_carry_the_brokers_time(topics: Settings) -> None:
    """A producer whose clock stands in the past does not move its records there: replay goes by arrival."""
    async with AIOKafkaProducer(**client_options(topics)) as producer:
        sent = await producer.send_and_wait(topics.topic(GAME_COMPLETED), b"{}", timestamp_ms=1_000)
    assert sent.timestamp > DAY_MS


@pytest.fixture(scope="module")
async def secured(run_dir: Path) -> AsyncIterator[Settings]:
    """A broker with one more listener: TLS, and a name and password."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    state = StateDir(run_dir / "secured")
    processes = Processes(state)
    server = await kafka.server(processes, quiet, read_settings().maven_url)
    port = state.port("kafka-secure")
    certificate = _certificate(state.path)
    properties = state.path / "kafka" / "server.properties"
    lines = dict(line.split("=", 1) for line in properties.read_text().splitlines())
    secure = f",SECURE://{HOST}:{port}"
    login = "org.apache.kafka.common.security.plain.PlainLoginModule"
    lines |= {
        "listeners": lines["listeners"] + secure,
        "advertised.listeners": lines["advertised.listeners"] + secure,
        "listener.security.protocol.map": lines["listener.security.protocol.map"]
        + ",SECURE:SASL_SSL",
        "sasl.enabled.mechanisms": "PLAIN,OAUTHBEARER",
        "listener.name.secure.oauthbearer.sasl.jaas.config": "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;",
        "listener.name.secure.plain.sasl.jaas.config": f'{login} required user_couponry="right";',
        "listener.name.secure.ssl.keystore.type": "PEM",
        "listener.name.secure.ssl.keystore.location": str(state.path / "both.pem"),
    }
    properties.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    await processes.start(server)
    yield Settings(
        kafka_bootstrap_servers=f"{HOST}:{port}",
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_username="couponry",
        kafka_sasl_password="right",
        kafka_ssl_cafile=certificate,
    )
    await processes.stop()
    state.close()


def _certificate(directory: Path) -> Path:
    """A self-signed certificate for the loopback address; beside it `both.pem` with its key, for the broker."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    (directory / "both.pem").write_text(key.read_text() + certificate.read_text())
    return certificate


async def test_secured_broker_is_used_by_both_kinds_of_client(secured: Settings) -> None:
    """The same settings open aiokafka's and FastStream's connections; a wrong password opens none."""
    await ensure_topics(secured)
    broker = KafkaBroker(**broker_options(secured), logger=None)
    async with broker:
        assert await broker.ping(timeout=20)
    wrong = secured.model_copy(update={"kafka_sasl_password": "wrong"})
    with pytest.raises(KafkaError):
        await ensure_topics(wrong)


async def test_bearer_of_a_token_is_let_in(
    secured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker takes the token that the provider hands out, from both kinds of client, and no other."""
    bearer = secured.model_copy(
        update={
            "kafka_sasl_mechanism": "OAUTHBEARER",
            "kafka_sasl_oauth_token_url": "http://tokens",
            "kafka_sasl_oauth_client_id": "couponry",
            "kafka_sasl_oauth_client_secret": "secret",
        }
    )
    now = time.time()
    parts = ({"alg": "none"}, {"sub": "couponry", "iat": now, "exp": now + 600})
    token = "".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") + "."
        for part in parts
    )
    monkeypatch.setattr(kafka_tokens, "_ask", lambda *_: (token, 600.0))
    await ensure_topics(bearer)
    async with KafkaBroker(**broker_options(bearer), logger=None) as broker:
        assert await broker.ping(timeout=20)
    monkeypatch.setattr(kafka_tokens, "_ask", lambda *_: ("a.b.", 600.0))
    with pytest.raises(KafkaError):
        await ensure_topics(bearer.model_copy(update={"kafka_sasl_oauth_scope": "another"}))


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_scram_reaches_both_kinds_of_client(mechanism: str) -> None:
    """The mechanism that is set is the one that FastStream and aiokafka are told."""
    settings = Settings(
        kafka_bootstrap_servers="db:9092",
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_mechanism=mechanism,
        kafka_sasl_username="couponry",
        kafka_sasl_password="right",
    )
    assert client_options(settings)["sasl_mechanism"] == mechanism
    spoken = type(broker_options(settings)["security"]).__name__
    assert spoken == "SASLScram" + mechanism.removeprefix("SCRAM-SHA-")


@pytest.mark.parametrize(
    ("field", "named"),
    [
        ("kafka_ssl_cafile", "COUPONRY_KAFKA_SSL_CAFILE"),
        ("kafka_ssl_certfile", "COUPONRY_KAFKA_SSL_CERTFILE"),
    ],
)
def test_unusable_tls_file_is_named(tmp_path: Path, field: str, named: str) -> None:
    """A missing certificate is one line with the setting's name."""
    settings = Settings(
        kafka_bootstrap_servers="db:9092", kafka_security_protocol="SSL"
    ).model_copy(update={field: tmp_path / "missing.pem"})
    with pytest.raises(SettingsError, match=f"^{named}.*missing.pem"):
        client_options(settings)
