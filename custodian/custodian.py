"""The time custodian: it opens nothing before its own clock, its own anchors and its own journal say so.

The order inside every act is the same: check everything; have the journal's present head cosigned, so that a
silent witness refuses before anything happens; do it; store the answer; write the journal entry; have that
cosigned; answer. A crash anywhere leaves either nothing or an answer that the same request gets again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography import x509

from custodian.ending import require_end
from custodian.errors import (
    JournalNotCosigned,
    KeySetRefused,
    KeysGone,
    KeysUnknown,
    ReleaseConflict,
)
from custodian.journal import Journal, JournalEntry
from custodian.keys import CustodianKeys, check_tender, same_keys
from custodian.release import Batch, count_batches, release_of, require_complete
from custodian.store import Answer, Store
from kernel.canonical import digest_of, from_base64, parse_canonical, sha256_hex
from kernel.clock import Clock, format_utc
from kernel.errors import DomainError, MalformedInput, Unavailable
from kernel.failpoints import reach
from pki.algorithms import fingerprint_of
from pki.crl import RevocationList
from pki.trust import TrustStore
from procurement.package import PackageRefused, StagePackage, verify_stage_package
from procurement.rules.notice import KINDS
from sealing.key_set import KeySet, verify_countersignatures
from signing.cms import Signer, sign_detached
from signing.documents import SignedDocument, sign_document

MAX_DOCUMENT_BYTES = 32 << 20
MAX_CRLS = 32


class Custodian:
    """One custodian over one folder; its methods may be called from several threads and run one at a time."""

    def __init__(
        self,
        *,
        signer: Signer,
        keys: CustodianKeys,
        store: Store,
        journal: Journal,
        root: x509.Certificate,
        log_vkey: str,
        witness_vkeys: tuple[str, ...],
        clock: Clock,
    ) -> None:
        self._signer = signer
        self._keys = keys
        self._store = store
        self._journal = journal
        self._root = root
        self._log_vkey = log_vkey
        self._witness_vkeys = witness_vkeys
        self._clock = clock
        self._lock = threading.RLock()
        self._store.remove_unnamed(journal.entries())
        for entry in journal.entries():
            if entry.act == "keys-destroyed":
                self._keys.destroy(entry.tender)

    @property
    def party(self) -> str:
        return self._signer.party

    @property
    def journal(self) -> Journal:
        return self._journal

    @property
    def signer(self) -> Signer:
        """Certificate and chain are public; the key stays here."""
        return self._signer

    def create_keys(self, tender: str) -> dict[str, bytes]:
        """The public keys for a tender by kind (DER SubjectPublicKeyInfo), made at the first call."""
        with self._lock:
            check_tender(tender)
            if self._find("keys-destroyed", tender):
                raise KeysGone("the keys of this tender were destroyed", tender=tender)
            known = self._store.keys(tender)
            if known is not None and self._find("keys-created", tender):
                return known
            keys = self._keys.create(tender)
            self._store.put_keys(tender, keys)
            self._journal.append("keys-created", tender, digest_of(_key_digests(keys)))
            return keys

    def countersign(self, document: bytes, signatures: Mapping[str, bytes], *, crls: Any = ()) -> bytes:
        """Sign a key set that every member in it has signed; the same set gets the same signature again.

        Raises KeySetRefused when it is not for this custodian's keys, when another set is current that it
        does not replace, or when a signature is missing; KeysUnknown or KeysGone.
        """
        with self._lock:
            digest = sha256_hex(document)
            stored = self._store.key_set(digest)
            if stored is not None and self._find("countersigned", digest=digest):
                return stored[1]
            key_set = KeySet.parse(document)
            self._require_own_keys(key_set)
            now = self._clock.now()
            signature = sign_detached(document, self._signer, at=now)
            trust = self._trust(crls)
            self._check_countersignatures(
                document, key_set, {**signatures, self.party: signature}, trust, now
            )
            self._store.put_key_set(digest, key_set.tender, document, signature)
            self._journal.append("countersigned", key_set.tender, digest)
            self._remember_crls(trust)
            return signature

    def release(self, package: Mapping[str, Any]) -> SignedDocument:
        """Release this custodian's shares of one stage, last of all and into the journal first.

        Raises PackageRefused, TooFewBatches, ReleaseConflict, KeysUnknown, KeysGone, Unavailable (nothing was
        released) or JournalNotCosigned (released; the same request gets the answer).
        """
        with self._lock:
            request = _request_digest(package)
            answered = self._answered(request)
            if answered is not None:
                return answered
            trust = self._trust(package.get("crls", ()))
            try:
                checked, batches = self._check_release(package, trust)
            except DomainError as refusal:
                self._note_refusal(package, refusal)
                raise
            self._require_witness()
            answer = self._make_release(request, checked, batches)
            self._remember_crls(trust)
            return self._give(answer)

    def destroy(self, request: Mapping[str, Any]) -> SignedDocument:
        """Delete the tender's keys and attest it, once a majority has signed its end.

        ``request``: tender, notice, key_set and either award, or decision (one that accepts nobody). Raises
        EndNotProven, KeysUnknown, or as ``release`` when the witness is silent.
        """
        with self._lock:
            tender = check_tender(request.get("tender"))
            public = self._store.keys(tender)
            if public is None:
                raise KeysUnknown("no keys were made here for this tender", tender=tender)
            done = self._find("keys-destroyed", tender)
            if done:
                return self._give(done[0].digest)
            trust = self._trust(request.get("crls", ()))
            countersigned = frozenset(entry.digest for entry in self._find("countersigned", tender))
            present = {kind: self._present_at(tender, kind) for kind in KINDS}
            now = self._clock.now()
            require_end(tender, request, countersigned=countersigned, present=present, trust=trust, now=now)
            self._require_witness()
            reach("custodian.before-destroying")
            self._keys.destroy(tender)
            now = self._clock.now()
            signed = sign_document(
                {
                    "type": "mohr/key-destruction/v1",
                    "tender": tender,
                    "kinds": list(KINDS),
                    "keys": _key_digests(public),
                    "destroyed_at": format_utc(now),
                    "journal_index": self._journal.size,
                },
                self._signer,
                now,
            )
            answer = Answer(
                digest_of({"destroy": tender}), tender, None, (), None, signed.document, signed.signature
            )
            self._store.put_answer(signed.digest, answer)
            self._journal.append("keys-destroyed", tender, signed.digest)
            self._remember_crls(trust)
            return self._give(signed.digest)

    def _require_own_keys(self, key_set: KeySet) -> None:
        tender = check_tender(key_set.tender)
        own = self._store.keys(tender)
        if own is None:
            raise KeysUnknown("no keys were made here for this tender", tender=tender)
        if self._find("keys-destroyed", tender):
            raise KeysGone("the keys of this tender were destroyed", tender=tender)
        custodian = key_set.custodian
        certificate = fingerprint_of(self._signer.certificate)
        if (custodian.party, custodian.signing_certificate) != (self.party, certificate):
            raise KeySetRefused("the key set names another custodian or certificate")
        if not same_keys(custodian.keys, own):
            raise KeySetRefused("the key set holds other keys than those made here for this tender")

    def _check_countersignatures(
        self,
        document: bytes,
        key_set: KeySet,
        signatures: Mapping[str, bytes],
        trust: TrustStore,
        now: datetime,
    ) -> None:
        current = self._find("countersigned", key_set.tender)
        latest = current[-1].digest if current else None
        stored = self._store.key_set(latest) if latest else None
        previous = KeySet.parse(stored[0]) if stored else None
        try:
            verify_countersignatures(document, signatures, trust, now, previous=previous)
        except DomainError as error:
            raise KeySetRefused(error.detail, **{**error.fields, "cause": error.code}) from error

    def _check_release(
        self, package: Mapping[str, Any], trust: TrustStore
    ) -> tuple[StagePackage, tuple[Batch, ...]]:
        stage = package.get("stage")
        if stage not in KINDS:
            raise MalformedInput("a stage is A, B or C")
        now = self._clock.now()
        checked = verify_stage_package(
            package,
            trust=trust,
            log_vkey=self._log_vkey,
            witness_vkeys=self._witness_vkeys,
            now=now,
            kind=stage,
        )
        self._require_own_keys(checked.key_set)
        if not self._find("countersigned", digest=checked.key_set_digest):
            raise PackageRefused(2, "this custodian never countersigned that key set")
        self._require_own_history(checked)
        batches = count_batches(package.get("batches"), checked, trust, now)
        require_complete(checked, batches)
        return checked, batches

    def _require_own_history(self, checked: StagePackage) -> None:
        """No second session of a stage once one was released, and B and C rest on this custodian's own release."""
        if self._releases(checked.tender, checked.stage):
            raise ReleaseConflict("this stage was released before, on another request", stage=checked.stage)
        if checked.previous is None:
            return
        before = self._releases(checked.tender, checked.previous.stage)
        own = [each for each, _ in before]
        sessions = [answer.session_digest for _, answer in before]
        if checked.previous.release_digest not in own or checked.previous.session_digest not in sessions:
            raise PackageRefused(5, "the stage before does not rest on what this custodian released")

    def _make_release(self, request: str, checked: StagePackage, batches: tuple[Batch, ...]) -> str:
        key = self._keys.load(checked.tender, checked.stage)
        releases = [release_of(each, checked, batches, key) for each in checked.submissions]
        now = self._clock.now()
        signed = sign_document(
            {
                "type": "mohr/release/v1",
                "tender": checked.tender,
                "stage": checked.stage,
                "session_digest": checked.session.digest,
                "batches": [batch.digest for batch in batches],
                "releases": releases,
                "released_at": format_utc(now),
                "journal_index": self._journal.size,
            },
            self._signer,
            now,
        )
        self._store.put_answer(
            signed.digest,
            Answer(
                request=request,
                tender=checked.tender,
                stage=checked.stage,
                present=checked.session.present,
                session_digest=checked.session.digest,
                document=signed.document,
                signature=signed.signature,
            ),
        )
        released = tuple(each["manifest_digest"] for each in releases if each["state"] == "ok")
        self._journal.append(
            "released", checked.tender, signed.digest, stage=checked.stage, manifests=released
        )
        return signed.digest

    def _find(self, act: str, tender: str | None = None, *, digest: str | None = None) -> list[JournalEntry]:
        return [
            entry
            for entry in self._journal.entries()
            if entry.act == act
            and (tender is None or entry.tender == tender)
            and (digest is None or entry.digest == digest)
        ]

    def _present_at(self, tender: str, stage: str) -> tuple[str, ...] | None:
        releases = self._releases(tender, stage)
        return releases[-1][1].present if releases else None

    def _releases(self, tender: str, stage: str) -> list[tuple[str, Answer]]:
        entries = [entry for entry in self._find("released", tender) if entry.stage == stage]
        return [(entry.digest, self._store.answer(entry.digest)) for entry in entries]

    def _answered(self, request: str) -> SignedDocument | None:
        for entry in self._find("released"):
            if self._store.answer(entry.digest).request == request:
                return self._give(entry.digest)
        return None

    def _give(self, digest: str) -> SignedDocument:
        """The stored answer, once the witness has seen the journal that holds it."""
        try:
            self._journal.cosign()
        except Unavailable as error:
            raise JournalNotCosigned(
                "done and in the journal, but not cosigned yet; ask again", digest=digest
            ) from error
        reach("custodian.before-answering")
        answer = self._store.answer(digest)
        return SignedDocument(answer.document, answer.signature)

    def _require_witness(self) -> None:
        try:
            self._journal.cosign()
        except Unavailable as error:
            raise Unavailable("the witness does not answer; nothing was done", cause=error.code) from error

    def _note_refusal(self, package: Mapping[str, Any], refusal: DomainError) -> None:
        """One entry per refused session of a known tender; what is not even a session leaves no trace."""
        try:
            document = from_base64(package["session"]["document"], max_bytes=MAX_DOCUMENT_BYTES)
            session = parse_canonical(document, max_bytes=MAX_DOCUMENT_BYTES)
            tender, stage = check_tender(session["tender"]), session["stage"]
        except (DomainError, KeyError, TypeError):
            return
        digest = sha256_hex(document)
        if stage in KINDS and self._find("keys-created", tender) and not self._find("refused", digest=digest):
            self._journal.append("refused", tender, digest, stage=stage)

    def _trust(self, crls: Any) -> TrustStore:
        """The pinned root with the lists kept here and those given; each is judged when it is used."""
        if not isinstance(crls, list | tuple) or len(crls) > MAX_CRLS:
            raise MalformedInput("revocation lists are a list of base64 texts", limit=MAX_CRLS)
        given = [from_base64(crl, max_bytes=MAX_DOCUMENT_BYTES) for crl in crls]
        return TrustStore([self._root], list(self._signer.chain), [*self._store.crls(), *given])

    def _remember_crls(self, trust: TrustStore) -> None:
        """Keep the newest lists and deltas of the authorities known here, so that older ones cannot be slipped in."""
        for authority in (self._root, *self._signer.chain):
            key = RevocationList.key_for(authority)
            for der in trust.crls():
                parsed = RevocationList.parse(der)
                if parsed.key == key and parsed.is_signed_by(authority):
                    name = sha256_hex(key) if parsed.base is None else f"{sha256_hex(key)}-delta"
                    self._store.put_crl(name, der)


def _key_digests(keys: Mapping[str, bytes]) -> dict[str, str]:
    return {kind: sha256_hex(keys[kind]) for kind in KINDS}


def _request_digest(package: Mapping[str, Any]) -> str:
    """What makes two release requests the same: stage and session.

    Not the batches: a member may hand in one more between a release and the server's second question after a
    crash, and that must get the answer given.
    """
    try:
        session = sha256_hex(from_base64(package["session"]["document"], max_bytes=MAX_DOCUMENT_BYTES))
        stage = package["stage"]
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedInput("a release names stage and session") from error
    return digest_of({"session": session, "stage": stage})
