"""The house as a whole: what is packaged, what is locked, what is committed."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock"]


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def packaged_rooms() -> list[str]:
    rooms: list[str] = project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return rooms


def locked_versions(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9][a-z0-9.-]*)==(\S+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_holds_no_address_and_no_path(lock: str) -> None:
    """A lock names packages and hashes only, so that it installs from any index on any machine."""
    text = (ROOT / lock).read_text(encoding="utf-8")

    assert re.findall(r"^.*(?:://|file:|--(?!hash=)|\s/\w).*$", text, flags=re.MULTILINE) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_a_hash(lock: str) -> None:
    """No package can be installed from a lock without its content being checked."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)

    assert [entry for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []


def test_both_locks_agree() -> None:
    """The tests run on the very versions that are installed for use."""
    run_time = locked_versions("requirements.lock")

    assert run_time.items() <= locked_versions("requirements-dev.lock").items()


def test_every_packaged_room_exists_and_says_what_it_is_for() -> None:
    """Each package of the wheel is a folder whose first line is a docstring."""
    silent = [
        room
        for room in packaged_rooms()
        if not (ROOT / room / "__init__.py").is_file()
        or not (ROOT / room / "__init__.py").read_text(encoding="utf-8").startswith('"""')
    ]

    assert silent == []


def test_every_package_in_the_repository_is_packaged() -> None:
    """A new top-level package cannot be forgotten in the wheel."""
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}

    assert found == set(packaged_rooms())


def test_every_room_is_typed_and_layered() -> None:
    """mypy and the layer contracts look at every room of the wheel."""
    tool = project()["tool"]
    layers = tool["importlinter"]["contracts"][0]["layers"]

    assert set(packaged_rooms()) | {"bench", "tests"} == set(tool["mypy"]["files"])
    assert set(tool["importlinter"]["root_packages"]) == set(packaged_rooms())
    assert {room for layer in layers for room in layer.split(" | ")} == set(packaged_rooms())


def test_every_run_time_dependency_is_locked() -> None:
    """A dependency added to pyproject.toml cannot be forgotten in the lock."""
    named = {re.split(r"[^A-Za-z0-9._-]", line)[0] for line in project()["project"]["dependencies"]}

    assert named <= locked_versions("requirements.lock").keys()


@pytest.mark.parametrize("script", ["tools/debian-packages.sh", "tools/smoke-wheel.sh", ".ci/run"])
def test_scripts_can_be_run(script: str) -> None:
    """Each script is executable and is valid bash."""
    assert (ROOT / script).stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(ROOT / script)], check=True)


@pytest.mark.parametrize("room", packaged_rooms())
def test_one_place_in_a_room_knows_the_declarative_codec(room: str) -> None:
    """``cryptography.hazmat.asn1`` may change its shape; only the fenced modules would have to follow."""
    fenced = {
        "pki/asn1/__init__.py",
        "pki/asn1/ades.py",
        "pki/asn1/ocsp.py",
        "sealing/asn1.py",
        "sealing/cms.py",
    }
    knowing = re.compile(
        r"^\s*(?:from cryptography\.hazmat import .*\basn1\b|.*cryptography\.hazmat\.asn1)", re.M
    )
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / room).rglob("*.py")
        if knowing.search(re.sub(r'"""[\s\S]*?"""', "", path.read_text(encoding="utf-8")))
    }

    assert found <= fenced
