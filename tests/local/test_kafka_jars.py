"""The broker's jars: pinned, fetched once, repaired when cut short."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from jgo.maven import MavenContext

from services.local.kafka_jars import fetch_jars
from services.local.state import LocalServerError


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[str]:
    """The machine's own repository over HTTP, in place of Maven Central."""
    fetch_jars(lambda line: None)
    serve = partial(_Quiet, directory=str(MavenContext().repo_cache))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_jars_are_fetched_once_and_repaired(mirror: str, tmp_path: Path) -> None:
    """An empty repository is filled, a full one needs no network, and a file cut short is fetched anew."""
    said: list[str] = []
    jars = fetch_jars(said.append, _maven(tmp_path, mirror))
    assert said[0].startswith(f"fetching Apache Kafka: {len(jars)} files")
    assert said[-1] == f"fetching Apache Kafka: {len(jars)} of {len(jars)} files"
    said.clear()
    nowhere = "http://127.0.0.1:9"
    assert fetch_jars(said.append, _maven(tmp_path, nowhere)) == jars
    assert said == []
    jars[0].write_bytes(jars[0].read_bytes()[:100])
    with pytest.raises(LocalServerError, match="cannot fetch Apache Kafka"):
        fetch_jars(said.append, _maven(tmp_path, nowhere))
    fetch_jars(said.append, _maven(tmp_path, mirror))
    assert jars[0].stat().st_size > 100


def test_jar_that_is_not_the_pinned_one_is_refused(mirror: str, tmp_path: Path) -> None:
    """A repository that answers with other bytes is not trusted, and they are not kept."""
    path = tmp_path / "remote" / "org/slf4j/slf4j-api/1.7.36/slf4j-api-1.7.36.jar"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else")
    serve = partial(_Quiet, directory=str(tmp_path / "remote"))
    fetch_jars(lambda line: None, _maven(tmp_path / "local", mirror))
    fetched = tmp_path / "local" / path.relative_to(tmp_path / "remote")
    fetched.unlink()
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            with pytest.raises(LocalServerError, match="is not the expected file"):
                fetch_jars(
                    lambda line: None,
                    _maven(tmp_path / "local", f"http://127.0.0.1:{server.server_port}"),
                )
        finally:
            server.shutdown()
    assert not fetched.exists()


def _maven(repository: Path, remote: str) -> MavenContext:
    return MavenContext(repo_cache=repository, remote_repos={"central": remote}, timeout=5)
