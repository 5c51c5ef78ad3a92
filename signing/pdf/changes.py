"""What was changed in a PDF after a signature, each change named, and whether that signature's rules permit it.

The library's analysis of differences judges whether a revision as a whole is permitted; beside it stands what is named
here: whatever may show something else than was signed is not permitted, whoever explains it. Revisions are
compared each with the one before, once for all signatures that permit the same; where that goes too far, with what was
signed, as an object may be written twice after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pyhanko.sign.diff_analysis import ModificationLevel, SuspiciousModification

from kernel.errors import DomainError
from signing.errors import DocumentTooComplex
from signing.pdf.difference_rules import POLICY
from signing.pdf.history import History
from signing.pdf.named_changes import Named
from signing.pdf.permissions import Permissions, permissions_of
from signing.pdf.signature_fields import PlacedSignature
from signing.validation.contents import Change, Finding

MAX_COMPARISONS = 1_000
_FRONT = 2048
_LENGTH = re.compile(rb"/L[\x00\t\n\x0c\r ]*[+]?(\d{1,12})(?![\d.])")
_OBJECT = re.compile(
    rb"(?:^|[\r\n])[\x00\t\x0c ]*(\d{1,10})[\x00\t\n\x0c\r ]+(\d{1,5})[\x00\t\n\x0c\r ]+obj\b"
)
_END = b"%%EOF"
_MOST_DETAIL = 300
_WITHOUT_FORM = frozenset({"long-term-data-added", "timestamp-added"})
_SIGNING = frozenset(
    {
        "signature-added",
        "timestamp-added",
        "signature-field-added",
        "long-term-data-added",
        "form-extended",
        "colours-named",
    }
)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Of one revision: how far it goes, or why it goes too far."""

    level: int
    problem: str | None


class Changes:
    """The changes of one file, for each of its signatures."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._verdicts: dict[tuple[int, int, str], _Verdict] = {}
        self._bare: list[tuple[int, str]] | None = None

    def after(self, placed: PlacedSignature) -> tuple[tuple[Change, ...], tuple[Finding, ...]]:
        """All of them in order of revisions, and what is wrong with the rules themselves."""
        permissions, findings = permissions_of(placed.dictionary, placed.field)
        if not placed.covering.end:
            return (), findings
        if not placed.complete:
            detail = "the signed bytes end amid a revision, or behind its end mark"
            return (), (*findings, Finding("byte-range-not-a-revision", detail))
        changes = list(self._appended(placed))
        for revision in range(placed.revision + 1, self._history.last + 1):
            changes += self._of_revision(revision, placed.revision, permissions)
        return tuple(changes), findings

    def _of_revision(self, revision: int, signed: int, permissions: Permissions) -> list[Change]:
        named = self._named(revision)
        verdict = self._verdict(revision - 1, revision, permissions)
        if verdict.problem is not None and signed != revision - 1:
            verdict = self._verdict(signed, revision, permissions)
        found = [_change(each, verdict, permissions, revision) for each in named]
        if verdict.problem is not None and all(each.allowed for each in found):
            found.append(Change("object-changed", verdict.problem, False, None, revision + 1))
        if (
            permissions.level is not None
            and verdict.level > permissions.level
            and all(e.allowed for e in found)
        ):
            detail = "the revision goes further than the signature permits"
            found.append(Change("permissions-exceeded", detail, False, None, revision + 1))
        return found

    def _named(self, revision: int) -> tuple[Named, ...]:
        try:
            return self._history.named(revision)
        except (DomainError, RecursionError, MemoryError):
            raise
        except Exception:
            return (Named("revision-unreadable", "what a later revision changed cannot be read", None, True),)

    def _verdict(self, before: int, revision: int, permissions: Permissions) -> _Verdict:
        key = (before, revision, permissions.key)
        if key not in self._verdicts:
            if len(self._verdicts) >= MAX_COMPARISONS:
                raise DocumentTooComplex(
                    "the document has more changes than are compared", limit="comparisons"
                )
            self._verdicts[key] = self._compared(before, revision, permissions)
        return self._verdicts[key]

    def _compared(self, before: int, revision: int, permissions: Permissions) -> _Verdict:
        reader = self._history.reader
        worst = ModificationLevel.OTHER.value
        try:
            found = POLICY.apply(
                reader.get_historical_resolver(before),
                reader.get_historical_resolver(revision),
                field_mdp_spec=permissions.locked,
                doc_mdp=permissions.library_level,
            )
            return _Verdict(found.modification_level.value, None)
        except SuspiciousModification as error:
            return _Verdict(worst, str(error)[:_MOST_DETAIL])
        except (DomainError, RecursionError, MemoryError):
            raise
        except Exception:
            return _Verdict(worst, "a later revision cannot be compared with what was signed")

    def _appended(self, placed: PlacedSignature) -> Iterator[Change]:
        """Bytes behind the signed ones that belong to no revision: by the end marks and by the objects in them."""
        reader = self._history.reader
        last = reader.xrefs.get_xref_container_info(self._history.last).end_location
        mark = reader.data.find(_END, last)
        rest = reader.data[mark + len(_END) :] if mark >= 0 else b""
        if placed.covering.end < len(reader.data) and (mark < 0 or rest.strip(b"\r\n\t \x00")):
            yield Change("bytes-appended", "bytes were appended that belong to no revision", False)
        if b"/Linearized" in reader.data[:_FRONT] and _length_made_true(reader.data, placed.covering.end):
            detail = "the file was brought to the length by which it is read from its front"
            yield Change("length-made-true", detail, False)
        for place, name in self._unreferenced(placed.covering.end):
            if place >= placed.covering.end:
                detail = "an object was appended that no cross-reference names"
                yield Change("object-unreferenced", detail, False, name)
                break

    def _unreferenced(self, end: int) -> list[tuple[int, str]]:
        """Where objects stand behind ``end`` that nothing names; looked for once, from the first signature on."""
        if self._bare is None:
            reader = self._history.reader
            sections = range(self._history.last + 1)
            known: set[int | None] = {
                reader.xrefs.get_xref_container_info(each).start_location for each in sections
            }
            for each in sections:
                known |= {reader.place_of(ref, each) for ref in reader.xrefs.explicit_refs_in_revision(each)}
            self._bare = [(at, name) for at, name in _objects_behind(reader.data, end) if at not in known]
        return self._bare


def _objects_behind(data: bytes, end: int) -> Iterator[tuple[int, str]]:
    """Place and name of what looks like an object behind ``end``, in streams too: who repairs a file finds it there."""
    for each in _OBJECT.finditer(data[end:]):
        yield end + each.start(1), f"object {int(each[1])} {int(each[2])}"


def _length_made_true(data: bytes, end: int) -> bool:
    """Whether the file has by now the length that its front announces, and had another one when it was signed.

    A linearized file is read from its front when it is of just that length (ISO 32000-2 annex F.3.3).
    """
    front = data[:_FRONT]
    return end < len(data) and any(int(each[1]) == len(data) for each in _LENGTH.finditer(front))


def _change(named: Named, verdict: _Verdict, permissions: Permissions, revision: int) -> Change:
    exceeds = permissions.level is not None and verdict.level > permissions.level
    forbidden = (verdict.problem is not None or exceeds) and named.code not in _SIGNING
    if exceeds and named.code not in _WITHOUT_FORM and permissions.level == 1:
        forbidden = True
    return Change(named.code, named.detail, not (named.shows or forbidden), named.place, revision + 1)
