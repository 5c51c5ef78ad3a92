"""The openings of a tender, made again: the package, the batches, the custodian's release, every envelope."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import IO, Any

from audit.evidence import Anchors, LoggedEvent
from audit.report import Finding
from audit.tender import TenderFile
from kernel.canonical import canonical_bytes, sha256_hex, to_base64
from kernel.clock import parse_utc
from kernel.errors import DomainError
from kernel.storage import refusing_when_full
from procurement.package import StagePackage, verify_stage_package
from procurement.published import read_signed
from procurement.rules.commission import has_majority
from sealing.coins import Secrets
from sealing.content import PIECE_BYTES
from sealing.envelope import EnvelopeHeader
from sealing.errors import Disputed, Unopenable
from sealing.opening import open_envelope_to
from sealing.payload import examine_payload
from sealing.shares import Share, check_share
from signing.documents import verify_signatures

STAGES = ("A", "B", "C")
_BEFORE = {"A": None, "B": "A", "C": "B"}
_DOCUMENTS = {
    "attendance-recorded": "attendance-{party}.json",
    "opening-started": "session.json",
    "share-batch-received": "batch-{party}.json",
    "opening-recorded": "record.json",
    "decision-made": "decision.json",
}
_IN_ORDER = ("attendance-recorded", "opening-started", "opening-recorded", "decision-made")


def check_openings(file: TenderFile, anchors: Anchors) -> int:
    """Repeat each stage that was opened; a stage that the log says was recorded must be here."""
    made = 0
    for stage in STAGES:
        if file.has(f"openings/{stage}/record.json"):
            _check_stage(file, anchors, stage)
            made += len(file.records[stage]["results"])
        elif _in_log(file, "opening-recorded", stage):
            raise Finding("the log holds an opening that is not here", where=file.path(f"openings/{stage}"))
        _check_complete(file, stage)
    return made


def _in_log(file: TenderFile, fact: str, stage: str) -> list[LoggedEvent]:
    return [event for event in file.facts(fact) if event.data.get("stage") == stage]


def _check_complete(file: TenderFile, stage: str) -> None:
    """What the log says of a stage is all here and nothing else, and it happened in the order of its law."""
    place = f"openings/{stage}"
    names = [name for name in file.folder.names(file.path(place)) if name.endswith(".json")]
    shown = {name: sha256_hex(file.read(f"{place}/{name}")) for name in names}
    expected: dict[str, str] = {}
    for fact, form in _DOCUMENTS.items():
        if fact == "share-batch-received" and "record.json" not in shown:
            continue  # a share is shown only beside the record of its opening
        for event in _in_log(file, fact, stage):
            expected[form.format(party=event.data.get("party"))] = str(event.data["digest"])
    if "record.json" in expected:
        expected["release.json"] = shown.get("release.json", "")
    if shown != expected:
        odd = sorted(name for name in shown.keys() | expected.keys() if shown.get(name) != expected.get(name))
        raise Finding("the log knows it otherwise, or not at all", where=file.path(f"{place}/{odd[0]}"))
    places = [[event.index for event in _in_log(file, fact, stage)] for fact in _IN_ORDER]
    before = _BEFORE[stage]
    earlier = _in_log(file, "decision-made", before) if before else file.facts("submission-closed")
    order = [[event.index for event in earlier], *places]
    steps = [step for step in order if step]
    if any(max(first) >= min(second) for first, second in pairwise(steps)) or (places[1] and not order[0]):
        raise Finding("the steps of the opening are out of their order in the log", where=file.path(place))


def _check_stage(file: TenderFile, anchors: Anchors, stage: str) -> None:
    place = f"openings/{stage}"
    release = _release(file, stage)
    at = parse_utc(release["released_at"])
    package = verify_stage_package(
        _package(file, stage),
        trust=file.trust,
        log_vkey=anchors.log,
        witness_vkeys=anchors.witnesses,
        now=at,
        kind=stage,
    )
    if release["session_digest"] != package.session.digest:
        raise Finding("the release is for another session", where=file.path(place))
    file.event("opening-started", package.session.digest)
    batches = _batches(file, stage, package, at)
    if not set(release["batches"]) <= {digest for digest, _ in batches}:
        raise Finding("the release counts a batch that is not here", where=file.path(place))
    record = _record(file, stage, package)
    released = {entry["manifest_digest"]: entry for entry in release["releases"]}
    file.bids[stage] = {}
    by_manifest = {each.manifest_digest: each for each in package.submissions}
    if [result["manifest_digest"] for result in record["results"]] != list(package.session.manifests):
        raise Finding("the record is not about the envelopes of the session", where=file.path(place))
    for result in record["results"]:
        checked = by_manifest[result["manifest_digest"]]
        header = checked.headers[stage]
        shares = [value[result["manifest_digest"]] for _, value in batches]
        _check_result(file, stage, header, shares, released.get(result["manifest_digest"]), result)
    if stage != "C" and file.has(f"{place}/decision.json"):
        _decision(file, stage, package)


def _release(file: TenderFile, stage: str) -> dict[str, Any]:
    path = f"openings/{stage}/release.json"
    ((party, signature),) = file.signatures(path).items()
    at = parse_utc(file.folder.document(file.path(path))["released_at"])
    signed = read_signed(
        file.read(path),
        signature,
        file.trust,
        type_="mohr/release/v1",
        now=at,
        party=party,
        max_bytes=64 << 20,
    )
    value = signed.document
    if party != file.require_key_set().custodian.party or (value["tender"], value["stage"]) != (
        file.id,
        stage,
    ):
        raise Finding("the release is not this tender's custodian's", where=file.path(path))
    position = value["journal_index"]
    entry = file.journal_entries[position] if position < len(file.journal_entries) else {}
    about = (entry.get("act"), entry.get("tender"), entry.get("stage"), entry.get("digest"))
    if about != ("released", file.id, stage, signed.digest):
        raise Finding("the journal does not show this release", where=file.path(path))
    good = sorted(each["manifest_digest"] for each in value["releases"] if each["state"] == "ok")
    if sorted(entry["manifests"]) != good:
        raise Finding("the journal shows other envelopes than the release", where=file.path(path))
    return value


def _package(file: TenderFile, stage: str) -> dict[str, Any]:
    place = f"openings/{stage}"
    closing = file.require_closing_list()
    event = file.event("submission-closed", closing.digest)
    before = _BEFORE[stage]
    names = [
        name
        for name in file.folder.names(file.path(place))
        if name.startswith("attendance-") and name.endswith(".json")
    ]
    manifests = file.folder.document(file.path(f"{place}/session.json"))["manifests"]
    return {
        "stage": stage,
        "notice": file.wire("notice.json"),
        "key_set": file.many("key-set.json"),
        "closing_list": {
            **file.wire("closing-list.json"),
            "event": to_base64(event.entry),
            "proof": file.log.proof_of(event.entry),
        },
        "session": file.wire(f"{place}/session.json"),
        "attendances": [file.wire(f"{place}/{name}") for name in names],
        "previous_decision": file.many(f"openings/{before}/decision.json") if before else None,
        "previous_record": file.many(f"openings/{before}/record.json") if before else None,
        "previous_session": file.wire(f"openings/{before}/session.json") if before else None,
        "submissions": [_submission(file, stage, digest) for digest in manifests],
    }


def _submission(file: TenderFile, stage: str, digest: str) -> dict[str, Any]:
    place = f"submissions/{digest}"
    return {
        "manifest_digest": digest,
        "manifest": to_base64(file.read(f"{place}/manifest.json")),
        "seal": to_base64(file.read(f"{place}/seal.p7s")),
        "headers": {kind: to_base64(file.read(f"{place}/header-{kind}.json")) for kind in STAGES},
        "share": to_base64(file.read(f"{place}/{stage}.share-0.der")),
    }


def _batches(
    file: TenderFile, stage: str, package: StagePackage, at: datetime
) -> list[tuple[str, dict[str, Share | None]]]:
    """Every batch, signed by a member present, about exactly this session's envelopes."""
    found = []
    for member in package.key_set.members:
        name = f"openings/{stage}/batch-{member.party}.json"
        if not file.has(name):
            continue
        ((_, signature),) = file.signatures(name).items()
        signed = read_signed(
            file.read(name),
            signature,
            file.trust,
            type_="mohr/share-batch/v1",
            now=at,
            party=member.party,
            max_bytes=64 << 20,
        )
        value = signed.document
        about = (value["tender"], value["stage"], value["session_digest"], value["index"])
        if about != (file.id, stage, package.session.digest, member.index):
            raise Finding("the batch is for another session or index", where=file.path(name))
        if member.party not in package.session.present:
            raise Finding("a batch of somebody who was not present", where=file.path(name))
        file.event("share-batch-received", signed.digest)
        found.append(
            (signed.digest, {each["manifest_digest"]: _share(member.index, each) for each in value["shares"]})
        )
    if len(found) < package.key_set.threshold:
        raise Finding("fewer batches than the threshold", where=file.path(f"openings/{stage}"))
    return found


def _share(index: int, entry: dict[str, Any]) -> Share | None:
    if entry["state"] != "ok":
        return None
    return Share(index, bytes.fromhex(entry["share"]), bytes.fromhex(entry["blinding"]))


def _record(file: TenderFile, stage: str, package: StagePackage) -> dict[str, Any]:
    """Sealed by the server and signed by each member who was present."""
    path = f"openings/{stage}/record.json"
    value = file.folder.document(file.path(path))
    at = parse_utc(value["recorded_at"])
    signatures = file.signatures(path)
    parties = verify_signatures(file.read(path), signatures, file.trust, now=at)
    servers = parties - set(package.session.present)
    if len(servers) != 1 or not set(package.session.present) <= parties:
        raise Finding("the record lacks the signature of somebody present", where=file.path(path))
    (server,) = servers
    signed = read_signed(
        file.read(path), signatures[server], file.trust, type_="mohr/opening-record/v1", now=at, party=server
    )
    file.require_server(signed, path)
    release_digest = sha256_hex(file.read(f"openings/{stage}/release.json"))
    about = (value["tender"], value["stage"], value["session_digest"], value["release_digest"])
    if about != (file.id, stage, package.session.digest, release_digest):
        raise Finding("the record is about another session or release", where=file.path(path))
    file.event("opening-recorded", signed.digest)
    file.records[stage] = value
    return value


def _check_result(
    file: TenderFile,
    stage: str,
    header: EnvelopeHeader,
    shares: Sequence[Share | None],
    release: dict[str, Any] | None,
    result: dict[str, Any],
) -> None:
    """Open the envelope once more and hold the outcome against the record."""
    digest = result["manifest_digest"]
    place = f"submissions/{digest}"
    if (result["lot"], result["bidder"]) != (header.context.lot, header.context.bidder):
        raise Finding("the record names another lot or bidder", where=file.path(place))
    bid_path = f"{place}/bid-{stage}.json"
    with tempfile.SpooledTemporaryFile(PIECE_BYTES) as content:
        secrets, outcome, named = _reopen(file, place, header, shares, release, content)
        if secrets is not None:
            _check_opened(file, stage, header, secrets, content, result)
            return
    if result["outcome"] != outcome or file.has(bid_path):
        raise Finding(f"the record says {result['outcome']}, it is {outcome}", where=file.path(place))
    _require_empty(file, place, result, named)


def _check_opened(
    file: TenderFile,
    stage: str,
    header: EnvelopeHeader,
    secrets: Secrets,
    content: IO[bytes],
    result: dict[str, Any],
) -> None:
    """What opened is the bid of the record; or no bid at all, and then the record says that."""
    digest = result["manifest_digest"]
    place = f"submissions/{digest}"
    bid_path = f"{place}/bid-{stage}.json"
    seal = file.seals[digest]
    if (secrets.member.hex(), secrets.custodian.hex()) != (
        result["member_secret"],
        result["custodian_secret"],
    ):
        raise Finding("the recorded secrets are not those that open it", where=file.path(place))
    content.seek(0)
    try:
        payload = examine_payload(
            content, header.context, file.trust, now=seal.sealed_at, party=header.context.bidder
        )
    except DomainError as error:
        if result["outcome"] != "unopenable" or file.has(bid_path):
            raise Finding(f"no valid bid inside: {error.detail}", where=file.path(place)) from error
        _require_empty(file, place, {**result, **_NO_SECRETS}, header.context.bidder)
        return
    bid = canonical_bytes(payload.bid)
    if (
        result["outcome"] != "opened"
        or result["bid_digest"] != sha256_hex(bid)
        or result["named"] is not None
    ):
        raise Finding("the record names another bid than the one inside", where=file.path(place))
    if file.read(bid_path) != bid:
        raise Finding("the bid shown is not the one inside the envelope", where=file.path(bid_path))
    file.bids[stage][digest] = payload.bid


def _reopen(
    file: TenderFile,
    place: str,
    header: EnvelopeHeader,
    shares: Sequence[Share | None],
    release: dict[str, Any] | None,
    content: IO[bytes],
) -> tuple[Secrets | None, str, str | None]:
    """The envelope opened into ``content``, or how it did not open and who is to be named for it."""
    if release is None or release["state"] != "ok":
        return None, "disputed", None
    custodian = Share(0, bytes.fromhex(release["share"]), bytes.fromhex(release["blinding"]))
    good = [share for share in shares if share is not None and _fits(header, share)]
    blobs = {
        name: file.folder.content(file.path(f"{place}/{name}"), max_bytes=length)
        for name, (length, _) in header.expected_blobs().items()
    }
    try:
        with refusing_when_full():
            secrets = open_envelope_to(header, blobs, file.require_key_set(), good, custodian, content)
        return secrets, "opened", None
    except Unopenable as refusal:
        return None, "unopenable", refusal.named
    except Disputed:
        return None, "disputed", None


_NO_SECRETS: dict[str, Any] = {"member_secret": None, "custodian_secret": None}


def _require_empty(file: TenderFile, place: str, result: dict[str, Any], named: str | None) -> None:
    """Of what did not open the record knows neither content nor secrets, and names who must be named."""
    if any(result[name] is not None for name in ("bid_digest", *_NO_SECRETS)) or result["named"] != named:
        raise Finding("the record says more of it, or names another party", where=file.path(place))


def _fits(header: EnvelopeHeader, share: Share) -> bool:
    try:
        check_share(header, share)
    except DomainError:
        return False
    return True


def _decision(file: TenderFile, stage: str, package: StagePackage) -> None:
    """Signed by a majority of those present, about this record, and in the log."""
    path = f"openings/{stage}/decision.json"
    value = file.folder.document(file.path(path))
    document = file.read(path)
    signers = verify_signatures(
        document, file.signatures(path), file.trust, now=parse_utc(value["decided_at"])
    )
    notice = file.require_notice().notice
    if not has_majority(notice.commission, package.session.present, signers):
        raise Finding("the decision lacks the signatures of a majority", where=file.path(path))
    record_digest = sha256_hex(file.read(f"openings/{stage}/record.json"))
    if (value["tender"], value["stage"], value["record_digest"]) != (file.id, stage, record_digest):
        raise Finding("the decision is about another record", where=file.path(path))
    file.event("decision-made", sha256_hex(document))
