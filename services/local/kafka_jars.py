"""The broker's jars: the exact files of `kafka_jars.txt`, fetched once into the machine's Maven repository.

The list (SHA-256 and coordinates) is what Maven resolves for `org.apache.kafka:kafka_2.13:4.3.1`, plus
`log4j-slf4j-impl` so that the broker's log can be read. Being pinned, it needs no resolving: a machine that has the
files never asks the network again, and a file that was cut short is noticed and fetched anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from services.local.state import LocalServerError
from services.runtime.web import open_url

LIST = Path(__file__).with_name("kafka_jars.txt")
CONNECTIONS = 6
TIMEOUT_SECONDS = 60
TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Maven:
    """Where files come from, in the layout of Maven, and the directory where they are kept, in the same layout."""

    url: str
    repository: Path


def machine_repository() -> Path:
    """Where Maven itself keeps files on this machine."""
    return Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository")


def fetch_jars(progress: Callable[[str], None], maven: Maven) -> list[Path]:
    """Paths of all jars, verified. Raises LocalServerError when one cannot be fetched or is not what it should be."""
    maven.repository.mkdir(parents=True, exist_ok=True)
    wanted = [line.split() for line in LIST.read_text(encoding="utf-8").splitlines()]
    with (maven.repository / ".couponry.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be fetching the same files
        missing = [
            entry
            for entry in wanted
            if not _is_whole(maven.repository / _place(entry[1]), entry[0])
        ]
        if missing:
            _download(maven, missing, progress)
    return [maven.repository / _place(coordinates) for _, coordinates in wanted]


def _download(maven: Maven, missing: list[list[str]], progress: Callable[[str], None]) -> None:
    progress(f"fetching Apache Kafka: {len(missing)} files, about 43 MB, once")
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        jobs = [threads.submit(_fetch, maven, *entry) for entry in missing]
        for done, job in enumerate(as_completed(jobs), start=1):
            try:
                job.result()
            except Exception as error:
                threads.shutdown(cancel_futures=True)
                raise LocalServerError(
                    f"cannot fetch Apache Kafka from {_without_user(maven.url)} ({error}): connect to the network and"
                    " try again, name a mirror of Maven Central in COUPONRY_MAVEN_URL,"
                    " or give a running broker in COUPONRY_KAFKA_BOOTSTRAP_SERVERS"
                ) from None
            if done % 10 == 0 or done == len(jobs):
                progress(f"fetching Apache Kafka: {done} of {len(jobs)} files")


def _fetch(maven: Maven, sha256: str, coordinates: str) -> None:
    place = _place(coordinates)
    path = maven.repository / place
    path.parent.mkdir(parents=True, exist_ok=True)
    content = _get(f"{maven.url.rstrip('/')}/{place}")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{path.name} is not the expected file")
    draft = path.with_name(path.name + ".new")
    draft.write_bytes(content)
    draft.replace(path)


def _get(url: str) -> bytes:
    for left in reversed(range(TRIES)):
        try:
            with open_url(url, timeout_seconds=TIMEOUT_SECONDS) as answer:
                return answer.read()
        except OSError:
            if not left:
                raise
    raise AssertionError


def _place(coordinates: str) -> str:
    group, artifact, version = coordinates.split(":")
    return f"{group.replace('.', '/')}/{artifact}/{version}/{artifact}-{version}.jar"


def _without_user(url: str) -> str:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _is_whole(path: Path, sha256: str) -> bool:
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256
