"""What a registration proof proves, checked offline against a root and the keys of the log and its witnesses.

The checks, in this order; ``step`` of a refusal names the first that fails:

``seal``: the CAdES signature holds at the time asked for (EN 319 102-1) and is a service's; from it follows an
instant for which all of the content is proven to have existed. ``content``: it is what it claims to be. ``log``: the
entry is in the pinned log, under a checkpoint that a pinned witness cosigned. ``record``: the record and its salt lead
to the commitment in that entry. ``paper``: an officer of the unit signed for this very document, judged for that
instant. ``changes``: the same for each change of state. ``document``: the bytes at hand are those registered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from authenticity.errors import RegistrationProofInvalid
from authenticity.papers import (
    REGISTRATION,
    STATE_CHANGE,
    Entry,
    StateChangePaper,
    registration_of,
    state_change_of,
)
from authenticity.record import STATE_OF, Change, Record
from authenticity.registration_proof import MAX_CONTENT_BYTES, PROOF, claimed_content
from kernel.canonical import from_base64, parse_canonical, sha256_hex
from kernel.clock import parse_utc
from kernel.errors import DomainError
from pki.names import name_of
from pki.profiles import SERVICE_SEALING
from schemas.events import DOCUMENT_REGISTERED, DOCUMENT_STATE_CHANGED, EventType
from signing.ades.cades import file_digest
from signing.documents import parse_document
from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.contents import FoundDocument
from signing.validation.judging import judge
from signing.validation.reading import read_document
from signing.validation.report import SignatureReport, ValidationReport
from signing.validation.trust import Trust
from transparency.proof import VerifiedProof, verify_proof

_FIELDS = frozenset(
    [
        "type",
        "made_at",
        "record",
        "salt",
        "state",
        "registered_at",
        "signatories",
        "logged",
        "paper",
        "changes",
    ]
)
_CHANGE = frozenset(["act", "at", "reason", "successor", "salt", "logged", "paper"])
# What may go by between the decision of the register and its entry.
_WRITTEN_WITHIN = timedelta(minutes=5)
# Of a record what the officer's paper says as well.
_IN_PAPER = tuple(Entry.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class ProofAnchors:
    """Whom one trusts: roots, and the verifier keys (C2SP vkey text) of the log and its witnesses.

    ``complete`` may add evidence for the newest time stamps, which none inside can be about.
    """

    trust: Trust
    log: str
    witnesses: Sequence[str]
    complete: Callable[[FoundDocument, Trust, datetime], Trust] | None = None


@dataclass(frozen=True, slots=True)
class ChangeProven:
    """A change of state that is in the log and was signed by ``officer`` (None where the paper is left out)."""

    change: Change
    officer: str | None


@dataclass(frozen=True, slots=True)
class RegistrationProven:
    """What holds. ``proven_at``: everything here existed then, at the latest (None: no time stamp says so);
    ``in_log_at``: a witness had seen the entry then, at ``index``. ``officer`` is None where the paper is left out.
    ``state`` and ``changes`` are as of ``made_at``: what came after, only the register knows. ``document_compared``:
    the bytes at hand were those registered.
    """

    record: Record
    state: str
    made_at: datetime
    registered_at: str
    proven_at: datetime | None
    in_log_at: datetime
    index: int
    sealed_by: str
    officer: str | None
    changes: tuple[ChangeProven, ...]
    document_compared: bool
    report: ValidationReport


def verify_registration_proof(
    data: bytes, anchors: ProofAnchors, *, at: datetime, now: datetime, document: Path | bytes | None = None
) -> RegistrationProven:
    """Judge the proof as of ``at``; ``document`` is compared when given. Raises RegistrationProofInvalid."""
    content = claimed_content(data)
    if content is None:
        raise RegistrationProofInvalid("the file is no registration proof", step="content")
    with _step("seal"):
        report = _judged(data, None, anchors, at, now)
        seal = _sealed(report)
    existed = seal.best_time or at
    with _step("content"):
        value = _read(content)
        record = _record(value["record"])
        made_at = parse_utc(value["made_at"])
    entry, logged = _logged(value["logged"], anchors, DOCUMENT_REGISTERED)
    with _step("record"):
        _check_record(record, value["salt"], entry)
        _check_time(str(value["registered_at"]), entry)
    officer = None
    if value["paper"] is not None:
        with _step("paper"):
            officer = _officer(value["paper"], record, entry["data"]["paper"], anchors, existed, now)
    changes = tuple(_change(each, record, anchors, existed, now) for each in value["changes"])
    with _step("changes"):
        if value["state"] != (STATE_OF[changes[-1].change.act] if changes else "valid"):
            raise RegistrationProofInvalid("the state is not that of the last change", step="changes")
    if document is not None:
        _compare(document, record)
    return RegistrationProven(
        record=record,
        state=value["state"],
        made_at=made_at,
        registered_at=str(value["registered_at"]),
        proven_at=seal.best_time,
        in_log_at=logged.cosigned_at,
        index=logged.index,
        sealed_by=_name(seal),
        officer=officer,
        changes=changes,
        document_compared=document is not None,
        report=report,
    )


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Whatever goes wrong inside, malformed content included, is a refusal that names the step."""
    try:
        yield
    except RegistrationProofInvalid:
        raise
    except DomainError as error:
        raise RegistrationProofInvalid(error.detail, step=name, cause=error.code) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RegistrationProofInvalid("a part is missing or malformed", step=name) from error


def _refuse(step: str, detail: str) -> RegistrationProofInvalid:
    return RegistrationProofInvalid(detail, step=step)


def _judged(
    data: bytes, content: bytes | None, anchors: ProofAnchors, at: datetime, now: datetime
) -> ValidationReport:
    found, trust = read_document(data, content=content), anchors.trust
    if anchors.complete is not None:
        trust = anchors.complete(found, trust, at)
    return judge(found, trust, AlgorithmPolicy.default(), at=at, made_at=now)


def _only_passed(report: ValidationReport, step: str) -> SignatureReport:
    if len(report.signatures) != 1:
        raise _refuse(step, "exactly one signature was expected")
    (signature,) = report.signatures
    if not report.passed:
        why = f"{signature.sub_indication or ''} {signature.detail}".strip()
        raise _refuse(step, f"the signature is {signature.indication}: {why}")
    return signature


def _sealed(report: ValidationReport) -> SignatureReport:
    """A person's key, or that of some organisation, seals no proof."""
    signature = _only_passed(report, "seal")
    if signature.form != "CAdES":
        raise _refuse("seal", "a proof is inside a CAdES signature")
    certificate = x509.load_der_x509_certificate(signature.path[0].der)
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound as error:
        raise _refuse("seal", "the certificate seals nothing for a service") from error
    if SERVICE_SEALING not in purposes:
        raise _refuse("seal", "somebody else's certificate signed what only a service seals")
    return signature


def _read(content: bytes) -> dict[str, Any]:
    value = parse_canonical(content, max_bytes=MAX_CONTENT_BYTES)
    if value.get("type") != PROOF or set(value) != _FIELDS or not isinstance(value["changes"], list):
        raise _refuse("content", "the proof has missing or unknown fields")
    return value


def _record(value: Any) -> Record:
    if not isinstance(value, dict) or set(value) != set(Record.__dataclass_fields__):
        raise _refuse("content", "the record has missing or unknown fields")
    return Record(**value)


def _logged(value: Any, anchors: ProofAnchors, type_: EventType) -> tuple[dict[str, Any], VerifiedProof]:
    with _step("log"):
        entry = from_base64(value["entry"])
        proof = verify_proof(value["proof"], anchors.log, list(anchors.witnesses), entry=entry)
        event = parse_canonical(entry)
        if event["type"] != type_.name or not isinstance(event["data"], dict):
            raise _refuse("log", "the entry is about something else")
        return event, proof


def _check_record(record: Record, salt: str, event: dict[str, Any]) -> None:
    told = event["data"]
    if told["commitment"] != record.commitment(bytes.fromhex(salt)):
        raise _refuse("record", "record and salt do not lead to the commitment in the log")
    digest = record.digest if record.disclosure == "public" else None
    found = (event["subject"], told["document"], told["unit"], told["kind"], told.get("digest"))
    if found != (record.document, record.document, record.unit, record.kind, digest):
        raise _refuse("record", "the log entry and the record contradict each other")


def _check_time(registered_at: str, event: dict[str, Any]) -> None:
    """The service may not say that it was registered at another time than the entry was written."""
    if abs(parse_utc(event["time"]) - parse_utc(registered_at)) > _WRITTEN_WITHIN:
        raise _refuse("record", "the log entry is from another time than the registration is said to be")


def _signed_paper(
    value: Any,
    type_: str,
    digest: str,
    record: Record,
    anchors: ProofAnchors,
    existed: datetime,
    now: datetime,
) -> tuple[dict[str, Any], SignatureReport]:
    """The content of a paper that the log entry names; its signature is judged for when it is proven to have been, and
    is that of somebody who acts for the unit: whoever runs the log cannot let just anybody sign.
    """
    document, signature = from_base64(value["document"]), from_base64(value["signature"])
    if not sha256_hex(document) == value["digest"] == digest:
        raise _refuse("paper", "the paper is another one than the log entry names")
    content = parse_document(document, type_=type_)
    judged = _only_passed(_judged(signature, document, anchors, existed, now), "paper")
    subject = x509.load_der_x509_certificate(judged.path[0].der).subject
    if [each.value for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] != [
        record.unit_name
    ]:
        raise _refuse("paper", "who signed acts for another organisation than the unit")
    return content, judged


def _officer(
    value: Any, record: Record, digest: str, anchors: ProofAnchors, existed: datetime, now: datetime
) -> str:
    content, signature = _signed_paper(value, REGISTRATION, digest, record, anchors, existed, now)
    paper = registration_of(content)
    wanted = Entry(**{name: getattr(record, name) for name in _IN_PAPER})
    if paper.unit != record.unit or wanted not in paper.documents:
        raise _refuse("paper", "the officer signed for another document")
    return _name(signature)


def _change(
    value: Any, record: Record, anchors: ProofAnchors, existed: datetime, now: datetime
) -> ChangeProven:
    with _step("changes"):
        if not isinstance(value, dict) or set(value) != _CHANGE:
            raise _refuse("changes", "a change has missing or unknown fields")
        event, _ = _logged(value["logged"], anchors, DOCUMENT_STATE_CHANGED)
        told = event["data"]
        said = StateChangePaper(value["act"], record.identifier, value["successor"], value["reason"], "")
        officer = None
        if value["paper"] is not None:
            officer = _officer_of_change(value["paper"], said, told["paper"], record, anchors, existed, now)
        leaf, salt = str(value["logged"]["proof"]["leaf_hash"]), str(value["salt"])
        at, paper = str(value["at"]), told["paper"]
        change = Change(said.act, at, said.reason, said.successor, paper, leaf, salt)
        committed = change.commitment(record.document)
        found = (event["subject"], told["document"], told["state"], told["commitment"])
        if found != (record.document, record.document, STATE_OF[said.act], committed):
            raise _refuse("changes", "the log entry and the change contradict each other")
        return ChangeProven(change, officer)


def _officer_of_change(
    value: Any,
    said: StateChangePaper,
    digest: str,
    record: Record,
    anchors: ProofAnchors,
    existed: datetime,
    now: datetime,
) -> str:
    content, signature = _signed_paper(value, STATE_CHANGE, digest, record, anchors, existed, now)
    if replace(state_change_of(content), nonce="") != said:
        raise _refuse("changes", "the officer signed for another change")
    return _name(signature)


def _compare(document: Path | bytes, record: Record) -> None:
    source = BytesIO(document) if isinstance(document, bytes) else document
    if file_digest(source)("sha256").hex() != record.digest:
        raise _refuse("document", "the document at hand is not the one that is registered")


def _name(signature: SignatureReport) -> str:
    """As people know it, with the party."""
    name = name_of(x509.load_der_x509_certificate(signature.path[0].der))
    party = "" if signature.party is None else f" ({signature.party})"
    return f"{name or signature.signer or 'nobody known'}{party}"
