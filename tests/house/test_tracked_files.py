"""What the repository holds: nothing of the machine it was written on, and pins that match what is asked for."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.house.repository import ROOT, name_of, tracked_files

# Written in halves, so that this file passes its own test.
REGISTRIES = (
    "pypi" + ".org",
    "python" + "hosted",
    "npm" + "js",
    "crates" + ".io",
    "proxy.go" + "lang",
    "maven." + "org",
)
MACHINE = (
    "/wo" + "rk/",
    "/ro" + "ot/",
    "/opt/" + "wheels",
    "--find" + "-links",
    "--index" + "-url",
    "--trusted" + "-host",
)
LOCK_FILES = ("requirements.txt", "requirements-dev.txt", "requirements-build.txt")


def test_tracked_files_name_no_registry_and_no_machine() -> None:
    """No registry's host and no path of a developer's machine stands in any file."""
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name_of(path)}: {word}" for word in (*REGISTRIES, *MACHINE) if word in text]
    assert found == []


@pytest.mark.parametrize("name", LOCK_FILES)
def test_lock_file_pins_everything_by_hash(name: str) -> None:
    """Each requirement has one exact version and at least one hash."""
    text = (ROOT / name).read_text(encoding="utf-8")
    entries = [e for e in re.split(r"\n(?=\S)", text) if not e.startswith("#")]
    assert entries
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+ \\\n +--hash=sha256:", entry), entry[
            :80
        ]


def test_lock_files_cover_what_is_asked_for() -> None:
    """Each dependency of pyproject.toml is pinned where it belongs, at the same version everywhere."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    runtime = pins("requirements.txt")
    everything = pins("requirements-dev.txt")
    extras = project["optional-dependencies"]
    assert wanted(project["dependencies"]) <= runtime.keys()
    assert wanted(extras["dev"] + extras["local"]) <= everything.keys()
    assert not wanted(extras["local"]) & runtime.keys(), "a deployed process needs no local servers"
    assert runtime.items() <= everything.items()


def pins(name: str) -> dict[str, str]:
    """Version by normalised name."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", text, re.MULTILINE)
    return {normal(package): version for package, version in found}


def wanted(requirements: list[str]) -> set[str]:
    """Normalised names of requirement strings."""
    return {normal(re.split(r"[\[<>=; ]", requirement)[0]) for requirement in requirements}


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
