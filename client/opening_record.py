"""An opening record as a member can check it: the seal of the server, the session, the secrets, the contents.

(1) a service signed it; (2) it is about this session, and names each of its envelopes once; (3) the disclosed secrets
lead to the key that the bidder committed to in the header; (4) each bid shown is the one whose digest the
record holds, for the context of its header. What needs the sealed blobs (that the content is what those
secrets decrypt, rebuilt byte for byte) is the auditors' check.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from client.errors import NotVerified
from kernel.canonical import digest_of, from_base64
from pki.trust import TrustStore
from procurement.package import MAX_DOCUMENT_BYTES, StagePackage
from procurement.published import Signed, read_signed, require_service
from procurement.rules.commission import seat_of
from procurement.rules.facts import OpeningResult
from sealing.coins import SECRET_BYTES, Secrets
from sealing.envelope import EnvelopeHeader
from sealing.shares import kek_commitment_of


@dataclass(frozen=True, slots=True)
class CheckedRecord:
    """A checked record; ``bids`` are the opened ``mohr/bid/v1`` by manifest digest."""

    document: bytes
    digest: str
    content: dict[str, Any]
    results: tuple[OpeningResult, ...]
    bids: Mapping[str, Any]


def check_record(
    wire: Mapping[str, Any],
    shown: Mapping[str, Any],
    package: StagePackage,
    trust: TrustStore,
    now: datetime,
) -> CheckedRecord:
    """Checks (1) to (4) on the answers of the record and bids routes; raises NotVerified and DomainErrors."""
    document = from_base64(wire["document"], max_bytes=MAX_DOCUMENT_BYTES)
    signed = _sealed(document, wire["signatures"], package, trust, now)
    value = signed.document
    about = (value["tender"], value["stage"], value["session_digest"])
    if about != (package.tender, package.stage, package.session.digest):
        raise NotVerified("record", "the record is about another session")
    results = tuple(OpeningResult.parse(result) for result in value["results"])
    if sorted(result.manifest_digest for result in results) != sorted(package.session.manifests):  # (2)
        raise NotVerified("record", "the record does not name each envelope of its session once")
    submissions = {each.manifest_digest: each for each in package.submissions}
    by_manifest = {entry["manifest_digest"]: entry["bid"] for entry in shown["bids"]}
    bids = {}
    for raw, result in zip(value["results"], results, strict=True):
        submission = submissions[result.manifest_digest]
        if (result.lot, result.bidder) != (submission.manifest.lot, submission.manifest.bidder):
            raise NotVerified(
                "record", "a result names another lot or bidder", manifest=result.manifest_digest
            )
        if result.outcome == "opened":
            header = submission.headers[package.stage]
            _check_secrets(raw, header)  # (3)
            bids[result.manifest_digest] = _bid(by_manifest, result, header)  # (4)
    return CheckedRecord(document, signed.digest, value, results, bids)


def _sealed(
    document: bytes, signatures: Mapping[str, str], package: StagePackage, trust: TrustStore, now: datetime
) -> Signed:
    """(1)"""
    for party, signature in signatures.items():
        if seat_of(package.notice.notice.commission, party) is not None:
            continue
        signed = read_signed(
            document,
            from_base64(signature),
            trust,
            type_="mohr/opening-record/v1",
            now=now,
            party=party,
            max_bytes=MAX_DOCUMENT_BYTES,
        )
        require_service(signed.certificate)
        return signed
    raise NotVerified("record", "the record is not sealed by the server")


def _check_secrets(result: Mapping[str, Any], header: EnvelopeHeader) -> None:
    member = bytes.fromhex(result["member_secret"])
    custodian = bytes.fromhex(result["custodian_secret"])
    if len(member) != SECRET_BYTES or len(custodian) != SECRET_BYTES:
        raise NotVerified("secrets", "a disclosed secret is not 32 bytes long")
    context_digest = header.context.digest()
    commitment = kek_commitment_of(context_digest, Secrets(member, custodian).kek(context_digest))
    if not hmac.compare_digest(commitment, header.kek_commitment):
        raise NotVerified(
            "secrets", "the disclosed secrets are not those of the envelope", bidder=header.context.bidder
        )


def _bid(shown: Mapping[str, Any], result: OpeningResult, header: EnvelopeHeader) -> Any:
    bid = shown.get(result.manifest_digest)
    if bid is None or digest_of(bid) != result.bid_digest:
        raise NotVerified("bids", "a bid shown is not the one in the record", manifest=result.manifest_digest)
    if bid["type"] != "mohr/bid/v1" or bid["context"] != header.context.to_json():
        raise NotVerified("bids", "a bid belongs to another envelope", manifest=result.manifest_digest)
    return bid
