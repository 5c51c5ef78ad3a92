"""Manifest and seal: three headers, one bidder, one time stamp, and none of them can be exchanged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kernel.canonical import canonical_bytes, parse_canonical, sha256_hex
from kernel.errors import DomainError, MalformedInput
from pki.errors import CertificateRevoked, TimestampInvalid
from sealing.context import KINDS
from sealing.envelope import EnvelopeHeader
from sealing.errors import EnvelopeInvalid, HeadersMismatch
from sealing.manifest import Manifest, SealReport, seal_manifest, verify_seal
from sealing.opening import open_envelope
from signing.cms import Signer, sign_detached
from signing.errors import SignatureInvalid, WrongSigner
from tests.support.authority import after, make_authority
from tests.unit.sealing.builders import BIDDER, Commission, make_commission, with_header

OTHER = "IRO-14009999999"


class Submission:
    """A sealed submission; everything in it may be replaced before ``verify``."""

    def __init__(self, commission: Commission, number: int = 1) -> None:
        self.commission = commission
        self.authority = commission.authority
        self.bidder = self.authority.organisation(BIDDER)
        self.sealed = {kind: commission.seal(bytes(1024), kind, submission_number=number) for kind in KINDS}
        self.headers = {kind: sealed.header for kind, sealed in self.sealed.items()}
        self.manifest = self.bind()
        self.seal = self.sign()

    def bind(self, **changes: Any) -> bytes:
        context = EnvelopeHeader.parse(self.headers["A"]).context
        return replace(Manifest.of(context, self.headers), **changes).document()

    def sign(self, signer: Signer | None = None) -> bytes:
        stamp = self.authority.stamp
        return seal_manifest(self.manifest, signer or self.bidder, at=self.authority.now, timestamp=stamp)

    def verify(self, party: str = BIDDER) -> SealReport:
        trust, now = self.authority.trust_store(), self.authority.now
        return verify_seal(self.manifest, self.seal, self.headers, trust, now=now, party=party)


@pytest.fixture
def submission(commission: Commission) -> Submission:
    return Submission(commission)


def test_a_seal_binds_manifest_headers_and_time(submission: Submission) -> None:
    """An honest submission is accepted, with the time of its stamp and the headers it binds."""
    report = submission.verify()

    assert report.manifest == Manifest.parse(submission.manifest)
    assert {kind: header.document for kind, header in report.headers.items()} == submission.headers
    assert report.sealed_at == submission.authority.now
    assert report.certificate == submission.bidder.certificate
    assert submission.manifest == report.manifest.document()


@pytest.mark.parametrize(("one", "other"), [("A", "B"), ("A", "C"), ("B", "C")])
def test_headers_cannot_change_places(submission: Submission, one: str, other: str) -> None:
    """The price cannot be handed in as the guarantee, neither beside the manifest nor bound by it."""
    headers = submission.headers
    submission.headers = {**headers, one: headers[other], other: headers[one]}
    with pytest.raises(HeadersMismatch):
        submission.verify()

    submission.manifest = replace(
        Manifest.parse(submission.manifest),
        headers={kind: sha256_hex(header) for kind, header in submission.headers.items()},
    ).document()
    submission.seal = submission.sign()
    with pytest.raises(HeadersMismatch) as refusal:
        submission.verify()
    assert refusal.value.fields == {"kind": one}


@pytest.mark.parametrize("change", ["missing", "more", "replaced"])
def test_exactly_the_bound_headers(submission: Submission, change: str) -> None:
    """No header is left out, added, or taken from another submission of the same bidder."""
    fresh = Submission(submission.commission).headers["C"]
    headers = dict(submission.headers)
    submission.headers = {
        "missing": {kind: headers[kind] for kind in "AB"},
        "more": {**headers, "D": headers["C"]},
        "replaced": {**headers, "C": fresh},
    }[change]

    with pytest.raises(HeadersMismatch):
        submission.verify()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tender", "01930000-0000-7000-8000-000000000002"),
        ("lot", "2"),
        ("notice_digest", "22" * 32),
        ("key_set_digest", "33" * 32),
        ("submission_number", 2),
    ],
)
def test_headers_of_another_context_are_refused(submission: Submission, name: str, value: object) -> None:
    """Headers copied under a manifest for another tender, lot, notice, key set or number do not count."""
    submission.manifest = submission.bind(**{name: value})
    submission.seal = submission.sign()

    with pytest.raises(HeadersMismatch):
        submission.verify()


def test_a_seal_without_a_time_stamp_is_refused(submission: Submission) -> None:
    """Without the stamp nobody knows whether the seal was made in time."""
    submission.seal = sign_detached(submission.manifest, submission.bidder, at=submission.authority.now)

    with pytest.raises(SignatureInvalid):
        submission.verify()


def test_a_stamp_of_another_seal_is_refused(submission: Submission) -> None:
    """An earlier stamp cannot be carried over to a later seal: that would back-date it."""
    early = submission.authority.stamp(b"another signature")
    submission.seal = seal_manifest(
        submission.manifest, submission.bidder, at=submission.authority.now, timestamp=lambda _: early
    )

    with pytest.raises(TimestampInvalid):
        submission.verify()


def test_another_party_cannot_seal(submission: Submission) -> None:
    """Neither is another's seal taken for the bidder's, nor the bidder's for another's."""
    submission.seal = submission.sign(submission.authority.organisation(OTHER))
    with pytest.raises(WrongSigner):
        submission.verify()
    with pytest.raises(HeadersMismatch):
        submission.verify(party=OTHER)


def test_a_copied_submission_sealed_by_the_copier_is_refused(submission: Submission) -> None:
    """Whoever puts his own name into the manifest over another's headers has headers that contradict it."""
    submission.manifest = submission.bind(bidder=OTHER)
    submission.seal = submission.sign(submission.authority.organisation(OTHER))

    with pytest.raises(HeadersMismatch):
        submission.verify(party=OTHER)


def test_a_certificate_revoked_before_the_stamp_cannot_seal() -> None:
    """A stolen key is of no use once it is reported; what was sealed before stands."""
    submission = Submission(make_commission(3, 2, authority=make_authority()))
    authority, early = submission.authority, submission.seal
    after(authority, timedelta(minutes=1))
    authority.revoke(submission.bidder.certificate)
    sealed_at = after(authority, timedelta(minutes=1))
    late = submission.sign()

    assert submission.verify().sealed_at < sealed_at
    submission.seal = late
    with pytest.raises(CertificateRevoked):
        submission.verify()
    submission.seal = early
    assert submission.verify().manifest.bidder == BIDDER


def test_a_stale_key_set_is_refused_at_the_opening(submission: Submission) -> None:
    """What was sealed to members who were replaced since is not opened with the shares of their successors."""
    commission = submission.commission
    value = parse_canonical(commission.key_set.document)
    newer = type(commission.key_set).parse(canonical_bytes({**value, "previous": commission.key_set.digest}))
    sealed = submission.sealed["C"]
    shares, custodian = commission.member_shares(sealed, (1, 2, 3)), commission.share(sealed, 0)

    with pytest.raises(EnvelopeInvalid):
        open_envelope(EnvelopeHeader.parse(sealed.header), sealed.blobs, newer, shares, custodian)


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": {"A": "00" * 32, "B": "00" * 32}},
        {"headers": {"A": "00" * 32, "B": "00" * 32, "C": "00" * 32, "D": "00" * 32}},
        {"headers": {"A": "00" * 32, "B": "00" * 32, "C": "AA" * 32}},
        {"headers": ["A", "B", "C"]},
        {"headers": None},
        {"submission_number": 0},
        {"submission_number": True},
        {"submission_number": "1"},
        {"submission_number": 10_001},
        {"notice_digest": "0" * 63},
        {"key_set_digest": "A" * 64},
        {"bidder": ""},
        {"lot": "x" * 101},
        {"tender": 7},
        {"type": "mohr/manifest/v2"},
        {"note": "more"},
    ],
)
def test_a_manifest_of_another_form_is_refused(submission: Submission, changes: dict[str, Any]) -> None:
    """A sealed manifest has one form; a signature over anything else is no seal."""
    submission.manifest = canonical_bytes({**parse_canonical(submission.manifest), **changes})
    submission.seal = submission.sign()

    with pytest.raises((EnvelopeInvalid, MalformedInput)):
        submission.verify()


def test_a_bound_header_of_another_form_is_refused(submission: Submission) -> None:
    """Binding a malformed header under a good seal does not make it a header."""

    def another_suite(value: dict[str, Any]) -> None:
        value["suite"] = "mohr-envelope-2"

    submission.headers["B"] = with_header(submission.sealed["B"], another_suite).header
    submission.manifest = submission.bind()
    submission.seal = submission.sign()

    with pytest.raises(EnvelopeInvalid):
        submission.verify()


def test_every_byte_of_seal_and_manifest_counts(submission: Submission) -> None:
    """Wherever a bit is turned in manifest or seal, the submission is refused, and by a typed refusal."""
    for name in ("manifest", "seal"):
        honest = getattr(submission, name)
        for position in range(0, len(honest), 37):
            changed = bytearray(honest)
            changed[position] ^= 0x10
            setattr(submission, name, bytes(changed))
            with pytest.raises(DomainError):
                submission.verify()
        setattr(submission, name, honest)
