"""The broker's jars: pinned, fetched once, repaired when cut short."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.local import kafka_jars
from services.local.kafka_jars import Maven, fetch_jars, machine_repository
from services.local.state import LocalServerError
from services.runtime import web
from services.runtime.settings import read_settings
from tests.stand.company import make_company, serving_https


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[str]:
    """The machine's own repository over HTTP, in place of Maven Central."""
    fetch_jars(lambda line: None, _maven(machine_repository(), read_settings().maven_url))
    serve = partial(_Quiet, directory=str(machine_repository()))
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


def test_mirror_that_the_systems_store_vouches_for_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A company's certificate is enough where it stands in the system's store; a stranger's is refused, in one line."""
    jar = b"a small jar"
    listed = tmp_path / "list"
    listed.write_text(f"{hashlib.sha256(jar).hexdigest()} org.example:small:1.0\n")
    monkeypatch.setattr(kafka_jars, "LIST", listed)
    place = tmp_path / "remote" / "org/example/small/1.0/small-1.0.jar"
    place.parent.mkdir(parents=True)
    place.write_bytes(jar)
    company = make_company(tmp_path)
    with serving_https(partial(_Quiet, directory=str(tmp_path / "remote")), company) as url:
        web.system_trust.cache_clear()
        with pytest.raises(LocalServerError, match=r"(?i)certificate.*COUPONRY_MAVEN_URL"):
            fetch_jars(lambda line: None, _maven(tmp_path / "local", url))
        monkeypatch.setattr(web, "SYSTEM_STORES", (str(company.store),))
        web.system_trust.cache_clear()
        (path,) = fetch_jars(lambda line: None, _maven(tmp_path / "local", url))
    web.system_trust.cache_clear()
    assert path.read_bytes() == jar


def _maven(repository: Path, remote: str) -> Maven:
    return Maven(url=remote, repository=repository)
