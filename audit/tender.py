"""One tender from its folder: what was published, who submitted, what was opened, and who won.

Each check is a function that raises a Finding; ``audit.auditor`` gives their order and names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from audit.evidence import LoggedEvent, LoggedTree
from audit.folder import Folder
from audit.report import Finding
from kernel.canonical import sha256_hex, to_base64
from kernel.clock import format_utc, parse_utc
from pki.trust import TrustStore
from procurement.published import (
    ClosingList,
    PublishedNotice,
    Signed,
    read_closing_list,
    read_key_set,
    read_notice,
    read_signed,
    replaced_by_nothing,
    require_service,
)
from procurement.rules.award import award_document
from procurement.rules.commission import has_majority
from sealing.content import measure
from sealing.key_set import KeySet
from sealing.manifest import SealReport, verify_seal
from signing.documents import verify_signatures
from transparency.commitment import disclosed_content

_FACT = "ir.tehran.procurement."
# Of these a tender has one, or one of each stage: a second one in the log contradicts what the folder shows.
_ONCE = frozenset(
    {
        "tender-published",
        "submission-closed",
        "opening-started",
        "opening-recorded",
        "decision-made",
        "award-decided",
        "keys-destroyed",
    }
)
_ENDS = frozenset({f"{_FACT}tender-cancelled.v1", f"{_FACT}tender-unsuccessful.v1"})
_AFTER_THE_END = frozenset(
    f"{_FACT}{fact}.v1"
    for fact in ("envelopes-returned", "keys-destroyed", "record-signed", "minutes-signed")
)
_RECEIPT_FIELDS = (
    "lot",
    "bidder",
    "submission_number",
    "act",
    "digest",
    "received_at",
    "salt",
    "leaf_hash",
)


@dataclass
class TenderFile:
    """A tender's folder with everything that is established about it so far."""

    folder: Folder
    id: str
    trust: TrustStore
    log: LoggedTree
    journal: LoggedTree
    journal_entries: tuple[dict[str, Any], ...]
    events: tuple[LoggedEvent, ...]
    server: str | None
    demo: bool
    notice: PublishedNotice | None = None
    key_set: KeySet | None = None
    closing_list: ClosingList | None = None
    seals: dict[str, SealReport] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    bids: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def path(self, name: str) -> str:
        return f"tenders/{self.id}/{name}"

    def has(self, name: str) -> bool:
        return self.folder.exists(self.path(name))

    def read(self, name: str) -> bytes:
        return self.folder.read(self.path(name))

    def signatures(self, name: str) -> dict[str, bytes]:
        found = self.folder.signatures(self.path(name))
        if not found:
            raise Finding("the document has no signature", where=self.path(name))
        return found

    def wire(self, name: str) -> dict[str, Any]:
        """The document with its only signature."""
        signatures = self.signatures(name)
        if len(signatures) != 1:
            raise Finding("one signature was expected", where=self.path(name))
        (signature,) = signatures.values()
        return {"document": to_base64(self.read(name)), "signature": to_base64(signature)}

    def many(self, name: str) -> dict[str, Any]:
        signatures = {party: to_base64(each) for party, each in self.signatures(name).items()}
        return {"document": to_base64(self.read(name)), "signatures": signatures}

    def event(self, fact: str, digest: str | None = None, **expected: Any) -> LoggedEvent:
        """The one event of that fact (about that digest); it being in the log is what makes it so."""
        found = [
            event
            for event in self.events
            if event.type == f"{_FACT}{fact}.v1"
            and (digest is None or event.data.get("digest") == digest)
            and all(event.data.get(name) == value for name, value in expected.items())
        ]
        stage = expected.get("stage") or (found[0].data.get("stage") if found else None)
        rivals = [event for event in self.facts(fact) if event.data.get("stage") == stage]
        if len(found) != 1 or (fact in _ONCE and len(rivals) != 1):
            raise Finding(f"the log does not hold exactly one {fact} event for it", where=self.path(""))
        return found[0]

    def facts(self, fact: str) -> list[LoggedEvent]:
        """Every event of that fact, in the order of the log."""
        return [event for event in self.events if event.type == f"{_FACT}{fact}.v1"]

    def sealed(self, path: str, type_: str, time: str) -> Signed:
        """A document that the server sealed: the same server that sealed the folder, and nobody else."""
        ((party, signature),) = self.signatures(path).items()
        at = parse_utc(str(self.folder.document(self.path(path))[time]))
        signed = read_signed(
            self.read(path), signature, self.trust, type_=type_, now=at, party=party, max_bytes=64 << 20
        )
        self.require_server(signed, path)
        return signed

    def require_server(self, signed: Signed, path: str) -> None:
        """Raises a Finding unless that is the seal of the server whose folder this is."""
        require_service(signed.certificate)
        if self.server is not None and signed.party != self.server:
            raise Finding("somebody else than the server has sealed it", where=self.path(path))

    def require_notice(self) -> PublishedNotice:
        if self.notice is None:
            raise Finding("there is no valid notice", where=self.path("notice.json"))
        return self.notice

    def require_key_set(self) -> KeySet:
        if self.key_set is None:
            raise Finding("there is no valid key set", where=self.path("key-set.json"))
        return self.key_set

    def require_closing_list(self) -> ClosingList:
        if self.closing_list is None:
            raise Finding("there is no valid closing list", where=self.path("closing-list.json"))
        return self.closing_list


def check_notice(file: TenderFile) -> int:
    """Signed by its officer, for this tender, and in the log with the same terms."""
    document = file.read("notice.json")
    ((officer, signature),) = file.signatures("notice.json").items()
    at = parse_utc(file.folder.document(file.path("notice.json"))["published_at"])
    notice = read_notice(document, signature, file.trust, now=at)
    if notice.notice.demo is not file.demo:
        raise Finding("the notice is of another kind of installation", where=file.path("notice.json"))
    if notice.notice.tender != file.id or notice.officer != officer:
        raise Finding("the notice is another tender's or another officer's", where=file.path("notice.json"))
    if file.event("tender-published", notice.digest).data["notice"] != notice.notice.to_json():
        raise Finding("the notice in the log has other terms", where=file.path("notice.json"))
    file.notice = notice
    return 1


def check_key_set(file: TenderFile) -> int:
    """The notice's, countersigned by every member and the custodian, in the log before the notice."""
    notice = file.require_notice()
    wire = file.many("key-set.json")
    file.key_set = read_key_set(wire, file.trust, notice=notice.notice, now=notice.notice.published_at)
    published = file.event("key-set-published", notice.notice.key_set_digest)
    if published.index > file.event("tender-published", notice.digest).index:
        raise Finding("the key set came into the log after the notice", where=file.path("key-set.json"))
    return len(wire["signatures"])


def check_closing_list(file: TenderFile) -> int:
    """Sealed by the server after the grace; every line leads to a leaf of the log that stands before the list."""
    notice = file.require_notice()
    sealed = file.sealed("closing-list.json", "mohr/closing-list/v1", "closed_at")
    document = file.read("closing-list.json")
    signature = file.signatures("closing-list.json")[sealed.party]
    at = parse_utc(sealed.document["closed_at"])
    closing = read_closing_list(document, signature, file.trust, notice=notice, now=at)
    closed = file.event("submission-closed", closing.digest)
    for act in closing.acts:
        index = file.log.by_leaf.get(act.leaf_hash)
        if index is None or index > closed.index:
            raise Finding(
                f"act {act.counter} is not in the log before the closing list",
                where=file.path("closing-list.json"),
            )
    for act in replaced_by_nothing(closing.acts):
        raise Finding(
            f"act {act.counter} is called replaced, but nothing replaced it",
            where=file.path("closing-list.json"),
        )
    file.closing_list = closing
    return len(closing.acts)


def check_submissions(file: TenderFile) -> int:
    """Each seal verifies with its time stamp, in time, for this notice; each stored blob is its header's."""
    notice, closing = file.require_notice(), file.require_closing_list()
    shown = set(file.folder.names(file.path("submissions")))
    expected = {act.manifest_digest for act in closing.acts if act.act == "submission"}
    if shown != expected:
        raise Finding("the submissions are not those of the closing list", where=file.path("submissions"))
    for act in closing.acts:
        if act.act != "submission":
            continue
        place = f"submissions/{act.manifest_digest}"
        manifest, seal = file.read(f"{place}/manifest.json"), file.read(f"{place}/seal.p7s")
        headers = {kind: file.read(f"{place}/header-{kind}.json") for kind in "ABC"}
        if (sha256_hex(manifest), sha256_hex(seal)) != (act.manifest_digest, act.digest):
            raise Finding("manifest or seal is not the listed one", where=file.path(place))
        report = verify_seal(
            manifest, seal, headers, file.trust, now=parse_utc(act.received_at), party=act.bidder
        )
        found = report.manifest
        about = (found.tender, found.notice_digest, found.key_set_digest, found.lot, found.submission_number)
        terms = (file.id, notice.digest, notice.notice.key_set_digest, act.lot, act.submission_number)
        if about != terms or report.sealed_at > notice.notice.submission_deadline:
            raise Finding("sealed late, or for something else", where=file.path(place))
        if act.state == "listed":
            _check_blobs(file, place, report)
        file.seals[str(act.manifest_digest)] = report
    return len(expected)


def _check_blobs(file: TenderFile, place: str, report: SealReport) -> None:
    for header in report.headers.values():
        for name, (length, digest) in header.expected_blobs().items():
            blob = file.folder.content(file.path(f"{place}/{name}"), max_bytes=length)
            if measure(blob) != (length, digest):
                raise Finding("a blob is not the one its header names", where=file.path(f"{place}/{name}"))


def check_receipts(file: TenderFile) -> int:
    """Every receipt is the server's, for one act of the closing list, and says of it what the list discloses."""
    acts = {
        str(act["leaf_hash"]): act
        for act in file.folder.document(file.path("closing-list.json"))["submissions"]
    }
    file.require_closing_list()
    names = [name for name in file.folder.names(file.path("receipts")) if name.endswith(".json")]
    if {name.removesuffix(".json") for name in names} != set(acts):
        raise Finding("not one receipt for each act of the closing list", where=file.path("receipts"))
    for leaf, act in acts.items():
        place = f"receipts/{leaf}.json"
        found = file.sealed(place, "mohr/receipt/v1", "received_at").document
        seal = file.seals.get(str(act["manifest_digest"])) if act["act"] == "submission" else None
        content = disclosed_content(
            act=act["act"],
            tender=file.id,
            digest=act["digest"],
            received_at=act["received_at"],
            counter=act["counter"],
            counter_salt=act["counter_salt"],
        )
        expected = {
            "tender": file.id,
            "content": content,
            "demo": file.demo,
            **{name: act[name] for name in _RECEIPT_FIELDS},
            **({"timestamp": to_base64(seal.timestamp_token), "reason": None} if seal else {}),
            **({"timestamp": None, "reason": None} if act["act"] == "withdrawal" else {}),
        }
        if any(found[name] != value for name, value in expected.items()):
            raise Finding("the receipt is not for that act of the closing list", where=file.path(place))
    return len(names)


def check_withdrawals(file: TenderFile) -> int:
    """Each withdrawal of the closing list is signed by its bidder and names a manifest that then was not listed."""
    closing = file.require_closing_list()
    listed = {act.digest: act for act in closing.acts if act.act == "withdrawal"}
    names = [name for name in file.folder.names(file.path("withdrawals")) if name.endswith(".json")]
    if {name.removesuffix(".json") for name in names} != set(listed):
        raise Finding("the withdrawals are not those of the closing list", where=file.path("withdrawals"))
    for digest, act in listed.items():
        place = f"withdrawals/{digest}.json"
        ((_, signature),) = file.signatures(place).items()
        signed = read_signed(
            file.read(place),
            signature,
            file.trust,
            type_="mohr/withdrawal/v1",
            now=parse_utc(act.received_at),
            party=act.bidder,
        )
        if signed.digest != digest or signed.document["manifest_digest"] != act.manifest_digest:
            raise Finding("the withdrawal is about another submission", where=file.path(place))
    return len(names)


def check_award(file: TenderFile) -> int:
    """The award is signed by a majority, is in the log, and is what the rules make of the opened prices."""
    if not file.has("award.json"):
        if file.facts("award-decided"):
            raise Finding("the log holds an award that is not here", where=file.path("award.json"))
        return 0
    notice = file.require_notice()
    document, value = file.read("award.json"), file.folder.document(file.path("award.json"))
    session = file.folder.document(file.path("openings/C/session.json"))
    signers = verify_signatures(
        document, file.signatures("award.json"), file.trust, now=parse_utc(value["decided_at"])
    )
    if not has_majority(notice.notice.commission, session["present"], signers):
        raise Finding("the award lacks the signatures of a majority", where=file.path("award.json"))
    record = file.read("openings/C/record.json")
    computed = award_document(
        notice.notice,
        record_digest=sha256_hex(record),
        record=file.records["C"],
        bids=file.bids["C"],
        sealed_at={digest: _stamp(report) for digest, report in file.seals.items()},
        decided_at=value["decided_at"],
    )
    if computed != value:
        raise Finding("the award does not follow from the opened prices", where=file.path("award.json"))
    file.event("award-decided", sha256_hex(document))
    return 1


def _stamp(report: SealReport) -> str:
    return format_utc(report.sealed_at)


def check_end(file: TenderFile) -> int:
    """What was not opened went back with a signed return, was never released, and its keys are gone."""
    ends = [event.index for event in file.events if event.type in _ENDS]
    if ends and any(event.index > ends[0] and event.type not in _AFTER_THE_END for event in file.events):
        raise Finding("the log goes on after the tender had ended", where=file.path(""))
    released = {
        (entry["stage"], digest)
        for entry in file.journal_entries
        if entry["tender"] == file.id and entry["act"] == "released"
        for digest in entry["manifests"]
    }
    recorded = {
        (stage, result["manifest_digest"])
        for stage, record in file.records.items()
        for result in record["results"]
        if result["custodian_secret"] is not None or result["outcome"] != "disputed"
    }
    if not released <= {(s, r["manifest_digest"]) for s, rec in file.records.items() for r in rec["results"]}:
        raise Finding("the journal shows a release that no record knows", where="journal")
    if not recorded <= released:
        raise Finding("something was opened that the journal does not show released", where="journal")
    if not file.has("key-destruction.json"):
        destroyed = any(
            entry["tender"] == file.id and entry["act"] == "keys-destroyed" for entry in file.journal_entries
        )
        if destroyed or file.facts("keys-destroyed"):
            raise Finding(
                "the attestation of the keys' end is not here", where=file.path("key-destruction.json")
            )
        if file.folder.names(file.path("returns")) or file.facts("envelopes-returned"):
            raise Finding("returns before the keys' end", where=file.path("returns"))
        return 0
    _check_destruction(file)
    return _check_returns(file, released)


def _check_destruction(file: TenderFile) -> None:
    path = "key-destruction.json"
    ((party, signature),) = file.signatures(path).items()
    at = parse_utc(file.folder.document(file.path(path))["destroyed_at"])
    signed = read_signed(
        file.read(path), signature, file.trust, type_="mohr/key-destruction/v1", now=at, party=party
    )
    if party != file.require_key_set().custodian.party or signed.document["tender"] != file.id:
        raise Finding("the destruction is not this tender's custodian's", where=file.path(path))
    position = signed.document["journal_index"]
    entry = file.journal_entries[position] if position < len(file.journal_entries) else {}
    about = (entry.get("act"), entry.get("tender"), entry.get("digest"))
    if about != ("keys-destroyed", file.id, signed.digest):
        raise Finding("the journal does not show this destruction", where=file.path(path))
    later = [each for each in file.journal_entries[position + 1 :] if each["tender"] == file.id]
    if any(each["act"] == "released" for each in later):
        raise Finding("something was released after the keys were destroyed", where="journal")
    file.event("keys-destroyed", signed.digest)


def _check_returns(file: TenderFile, released: set[tuple[str, str]]) -> int:
    """Exactly what stayed closed went back, to whom it belongs, by the decision that rejected it."""
    names = [name for name in file.folder.names(file.path("returns")) if name.endswith(".json")]
    listed = {str(act.manifest_digest): act for act in file.require_closing_list().listed}
    closed = {
        digest: kinds
        for digest in listed
        if (kinds := [kind for kind in "ABC" if (kind, digest) not in released])
    }
    if {name.removesuffix(".json") for name in names} != set(closed):
        raise Finding("the returns are not exactly what stayed closed", where=file.path("returns"))
    for digest, kinds in closed.items():
        place = f"returns/{digest}.json"
        signed = file.sealed(place, "mohr/return/v1", "returned_at")
        found = signed.document
        about = (found["tender"], found["manifest_digest"], found["bidder"], sorted(found["kinds"]))
        if about != (file.id, digest, listed[digest].bidder, kinds):
            raise Finding("the return is not of what stayed closed", where=file.path(place))
        if found["decision_digest"] != _rejection(file, digest):
            raise Finding("the return names another decision", where=file.path(place))
        file.event("envelopes-returned", signed.digest)
    return len(names)


def _rejection(file: TenderFile, manifest_digest: str) -> str | None:
    """The digest of the decision that kept the rest of a bid closed."""
    for stage in "AB":
        path = f"openings/{stage}/decision.json"
        results = file.folder.document(file.path(path))["results"] if file.has(path) else []
        if any(each["manifest_digest"] == manifest_digest and not each["accepted"] for each in results):
            return sha256_hex(file.read(path))
    return None
