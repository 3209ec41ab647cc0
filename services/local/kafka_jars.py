"""The broker's jars: the exact files of `kafka_jars.txt`, fetched once into the machine's Maven repository.

The list (SHA-256 and coordinates) is what `jgo.resolve("org.apache.kafka:kafka_2.13:4.3.1")` answers, plus
`log4j-slf4j-impl` so that the broker's log can be read. Being pinned, it needs no resolving: a machine that has the
files never asks the network again, and a file that was cut short is noticed and fetched anew.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from jgo.maven import MavenContext

from services.local.state import LocalServerError

LIST = Path(__file__).with_name("kafka_jars.txt")
CONNECTIONS = 6
TIMEOUT_SECONDS = 60


def fetch_jars(progress: Callable[[str], None], maven: MavenContext | None = None) -> list[Path]:
    """Paths of all jars, verified. Raises LocalServerError when one cannot be fetched or is not what it should be.

    `maven` says where from and where to: Maven Central and the machine's own repository, unless told otherwise.
    """
    maven = maven or MavenContext(timeout=TIMEOUT_SECONDS)
    maven.repo_cache.mkdir(parents=True, exist_ok=True)
    wanted = [line.split() for line in LIST.read_text(encoding="utf-8").splitlines()]
    with (maven.repo_cache / ".couponry.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be fetching the same files
        missing = [entry for entry in wanted if not _is_whole(_path(maven, entry[1]), entry[0])]
        if missing:
            _download(maven, missing, progress)
    return [_path(maven, coordinates) for _, coordinates in wanted]


def _download(
    maven: MavenContext, missing: list[list[str]], progress: Callable[[str], None]
) -> None:
    progress(f"fetching Apache Kafka: {len(missing)} files, about 43 MB, once")
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        jobs = [threads.submit(_fetch, maven, *entry) for entry in missing]
        for done, job in enumerate(as_completed(jobs), start=1):
            try:
                job.result()
            except Exception as error:
                threads.shutdown(cancel_futures=True)
                raise LocalServerError(
                    f"cannot fetch Apache Kafka from Maven Central ({error}): connect to the network and try again,"
                    " or give a running broker in COUPONRY_KAFKA_BOOTSTRAP_SERVERS"
                ) from None
            if done % 10 == 0 or done == len(jobs):
                progress(f"fetching Apache Kafka: {done} of {len(jobs)} files")


def _fetch(maven: MavenContext, sha256: str, coordinates: str) -> None:
    path = _path(maven, coordinates)
    path.unlink(missing_ok=True)
    group, artifact, version = coordinates.split(":")
    maven.project(group, artifact).at_version(version).artifact().resolve()
    if not _is_whole(path, sha256):
        path.unlink(missing_ok=True)
        raise ValueError(f"{path.name} is not the expected file")


def _path(maven: MavenContext, coordinates: str) -> Path:
    group, artifact, version = coordinates.split(":")
    return maven.repo_cache.joinpath(
        *group.split("."), artifact, version, f"{artifact}-{version}.jar"
    )


def _is_whole(path: Path, sha256: str) -> bool:
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256
