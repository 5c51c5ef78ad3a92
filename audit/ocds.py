"""What was published as OCDS must be what the events of the log say, release by release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.evidence import LoggedEvent
from audit.folder import Folder
from audit.report import Finding
from transparency.ocds import TenderState, evolve, record_for, release_for
from transparency.ocds_package import from_bytes, to_bytes


def check_ocds(folder: Folder, events: Sequence[LoggedEvent]) -> int:
    """Make every release and record again from the log and compare; returns the number of releases."""
    expected = _expected(events)
    shown = set(folder.names("ocds/releases"))
    if shown != set(expected):
        raise Finding("releases of a tender are missing or unknown to the log", where="ocds/releases")
    if set(folder.names("ocds/records")) != {f"{ocid}.json" for ocid in expected}:
        raise Finding("records are missing or unknown to the log", where="ocds/records")
    for ocid, releases in expected.items():
        names = {f"{number}.json" for number in range(1, len(releases) + 1)}
        if set(folder.names(f"ocds/releases/{ocid}")) != names:
            raise Finding("releases are missing or too many", where=f"ocds/releases/{ocid}")
        for number, release in enumerate(releases, start=1):
            path = f"ocds/releases/{ocid}/{number}.json"
            _compare(folder, path, "releases", [release])
        _compare(folder, f"ocds/records/{ocid}.json", "records", [record_for(releases)])
    return sum(len(releases) for releases in expected.values())


def _expected(events: Sequence[LoggedEvent]) -> dict[str, list[dict[str, Any]]]:
    states: dict[str, TenderState] = {}
    releases: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        value = from_bytes(event.entry)
        state = evolve(states.get(event.subject, TenderState()), value)
        states[event.subject] = state
        release = release_for(value, state)
        if release is not None:
            releases.setdefault(str(release["ocid"]), []).append(release)
    return releases


def _compare(folder: Folder, path: str, member: str, expected: list[Any]) -> None:
    try:
        package = from_bytes(folder.read(path))
        same = to_bytes(package[member]) == to_bytes(expected)
    except (ValueError, KeyError, TypeError) as error:
        raise Finding("not an OCDS package", where=path) from error
    if not same:
        raise Finding("it says something else than the log", where=path)
