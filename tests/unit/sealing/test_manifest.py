"""Manifest and seal: one time-stamped signature binds all three envelopes of a submission."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from kernel.canonical import canonical_bytes, parse_canonical, sha256_hex
from kernel.errors import MalformedInput
from pki.errors import CertificateUntrusted
from sealing.context import KINDS
from sealing.envelope import EnvelopeHeader
from sealing.errors import EnvelopeInvalid, HeadersMismatch
from sealing.manifest import Manifest, SealReport, seal_manifest, verify_seal
from signing.cms import Signer, sign_detached
from signing.errors import SignatureInvalid, WrongSigner
from tests.support.authority import make_authority
from tests.unit.sealing.builders import BIDDER, Commission, make_commission

PAYLOAD = bytes(1024)


class Submission:
    """The three headers of one bid with manifest and seal."""

    def __init__(self, commission: Commission, **changes: Any) -> None:
        self.authority = commission.authority
        self.bidder: Signer = self.authority.organisation(BIDDER)
        self.headers = {kind: commission.seal(PAYLOAD, kind, **changes).header for kind in KINDS}
        self.manifest = Manifest.of(commission.context("A", **changes), self.headers).document()
        self.seal = self.sealed(self.manifest)

    def sealed(self, manifest: bytes, signer: Signer | None = None) -> bytes:
        authority = self.authority
        return seal_manifest(manifest, signer or self.bidder, at=authority.now, timestamp=authority.stamp)

    def changed(self, change: Callable[[dict[str, Any]], None]) -> tuple[bytes, bytes]:
        """Another manifest, sealed by the bidder himself."""
        value = parse_canonical(self.manifest)
        change(value)
        manifest = canonical_bytes(value)
        return manifest, self.sealed(manifest)

    def verify(
        self,
        manifest: bytes | None = None,
        seal: bytes | None = None,
        headers: dict[str, bytes] | None = None,
        party: str = BIDDER,
    ) -> SealReport:
        return verify_seal(
            manifest or self.manifest,
            seal or self.seal,
            self.headers if headers is None else headers,
            self.authority.trust_store(),
            now=self.authority.now,
            party=party,
        )


@pytest.fixture(scope="module")
def submission(commission: Commission) -> Submission:
    return Submission(commission)


def test_a_seal_is_accepted_with_the_time_of_its_stamp(
    submission: Submission, commission: Commission
) -> None:
    """Manifest, headers, certificate and the time that counts come out of one check."""
    report = submission.verify()

    assert report.manifest == Manifest.parse(submission.manifest)
    assert report.headers == {
        kind: EnvelopeHeader.parse(header) for kind, header in submission.headers.items()
    }
    assert report.sealed_at == commission.authority.now
    assert report.certificate == submission.bidder.certificate
    assert report.timestamp_token in submission.seal


def test_the_time_is_the_stamps_and_not_the_readers() -> None:
    """A seal read an hour later still counts from its stamp; the signer's own claim decides nothing."""
    own = Submission(make_commission(3, 2))
    claimed = own.authority.now - timedelta(days=3)
    sealed_at = own.authority.now
    seal = seal_manifest(own.manifest, own.bidder, at=claimed, timestamp=own.authority.stamp)
    own.authority.clock.advance(timedelta(hours=1))  # type: ignore[attr-defined]

    assert own.verify(seal=seal).sealed_at == sealed_at


def test_a_manifest_survives_its_document(commission: Commission) -> None:
    """What is written is read, and the context of each kind follows from it."""
    headers = {kind: kind.encode() for kind in KINDS}
    manifest = Manifest.of(commission.context("B"), headers)

    assert Manifest.parse(manifest.document()) == manifest
    assert manifest.headers == {kind: sha256_hex(kind.encode()) for kind in KINDS}
    assert [manifest.context(kind) for kind in KINDS] == [commission.context(kind) for kind in KINDS]


def test_a_seal_without_a_time_stamp_is_refused(submission: Submission) -> None:
    """Without a stamp nobody could say whether the bid was in time."""
    bare = sign_detached(submission.manifest, submission.bidder, at=submission.authority.now)

    with pytest.raises(SignatureInvalid):
        submission.verify(seal=bare)


def test_a_stamp_over_another_signature_is_refused(submission: Submission) -> None:
    """An early stamp cannot be moved to a later seal."""
    early = submission.authority.stamp(b"another signature")
    seal = seal_manifest(
        submission.manifest, submission.bidder, at=submission.authority.now, timestamp=lambda _: early
    )

    with pytest.raises(Exception, match="stamp") as refusal:
        submission.verify(seal=seal)
    assert getattr(refusal.value, "code", None) == "timestamp-invalid"


def test_a_stamp_of_a_foreign_authority_is_refused(submission: Submission) -> None:
    """A bidder's own clock is no time-stamping authority."""
    foreign = make_authority(name="Foreign")
    seal = seal_manifest(
        submission.manifest, submission.bidder, at=submission.authority.now, timestamp=foreign.stamp
    )

    with pytest.raises(CertificateUntrusted):
        submission.verify(seal=seal)


def test_anothers_seal_is_refused(submission: Submission) -> None:
    """Nobody submits in another's name: not by sealing his manifest, nor by being logged in as another."""
    stranger = submission.authority.organisation("IRO-OTHER")

    with pytest.raises(WrongSigner):
        submission.verify(seal=submission.sealed(submission.manifest, stranger))
    with pytest.raises(WrongSigner):
        submission.verify(party="IRO-OTHER")
    with pytest.raises(HeadersMismatch):
        submission.verify(seal=submission.sealed(submission.manifest, stranger), party="IRO-OTHER")


def test_a_seal_over_another_manifest_is_refused(submission: Submission) -> None:
    """The seal holds for these bytes only."""
    manifest, _ = submission.changed(lambda value: value.update(lot="2"))

    with pytest.raises(SignatureInvalid):
        submission.verify(manifest=manifest)


@pytest.mark.parametrize("kind", KINDS)
def test_an_exchanged_header_is_refused(submission: Submission, commission: Commission, kind: str) -> None:
    """Each header is the one that was sealed; a fresh one for the same bid does not serve."""
    other = commission.seal(PAYLOAD, kind).header

    with pytest.raises(HeadersMismatch) as refusal:
        submission.verify(headers={**submission.headers, kind: other})
    assert refusal.value.fields == {"kind": kind}


def test_missing_and_additional_headers_are_refused(submission: Submission) -> None:
    """A submission is exactly A, B and C."""
    less = {kind: submission.headers[kind] for kind in ("A", "B")}

    for headers in (less, {}, {**submission.headers, "D": submission.headers["C"]}):
        with pytest.raises(HeadersMismatch):
            submission.verify(headers=headers)


@pytest.mark.parametrize(
    "changes",
    [{"submission_number": 2}, {"lot": "2"}, {"bidder": "IRO-VICTIM"}, {"notice_digest": "99" * 32}],
)
def test_a_header_of_another_bid_is_refused_though_bound(
    submission: Submission, commission: Commission, changes: dict[str, Any]
) -> None:
    """A bidder who seals a manifest around a header of another bid, his own or not, is refused."""
    foreign = commission.seal(PAYLOAD, "C", **changes).header
    manifest, seal = submission.changed(lambda value: value["headers"].update(C=sha256_hex(foreign)))

    with pytest.raises(HeadersMismatch):
        submission.verify(manifest, seal, {**submission.headers, "C": foreign})


def test_headers_in_each_others_place_are_refused(submission: Submission) -> None:
    """A price header in the place of the guarantee would be opened a stage too early."""
    manifest, seal = submission.changed(
        lambda value: value["headers"].update(A=value["headers"]["C"], C=value["headers"]["A"])
    )
    exchanged = {**submission.headers, "A": submission.headers["C"], "C": submission.headers["A"]}

    with pytest.raises(HeadersMismatch):
        submission.verify(manifest, seal, exchanged)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "mohr/receipt/v1"},
        {"note": ""},
        {"headers": {"A": "00" * 32}},
        {"headers": {"A": "00" * 32, "B": "00" * 32, "C": "00" * 31}},
        {"headers": {"A": "00" * 32, "B": "00" * 32, "C": "00" * 32, "D": "00" * 32}},
        {"headers": "ABC"},
        {"submission_number": 0},
        {"submission_number": "1"},
        {"lot": 1},
        {"bidder": ""},
        {"key_set_digest": "x"},
    ],
)
def test_a_manifest_of_another_form_is_refused(submission: Submission, change: dict[str, Any]) -> None:
    """Exactly its fields, exactly three headers, and values of their one form."""
    with pytest.raises((EnvelopeInvalid, MalformedInput)):
        Manifest.parse(canonical_bytes({**parse_canonical(submission.manifest), **change}))


def test_a_manifest_that_is_not_canonical_is_refused(submission: Submission) -> None:
    """One manifest has one digest."""
    with pytest.raises(MalformedInput):
        Manifest.parse(submission.manifest.replace(b":", b": ", 1))
