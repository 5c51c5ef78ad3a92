"""What the use cases of procurement need from outside; adapters and app wire the real things in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

from sqlalchemy.orm import Session

from kernel.clock import Clock
from kernel.unit_of_work import UnitOfWork
from pki.trust import TrustStore
from procurement.rules.tender import Tender
from procurement.uploads import PartialUpload, UploadPlace
from sealing.content import Content
from signing.cms import Signer


@dataclass(frozen=True)
class Actor:
    """Who is asking: a party that proved its certificate in this session."""

    party: str
    roles: frozenset[str]
    fingerprint: str


@dataclass(frozen=True)
class StoredDocument:
    """A canonical document with its detached signatures by party."""

    kind: str
    stage: str | None
    party: str | None
    digest: str
    document: bytes
    signatures: dict[str, bytes]


@dataclass
class StoredAct:
    """One confidential act of a bidder (submission, withdrawal, refusal) with what its commitment hides."""

    tender: str
    act: str
    lot: str
    bidder: str
    submission_number: int | None
    digest: str
    manifest_digest: str | None
    received_at: str
    counter: int
    counter_salt: str
    salt: str
    leaf_hash: str
    content: dict[str, Any]
    receipt: bytes
    receipt_signature: bytes
    reason: str | None = None


@dataclass
class StoredSubmission:
    """A received manifest with its seal and headers; ``missing`` names the blobs that have not arrived."""

    id: str
    tender: str
    lot: str
    bidder: str
    submission_number: int
    manifest_digest: str
    manifest: bytes
    seal: bytes
    headers: dict[str, bytes]
    received_at: str
    sealed_at: str
    state: str
    counter: int
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StoredBlob:
    """Where a blob of a submission is, or is to be, in the object store."""

    name: str
    length: int
    digest: str
    received: bool


@dataclass(frozen=True)
class StoredMinutes:
    """Minutes with at least one signature; ``revision`` counts them, ``renderer`` made the unsigned pages."""

    stage: str
    revision: int
    digest: str
    renderer: str
    pdf: bytes


class Tenders(Protocol):
    def add(self, tender: Tender, *, drafted_by: str) -> None: ...
    def load(self, tender_id: str) -> Tender:
        """Raises NotFound. In a unit of work it also takes the tender for this transaction.

        So it comes before whatever else is read there: one writer of a tender follows the other.
        """
        ...

    def drafted_by(self, tender_id: str) -> str: ...
    def save(self, tender: Tender, *, closes_at: str | None = None) -> None:
        """Compare-and-swap on the version that was loaded; raises Conflict when somebody else was first."""
        ...

    def due(self, now: str) -> list[str]:
        """Identifiers of the published tenders whose grace has ended at ``now``."""
        ...

    def all_ids(self) -> list[str]: ...
    def published_ids(self, *, after: str, limit: int) -> list[str]:
        """Identifiers of tenders that were published, above ``after``, in order."""
        ...


class Documents(Protocol):
    def put(
        self,
        tender: str,
        kind: str,
        document: bytes,
        *,
        stage: str | None = None,
        party: str | None = None,
        signatures: Mapping[str, bytes] | None = None,
    ) -> str: ...
    def sign(self, tender: str, digest: str, party: str, signature: bytes) -> None: ...
    def find(
        self, tender: str, kind: str, *, stage: str | None = None, party: str | None = None
    ) -> list[StoredDocument]: ...
    def one(
        self, tender: str, kind: str, *, stage: str | None = None, party: str | None = None
    ) -> StoredDocument:
        """The newest of that kind; raises NotFound."""
        ...

    def maybe(
        self, tender: str, kind: str, *, stage: str | None = None, party: str | None = None
    ) -> StoredDocument | None: ...
    def by_digest(self, tender: str, digest: str) -> StoredDocument | None: ...
    def all(self, tender: str) -> list[StoredDocument]: ...


class Submissions(Protocol):
    def add(self, submission: StoredSubmission, blobs: Sequence[StoredBlob]) -> None: ...
    def get(self, submission_id: str) -> StoredSubmission: ...
    def by_manifest(self, tender: str, manifest_digest: str) -> StoredSubmission | None: ...
    def of_tender(self, tender: str) -> list[StoredSubmission]: ...
    def before(
        self, tender: str, lot: str, bidder: str, manifest_digest: str
    ) -> tuple[StoredSubmission | None, int]:
        """The submission with that manifest, and the last number of that bidder and lot."""
        ...

    def last_number(self, tender: str, lot: str, bidder: str) -> int: ...
    def current(self, tender: str, lot: str, bidder: str) -> StoredSubmission | None:
        """The newest one that is neither replaced nor withdrawn."""
        ...

    def complete(self, tender: str, lot: str, bidder: str) -> list[StoredSubmission]:
        """Those of a bidder that are whole and stand; reads nobody else's."""
        ...

    def set_state(self, submission_id: str, state: str) -> None: ...
    def blob(self, submission_id: str, name: str) -> StoredBlob | None: ...
    def blobs(self, submission_id: str) -> list[StoredBlob]: ...
    def mark_received(self, submission_id: str, name: str) -> None: ...
    def add_act(self, act: StoredAct) -> None: ...
    def acts(self, tender: str) -> list[StoredAct]: ...


class MinutesStore(Protocol):
    def maybe(self, tender: str, stage: str) -> StoredMinutes | None: ...
    def all(self, tender: str) -> list[StoredMinutes]: ...
    def put(self, tender: str, minutes: StoredMinutes) -> None:
        """Compare-and-swap on the revision before; raises MinutesStale when somebody else was first.

        The tender was loaded before, so that one signer follows the other.
        """
        ...


class Upload(Protocol):
    """A blob while it arrives, held by one line at a time."""

    length: int
    resumed: bool

    def write(self, data: bytes) -> None: ...
    def digest(self) -> str: ...
    def adopt(self) -> None:
        """Keep it for good under its digest; raises StorageFull."""
        ...

    def drop(self) -> None: ...
    def close(self) -> None: ...


class ObjectStore(Protocol):
    """Content-addressed files; a name exists only once its bytes are durable."""

    def begin(self, place: UploadPlace, offset: int) -> Upload:
        """Raises UploadInProgress, UploadOffset or TooManyUploads."""
        ...

    def staged(self, place: UploadPlace) -> int: ...
    def partial_uploads(self) -> list[PartialUpload]: ...
    def discard(self, partial: PartialUpload) -> None: ...
    def read(self, digest: str) -> bytes:
        """Raises NotFound."""
        ...

    def content(self, digest: str) -> Content:
        """Raises NotFound."""
        ...

    def has(self, digest: str) -> bool: ...
    def scratch(self) -> IO[bytes]:
        """A file that nobody else can read, gone when it is closed."""
        ...


class Custodian(Protocol):
    """The time custodian as the server sees it: a process of its own that answers signed documents."""

    def create_keys(self, tender: str) -> dict[str, Any]: ...
    def countersign(self, key_set: bytes, signatures: Mapping[str, bytes]) -> bytes: ...
    def release(self, package: dict[str, Any]) -> tuple[bytes, bytes]: ...
    def destroy(self, request: dict[str, Any]) -> tuple[bytes, bytes]: ...


class Directory(Protocol):
    """The certificates and names that identity and pki hold for a party."""

    def encryption_certificate(self, session: Session, party: str) -> bytes: ...
    def signing_certificate_digest(self, session: Session, party: str) -> str: ...
    def name(self, session: Session, party: str) -> str: ...


@dataclass(frozen=True)
class Repositories:
    tenders: Tenders
    documents: Documents
    submissions: Submissions
    minutes: MinutesStore


@dataclass(frozen=True)
class Desk:
    """Everything a use case of procurement is handed; built once in app/bootstrap.py.

    ``reading`` opens a session whose changes are thrown away and which takes no writer's lock;
    ``event_naming(session, tender, digest)`` finds the public event whose data names that digest;
    ``max_envelope_bytes`` is the longest blob that an upload may bring, whatever a notice would allow;
    ``proof_for(entry)`` gives the proof of a log entry under the newest cosigned checkpoint, or None.
    """

    unit_of_work: Callable[[], UnitOfWork]
    reading: Callable[[], AbstractContextManager[Session]]
    repositories: Callable[[Session], Repositories]
    objects: ObjectStore
    custodian: Custodian
    directory: Directory
    trust: Callable[[], TrustStore]
    crls: Callable[[], list[bytes]]
    receipt_signer: Signer
    clock: Clock
    event_naming: Callable[[Session, str, str], bytes | None]
    proof_for: Callable[[bytes], dict[str, Any] | None]
    publisher: dict[str, str]
    max_envelope_bytes: int
    demo: bool
