"""The whole audit of a folder, offline, trusting nothing but the anchors.

Order and names of the checks: folder (every file is listed, the list is sealed), trust, keys, log, events,
journal, completeness; then for each tender notice, key-set, closing-list, submissions, receipts,
withdrawals, openings, award, minutes, minutes-pages, end; then ocds; then the receipt that somebody brought along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from audit.evidence import (
    Anchors,
    LoggedEvent,
    LoggedTree,
    check_bundle,
    check_keys,
    read_events,
    read_tree,
    read_trust,
)
from audit.folder import Folder
from audit.minutes import check_minutes, check_pages
from audit.ocds import check_ocds
from audit.openings import check_openings
from audit.receipt import check_receipt
from audit.report import Check, Finding, Report, printable
from audit.tender import (
    TenderFile,
    check_award,
    check_closing_list,
    check_end,
    check_key_set,
    check_notice,
    check_receipts,
    check_submissions,
    check_withdrawals,
)
from kernel.canonical import parse_canonical
from kernel.errors import DomainError, StorageFull
from pki.trust import TrustStore

_TENDER_CHECKS: tuple[tuple[str, Callable[[TenderFile], int]], ...] = (
    ("notice", check_notice),
    ("key-set", check_key_set),
    ("closing-list", check_closing_list),
    ("submissions", check_submissions),
    ("receipts", check_receipts),
    ("withdrawals", check_withdrawals),
)
_PUBLISHED = "ir.tehran.procurement.tender-published.v1"
_CLOSED = "ir.tehran.procurement.submission-closed.v1"


def audit(
    root: Path, anchors_bytes: bytes, receipts: list[bytes], progress: Callable[[str], None] | None = None
) -> Report:
    """Audit a folder with anchors and any receipts (``{"document", "signature"}``) held by bidders.

    Never raises for damaged content: that is what it is there to report. Raises StorageFull when this machine
    has no room for the envelope that is being opened.
    """
    run = _Run(Folder(root), Report(), progress or (lambda _: None))
    run.whole(anchors_bytes, receipts)
    return run.report


class _Run:
    def __init__(self, folder: Folder, report: Report, progress: Callable[[str], None]) -> None:
        self.folder = folder
        self.report = report
        self.progress = progress

    def whole(self, anchors_bytes: bytes, receipts: list[bytes]) -> None:
        with self._check("anchors", "brought along"):
            anchors = Anchors.parse(anchors_bytes)
        if not self.report.ok:
            return
        base = self._base(anchors)
        if base is None:
            return
        trust, log, events, journal, entries, server = base
        closings: dict[str, frozenset[str]] = {}
        for tender in sorted({event.subject for event in events if event.type == _PUBLISHED}):
            file = TenderFile(
                self.folder,
                tender,
                trust,
                log,
                journal,
                entries,
                tuple(event for event in events if event.subject == tender),
                server,
                anchors.demo,
            )
            self._tender(file, anchors)
            if file.closing_list is not None:
                closings[tender] = frozenset(act.leaf_hash for act in file.closing_list.acts)
        with self._check("ocds", "ocds/") as done:
            done(check_ocds(self.folder, events, demo=anchors.demo))
        for number, receipt in enumerate(receipts, start=1):
            with self._check("receipt", f"receipt {number}"):
                check_receipt(receipt, trust, log, server, closings)

    def _base(
        self, anchors: Anchors
    ) -> (
        tuple[
            TrustStore,
            LoggedTree,
            tuple[LoggedEvent, ...],
            LoggedTree,
            tuple[dict[str, Any], ...],
            str | None,
        ]
        | None
    ):
        """Trust, log, journal and whose server it is; without them nothing else can be judged."""
        server = None
        with self._check("trust", "trust/"):
            trust = read_trust(self.folder, anchors)
        with self._check("keys", "trust/"):
            check_keys(self.folder, anchors)
        with self._check("log", "log/") as done:
            log = read_tree(self.folder, "log", anchors.log, anchors.witnesses)
            done(log.size)
        if not self.report.ok:
            return None
        with self._check("folder", "bundle.json") as done:
            bundle = check_bundle(self.folder, trust, log.cosigned_at, demo=anchors.demo)
            server = bundle.server
            done(bundle.files)
        with self._check("events", "log/") as done:
            events = read_events(log)
            done(len(events))
        with self._check("journal", "journal/") as done:
            journal = read_tree(self.folder, "journal", anchors.custodian, anchors.witnesses)
            entries = tuple(_journal_entry(index, entry) for index, entry in enumerate(journal.entries))
            done(journal.size)
        if any(not c.ok for c in self.report.checks if c.name != "folder"):
            return None
        with self._check("completeness", "tenders/"):
            _check_complete(self.folder, events)
        return trust, log, events, journal, entries, server

    def _tender(self, file: TenderFile, anchors: Anchors) -> None:
        self.progress(file.id)
        title = file.id
        closed = any(event.type == _CLOSED for event in file.events)
        for name, check in _TENDER_CHECKS if closed else _TENDER_CHECKS[:2]:
            with self._check(name, title) as done:
                done(check(file))
        if not closed:
            return
        with self._check("openings", title) as done:
            done(check_openings(file, anchors))
        with self._check("award", title) as done:
            done(check_award(file))
        with self._check("minutes", title) as done:
            done(check_minutes(file))
        with self._check("minutes-pages", title) as done:
            made, unmade = check_pages(file)
            done(made)
            self.report.notes += [f"minutes-pages, {title}: not made for {each}" for each in unmade]
        with self._check("end", title) as done:
            done(check_end(file))

    @contextmanager
    def _check(self, name: str, about: str) -> Iterator[Callable[[int], None]]:
        """Record the check; whatever damaged content throws is the check's finding, never a crash."""
        counted = [1]
        try:
            yield lambda count: counted.__setitem__(0, count)
        except Finding as finding:
            place = f"{finding.where}: " if finding.where else ""
            self._off(name, about, f"{place}{finding.detail}")
        except StorageFull:
            raise  # the auditor's own disk, which says nothing of the folder
        except DomainError as error:
            self._off(name, about, f"{error.code}: {error.detail}")
        except Exception as error:
            # Libraries have errors of their own for what a forger may write; none of them ends an audit.
            self._off(name, about, f"a part is missing or malformed ({type(error).__name__})")
        else:
            self.report.checks.append(Check(name, printable(about), True, counted[0]))

    def _off(self, name: str, about: str, detail: str) -> None:
        self.report.checks.append(Check(name, printable(about), False, 0, printable(detail)))


def _journal_entry(index: int, entry: bytes) -> dict[str, Any]:
    value = parse_canonical(entry)
    fields = {"type", "index", "act", "tender", "stage", "digest", "manifests", "at"}
    if set(value) != fields or value["type"] != "mohr/journal/v1" or value["index"] != index:
        raise Finding("an entry of the journal is malformed or out of order", where="journal/entries.jsonl")
    return value


def _check_complete(folder: Folder, events: tuple[LoggedEvent, ...]) -> None:
    published = {event.subject for event in events if event.type == _PUBLISHED}
    shown = set(folder.names("tenders"))
    if shown != published:
        raise Finding(
            f"{len(published - shown)} published tenders are missing, {len(shown - published)} are unknown to"
            " the log",
            where="tenders",
        )
