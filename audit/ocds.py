"""What was published as OCDS must be what the events of the log say, release by release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.evidence import LoggedEvent
from audit.folder import Folder
from audit.report import Finding
from transparency.ocds import DEMO_TITLE, TenderState, evolve, record_for, release_for
from transparency.ocds_package import Publisher, from_bytes, record_package, release_package, to_bytes


def check_ocds(folder: Folder, events: Sequence[LoggedEvent], *, demo: bool) -> int:
    """Make every package again from the log and compare; returns the number of releases.

    Only the publisher's name and address are taken from what is shown; they must be the same everywhere.
    """
    expected = _expected(events)
    shown = set(folder.names("ocds/releases"))
    if shown != set(expected):
        raise Finding("releases of a tender are missing or unknown to the log", where="ocds/releases")
    if set(folder.names("ocds/records")) != {f"{ocid}.json" for ocid in expected}:
        raise Finding("records are missing or unknown to the log", where="ocds/records")
    publishers = set()
    for ocid, releases in expected.items():
        names = {f"{number}.json" for number in range(1, len(releases) + 1)}
        if set(folder.names(f"ocds/releases/{ocid}")) != names:
            raise Finding("releases are missing or too many", where=f"ocds/releases/{ocid}")
        for number, release in enumerate(releases, start=1):
            path = f"ocds/releases/{ocid}/{number}.json"
            package, publisher = _read(folder, path, demo)
            publishers.add(publisher)
            _compare(path, package, release_package(release, number, publisher))
        path = f"ocds/records/{ocid}.json"
        package, publisher = _read(folder, path, demo)
        publishers.add(publisher)
        _compare(path, package, record_package(record_for(releases), publisher))
    if len(publishers) > 1:
        raise Finding("the packages name several publishers", where="ocds")
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


def _read(folder: Folder, path: str, demo: bool) -> tuple[dict[str, Any], Publisher]:
    try:
        package = from_bytes(folder.read(path))
        named = package["publisher"]
        publisher = Publisher(
            name=str(named["name"]).removeprefix(DEMO_TITLE) if demo else named["name"],
            base_uri=str(package["uri"]).removesuffix(f"/{path}"),
            demo=demo,
            scheme=named.get("scheme"),
            uid=named.get("uid"),
            policy=package.get("publicationPolicy"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Finding("not an OCDS package", where=path) from error
    return package, publisher


def _compare(path: str, package: dict[str, Any], expected: dict[str, Any]) -> None:
    if to_bytes(package) != to_bytes(expected):
        raise Finding("it says something else than the log", where=path)
