"""The minutes of a tender, made again: their source from the folder's own papers, their pages, their signatures.

``check_minutes`` asks nothing of the typesetter; ``check_pages`` lays out the pages again where the version is at hand
that made them. A tender that was closed has the minutes of each opening and of its final decision, signed by everybody
present; of one that still runs, or was cancelled, they may be unfinished.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from audit.evidence import LoggedEvent
from audit.report import Finding
from audit.tender import TenderFile
from kernel.canonical import canonical_bytes, sha256_hex
from kernel.clock import parse_utc
from kernel.errors import DomainError
from paper.minutes import RENDERER, attached_source, render_minutes
from procurement.rules.minutes import FINAL, MINUTES, StagePapers, final_minutes, names_in, opening_minutes
from procurement.rules.notice import KINDS
from signing.pades import Revision, read_pdf, verify_revision, whole_seconds

_BEFORE = {"A": None, "B": "A", "C": "B"}


def check_minutes(file: TenderFile) -> int:
    """Source, signers, time and log of each minutes, and only signatures after the pages; how many signatures."""
    shown = set(file.folder.names(file.path("minutes")))
    signed = {f"{event.data.get('stage')}.pdf" for event in file.facts("minutes-signed")}
    if shown != signed or not shown <= {f"{stage}.pdf" for stage in MINUTES}:
        raise Finding("the minutes are not those that the log names", where=file.path("minutes"))
    count = 0
    for stage, opened in _due(file):
        if f"{stage}.pdf" in shown:
            count += _check_one(file, stage, opened)
        elif file.facts("keys-destroyed"):
            raise Finding("the tender was closed without these minutes", where=_path(file, stage))
        shown.discard(f"{stage}.pdf")
    if shown:
        raise Finding("minutes of what never took place", where=file.path(f"minutes/{min(shown)}"))
    return count


def check_pages(file: TenderFile) -> tuple[int, list[str]]:
    """How many minutes were laid out again, byte for byte; and which not, because another version had made them."""
    made, unmade = 0, []
    for stage, opened in _due(file):
        if not file.has(f"minutes/{stage}.pdf"):
            continue
        renderers = {event.data["renderer"] for event in _events(file, stage)}
        if renderers != {RENDERER}:
            unmade.append(f"{stage} (made by {', '.join(sorted(map(str, renderers)))}; here is {RENDERER})")
            continue
        if _read(file, stage)[0] != render_minutes(_source(file, stage, opened)):
            raise Finding("the pages are not those of the minutes' source", where=_path(file, stage))
        made += 1
    return made, unmade


def _due(file: TenderFile) -> Iterator[tuple[str, str]]:
    """The minutes that there can be, each with the opened stage that it is about."""
    for stage in KINDS:
        if stage in file.records:
            yield stage, stage
    opened = _final_stage(file)
    if opened is not None and opened in file.records:
        yield FINAL, opened


def _final_stage(file: TenderFile) -> str | None:
    if file.has("award.json"):
        return "C"
    for stage in "AB":
        path = f"openings/{stage}/decision.json"
        if file.has(path) and not any(each["accepted"] for each in _document(file, path)["results"]):
            return stage
    return None


def _check_one(file: TenderFile, stage: str, opened: str) -> int:
    base, revisions = _read(file, stage)
    source = _source(file, stage, opened)
    if attached_source(base) != source:
        raise Finding("the attached source is not what follows from the papers", where=_path(file, stage))
    events = _events(file, stage)
    told = [(event.data["party"], event.data["digest"], event.data["revision"]) for event in events]
    here = [(each.update.party, sha256_hex(each.pdf), n) for n, each in enumerate(revisions, start=1)]
    digests = {event.data["source_digest"] for event in events}
    if told != here or digests != {sha256_hex(source)}:
        raise Finding("the log knows other signatures or another source", where=_path(file, stage))
    if min(event.index for event in events) < _recorded(file, stage, opened).index:
        raise Finding("signed before there was anything to take minutes of", where=_path(file, stage))
    _check_signers(file, stage, opened, revisions, events)
    return len(revisions)


def _check_signers(
    file: TenderFile, stage: str, opened: str, revisions: list[Revision], events: list[LoggedEvent]
) -> None:
    """Members present, once each; all of them where the tender was closed; every signature valid at its stamp."""
    present = set(_document(file, f"openings/{opened}/session.json")["present"])
    signers = [revision.update.party for revision in revisions]
    if len(set(signers)) != len(signers) or not set(signers) <= present:
        raise Finding("somebody signed who was not present, or twice", where=_path(file, stage))
    made = _made_at(file, stage, opened)
    for revision, event in zip(revisions, events, strict=True):
        try:
            found = verify_revision(revision, file.trust, now=parse_utc(event.time))
        except DomainError as error:
            raise Finding(f"{revision.update.party}: {error.detail}", where=_path(file, stage)) from error
        if found.stamped_at < made:
            raise Finding("signed before the minutes' own time", where=_path(file, stage))
    missing = sorted(present - set(signers))
    if missing and file.facts("keys-destroyed"):
        raise Finding(f"not signed by {', '.join(missing)}, who was present", where=_path(file, stage))


def _source(file: TenderFile, stage: str, opened: str) -> bytes:
    papers = _papers(file, opened)
    if stage in KINDS:
        return canonical_bytes(opening_minutes(papers))
    path = "award.json" if file.has("award.json") else f"openings/{opened}/decision.json"
    return canonical_bytes(final_minutes(papers, _document(file, path)))


def _papers(file: TenderFile, stage: str) -> StagePapers:
    place, before = f"openings/{stage}", _BEFORE[stage]
    names = [
        name
        for name in file.folder.names(file.path(place))
        if name.startswith("attendance-") and name.endswith(".json")
    ]
    closed = file.event("submission-closed", file.require_closing_list().digest)
    return StagePapers(
        notice=file.require_notice().notice,
        closing_list=_document(file, "closing-list.json"),
        session=_document(file, f"{place}/session.json"),
        record=file.records[stage],
        attendances=[_document(file, f"{place}/{name}") for name in names],
        bids=file.bids[stage],
        decision_before=_document(file, f"openings/{before}/decision.json") if before else None,
        names=names_in(closed.data),
    )


def _recorded(file: TenderFile, stage: str, opened: str) -> LoggedEvent:
    if stage in KINDS:
        return file.event("opening-recorded", sha256_hex(file.read(f"openings/{opened}/record.json")))
    if file.has("award.json"):
        return file.event("award-decided", sha256_hex(file.read("award.json")))
    return file.event("decision-made", sha256_hex(file.read(f"openings/{opened}/decision.json")))


def _made_at(file: TenderFile, stage: str, opened: str) -> datetime:
    """When the minutes' subject was over; claimed times and stamps name whole seconds."""
    path = "award.json" if file.has("award.json") else f"openings/{opened}/decision.json"
    final = stage == FINAL
    told = _document(file, path)["decided_at"] if final else file.records[opened]["recorded_at"]
    return whole_seconds(parse_utc(told))


def _read(file: TenderFile, stage: str) -> tuple[bytes, list[Revision]]:
    try:
        base, revisions = read_pdf(file.read(f"minutes/{stage}.pdf"))
    except DomainError as error:
        raise Finding(error.detail, where=_path(file, stage)) from error
    return base, list(revisions)


def _events(file: TenderFile, stage: str) -> list[LoggedEvent]:
    return [event for event in file.facts("minutes-signed") if event.data.get("stage") == stage]


def _document(file: TenderFile, name: str) -> dict[str, Any]:
    return file.folder.document(file.path(name))


def _path(file: TenderFile, stage: str) -> str:
    return file.path(f"minutes/{stage}.pdf")
