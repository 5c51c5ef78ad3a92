"""Seals of copiers, of revoked certificates and to stale key sets, and seals damaged anywhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kernel.canonical import canonical_bytes, parse_canonical
from kernel.errors import DomainError
from pki.errors import CertificateRevoked
from sealing.context import KINDS
from sealing.envelope import EnvelopeHeader
from sealing.errors import EnvelopeInvalid, HeadersMismatch
from sealing.manifest import Manifest, SealReport, seal_manifest, verify_seal
from sealing.opening import open_envelope
from signing.cms import Signer
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
