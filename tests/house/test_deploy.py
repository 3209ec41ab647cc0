"""The image and the compose file, checked by reading them: no container engine is needed."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from services.cli.commands import COMMANDS
from services.runtime.settings import PREFIX, Settings
from tests.house.repository import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
TASKS = {"migrate", "topics"}
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
SETTINGS = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}


def instructions(word: str) -> list[str]:
    """The arguments of each such instruction of the Dockerfile, continuation lines joined."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{word} +(.*)$", joined, re.MULTILINE)


@pytest.mark.parametrize("name", SERVICES)
def test_compose_service_is_pinned_and_watched(name: str) -> None:
    """Every image has a tag; whatever keeps running has a health check and comes back."""
    service = SERVICES[name]
    assert re.fullmatch(r"[a-z/]+:[\w.]+", service["image"])
    assert not service["image"].endswith(":latest")
    if name in TASKS:
        assert service["healthcheck"] == {"disable": True}
        return
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", OURS)
def test_compose_runs_commands_and_settings_that_exist(name: str) -> None:
    """The command is one of the command line's, and every variable one of the settings."""
    service = OURS[name]
    assert service["command"][0] in COMMANDS
    variables = {variable.removesuffix("_FILE") for variable in service["environment"]}
    assert variables <= SETTINGS
    for variable, value in service["environment"].items():
        if variable.endswith("_FILE"):
            assert value.removeprefix("/run/secrets/") in service["secrets"]


@pytest.mark.parametrize("name", SERVICES)
def test_compose_service_waits_for_what_it_needs(name: str) -> None:
    """A task is waited for until it has completed, a server until it is healthy."""
    for other, need in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        expected = "service_completed_successfully" if other in TASKS else "service_healthy"
        assert need["condition"] == expected
    if name in OURS and name not in TASKS:
        assert SERVICES[name]["depends_on"].keys() > TASKS


def test_compose_gives_a_process_time_to_finish() -> None:
    """The engine waits longer after its signal than a process may take: 30 s."""
    for name in OURS.keys() - TASKS:
        assert int(OURS[name]["stop_grace_period"].removesuffix("s")) > 30


def test_compose_publishes_to_this_machine_only() -> None:
    """No port is open to the network."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_names_volumes_and_secrets_that_exist() -> None:
    """Each named volume and secret is declared, and each secret's file is there."""
    for service in SERVICES.values():
        assert {v.partition(":")[0] for v in service.get("volumes", [])} <= COMPOSE[
            "volumes"
        ].keys()
        assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()
    for secret in COMPOSE["secrets"].values():
        default = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", secret["file"])
        assert (ROOT / default).is_file()


def test_dockerfile_copies_files_that_exist() -> None:
    """Whatever is copied from the context is in the repository, and .dockerignore lets it in."""
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for arguments in instructions("COPY"):
        if "--from=" in arguments:
            continue
        for source in arguments.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in allowed


def test_dockerfile_builds_pinned_and_runs_unprivileged() -> None:
    """Pinned bases and hashes, no dev requirements, an account of its own, a health check that fits the settings."""
    assert all(re.search(r":\d+\.\d+-", base) for base in instructions("FROM"))
    assert all(
        "--require-hashes" in step or "--no-index" in step or "--no-deps" in step
        for run in instructions("RUN")
        for step in run.split("&&")
        if "pip install" in step or "pip wheel" in step
    )
    assert "requirements-dev" not in DOCKERFILE
    assert instructions("USER") == ["couponry"]
    environment = dict(pair.split("=", 1) for line in instructions("ENV") for pair in line.split())
    assert {name for name in environment if name.startswith(PREFIX)} <= SETTINGS
    (check,) = instructions("HEALTHCHECK")
    assert f"http://127.0.0.1:{environment['COUPONRY_HEALTH_PORT']}/livez" in check
    assert instructions("EXPOSE") == [environment["COUPONRY_HEALTH_PORT"]]
    assert instructions("ENTRYPOINT") == ['["couponry"]']
