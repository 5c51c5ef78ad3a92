"""What every other check rests on: anchors, certificates, the log and the custodian's journal."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.folder import Folder
from audit.report import Finding
from kernel.canonical import parse_canonical, parse_json, to_base64
from kernel.errors import DomainError
from pki.trust import TrustStore
from procurement.published import read_signed, require_service
from sealing.content import measure
from transparency.proof import make_proof, verify_checkpoint
from transparency.tree import MerkleTree, leaf_hash

MAX_ENTRIES = 20_000_000


@dataclass(frozen=True)
class Anchors:
    """The public keys an auditor brings along (``mohr/anchors/v1``)."""

    root: x509.Certificate
    log: str
    witnesses: tuple[str, ...]
    custodian: str
    demo: bool

    @classmethod
    def parse(cls, data: bytes) -> Anchors:
        """Raises Finding if the anchors can't be read."""
        try:
            value = parse_json(data)
            if value["type"] != "mohr/anchors/v1":
                raise KeyError("type")
            return cls(
                x509.load_pem_x509_certificate(value["root"].encode("ascii")),
                str(value["log"]),
                tuple(str(vkey) for vkey in value["witnesses"]),
                str(value["custodian"]),
                value["demo"] is True,
            )
        except (DomainError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise Finding("the anchors are not a mohr/anchors/v1 document") from error


@dataclass(frozen=True)
class LoggedTree:
    """A whole log: entries, tree, and the checkpoint that a pinned witness cosigned."""

    entries: tuple[bytes, ...]
    tree: MerkleTree
    note: str
    size: int
    cosigned_at: datetime
    by_leaf: dict[str, int]

    def proof_of(self, entry: bytes) -> dict[str, Any] | None:
        """The proof of an entry under the checkpoint, or None if it is not in the log."""
        index = self.by_leaf.get(leaf_hash(entry).hex())
        return None if index is None else make_proof(self.tree, index, self.note, self.size)


def read_tree(folder: Folder, place: str, vkey: str, witnesses: tuple[str, ...]) -> LoggedTree:
    """Rebuild a tree from its entries and hold it against its signed and cosigned checkpoint."""
    entries = tuple(_decode(line, place) for line in folder.lines(f"{place}/entries.jsonl"))
    if len(entries) > MAX_ENTRIES:
        raise Finding("more entries than an audit can hold", where=place)
    note = folder.text(f"{place}/checkpoint")
    try:
        checked = verify_checkpoint(note, vkey, list(witnesses))
    except DomainError as error:
        raise Finding(error.detail, where=f"{place}/checkpoint") from error
    leaves = [leaf_hash(entry) for entry in entries]
    tree = MerkleTree(leaves)
    if checked.checkpoint.size != len(entries):
        raise Finding("entries are missing or too many for the checkpoint", where=f"{place}/entries.jsonl")
    if tree.root() != checked.checkpoint.root:
        raise Finding("the entries do not hash to the checkpoint's root", where=f"{place}/entries.jsonl")
    by_leaf = {leaf.hex(): index for index, leaf in enumerate(leaves)}
    return LoggedTree(entries, tree, note, len(entries), checked.cosigned_at, by_leaf)


def read_trust(folder: Folder, anchors: Anchors) -> TrustStore:
    """The trust store with the pinned root, which must be the folder's root, or a newer one that is shown beside it."""
    try:
        shown = _certificate(folder, "trust/root.pem")
        authorities = [_certificate(folder, f"trust/ca/{name}") for name in folder.names("trust/ca")]
        store = TrustStore([anchors.root], authorities)
        for name in folder.names("trust/crl"):
            store.add_crl(folder.read(f"trust/crl/{name}"))
    except (ValueError, DomainError) as error:
        raise Finding("a certificate or revocation list can't be read", where="trust") from error
    if anchors.root not in (shown, *authorities):
        raise Finding("the folder's root is not the pinned one", where="trust/root.pem")
    return store


def _certificate(folder: Folder, path: str) -> x509.Certificate:
    """A certificate in the one form that PEM has of it (RFC 7468 §3, strict)."""
    pem = folder.read(path)
    certificate = x509.load_pem_x509_certificate(pem)
    if certificate.public_bytes(Encoding.PEM) != pem:
        raise ValueError("not as it is written in PEM")
    return certificate


def check_keys(folder: Folder, anchors: Anchors) -> None:
    """The verifier keys that the folder shows are the pinned ones."""
    pinned = {"log": anchors.log, "custodian": anchors.custodian}
    pinned |= {f"witness-{number}": vkey for number, vkey in enumerate(anchors.witnesses)}
    for name, vkey in pinned.items():
        if folder.text(f"trust/{name}.vkey") != f"{vkey}\n":
            raise Finding("the folder shows another key than the pinned one", where=f"trust/{name}.vkey")


@dataclass(frozen=True)
class LoggedEvent:
    """A public event as it stands in the log."""

    index: int
    type: str
    subject: str
    sequence: int
    time: str
    data: dict[str, Any]
    entry: bytes


def read_events(log: LoggedTree) -> tuple[LoggedEvent, ...]:
    """The public events, checked: each subject's sequence is gapless from 1, and no event occurs twice."""
    events: list[LoggedEvent] = []
    last: dict[str, int] = {}
    seen: set[str] = set()
    for index, entry in enumerate(log.entries):
        where = f"log entry {index}"
        try:
            value = parse_canonical(entry)
            if value.get("type") == "mohr/commitment/v1":
                _check_commitment(value, where)
                continue
            event = LoggedEvent(
                index,
                str(value["type"]),
                str(value["subject"]),
                int(value["sequence"]),
                str(value["time"]),
                dict(value["data"]),
                entry,
            )
        except (DomainError, KeyError, TypeError, ValueError) as error:
            raise Finding("an entry is neither an event nor a commitment", where=where) from error
        if event.sequence != last.get(event.subject, 0) + 1:
            raise Finding(f"the events of {event.subject} have a gap", where=where)
        last[event.subject] = event.sequence
        if value["id"] in seen:
            raise Finding("an event occurs twice", where=where)
        seen.add(value["id"])
        events.append(event)
    return tuple(events)


def _check_commitment(value: dict[str, Any], where: str) -> None:
    commitment = value.get("commitment")
    if set(value) != {"type", "commitment"} or not isinstance(commitment, str) or len(commitment) != 64:
        raise Finding("a commitment has another form", where=where)


@dataclass(frozen=True)
class Bundle:
    """The sealed list of files; ``server`` is whose seal it is, and so must be whatever the server sealed."""

    server: str
    files: int


def check_bundle(folder: Folder, trust: TrustStore, now: datetime, *, demo: bool) -> Bundle:
    """bundle.json is signed by a service under the pinned root and names every file, with length and digest."""
    path = "bundle.json"
    signatures = folder.signatures(path)
    if len(signatures) != 1:
        raise Finding("the list of files has not exactly one signature", where=path)
    (party, signature), *_ = signatures.items()
    signed = read_signed(
        folder.read(path),
        signature,
        trust,
        type_="mohr/bundle/v1",
        now=now,
        party=party,
        max_bytes=256 << 20,
    )
    require_service(signed.certificate)
    entries = signed.document["files"]
    listed = {entry["path"]: (entry["length"], entry["digest"]) for entry in entries}
    if len(listed) != len(entries) or signed.document["demo"] is not demo:
        raise Finding("the list names a file twice, or is for another kind of installation", where=path)
    present = set(folder.paths()) - {path, f"{path}.{party}.p7s"}
    for name in sorted(set(listed) - present):
        raise Finding("a file is missing", where=name)
    for name in sorted(present - set(listed)):
        raise Finding("a file is there that the list does not name", where=name)
    for name, (length, digest) in sorted(listed.items()):
        if measure(folder.content(name)) != (length, digest):
            raise Finding("the file is not the one that the list names", where=name)
    return Bundle(party, len(listed))


def _decode(line: str, place: str) -> bytes:
    try:
        entry = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Finding("an entry is not base64", where=f"{place}/entries.jsonl") from error
    if to_base64(entry) != line:
        raise Finding("an entry is not written in its one form", where=f"{place}/entries.jsonl")
    return entry
