"""What a release is made of: the members' batches, counted share by share, and the custodian's own shares.

A batch counts when it is (1) a signed ``mohr/share-batch/v1`` (2) of a member of the key set, under its own index,
(3) who is present in the session, (4) for this tender, stage and session, (5) naming each of its envelopes
once, (6) and the only one of its member. A batch that does not count stops nothing: k others are enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from custodian.errors import TooFewBatches
from kernel.canonical import from_base64
from kernel.errors import DomainError, MalformedInput
from pki.trust import TrustStore
from procurement.package import CheckedSubmission, StagePackage
from procurement.published import read_signed
from sealing.shares import Share, check_share, open_share

MAX_BATCH_BYTES = 16 << 20
_HEX = re.compile(r"[0-9a-f]{64}")
_ENTRY = frozenset({"manifest_digest", "state", "share", "blinding", "reason"})


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that counts; ``shares`` holds what its member calls good, unchecked."""

    party: str
    digest: str
    shares: Mapping[str, Share]


class _NotCounted(Exception):
    pass


def count_batches(wires: Any, package: StagePackage, trust: TrustStore, now: datetime) -> tuple[Batch, ...]:
    """The batches that count, at least k of them; raises TooFewBatches, which says why the others do not."""
    members = len(package.key_set.members)
    if not isinstance(wires, list) or len(wires) > 2 * members:
        raise MalformedInput("batches are a list, of not more entries than members could hand in")
    counted: dict[str, Batch] = {}
    uncounted: list[str] = []
    for wire in wires:
        try:
            with _no_batch():
                batch = _read_batch(wire, package, trust, now)
                if batch.party in counted:
                    raise _NotCounted("its member has handed in another")  # (6)
                counted[batch.party] = batch
        except _NotCounted as reason:
            uncounted.append(str(reason))
    if len(counted) < package.key_set.threshold:
        raise TooFewBatches(
            "too few members who are present have handed in a batch for this session",
            counted=sorted(counted),
            needed=package.key_set.threshold,
            uncounted=uncounted,
        )
    return tuple(counted[party] for party in sorted(counted))


def require_complete(package: StagePackage, batches: Sequence[Batch]) -> None:
    """Raises TooFewBatches while an envelope lacks good shares that somebody present could still hand in.

    What is withheld is withheld for good, so no single member may bring that about by being early.
    """
    waiting = sorted(set(package.session.present) - {batch.party for batch in batches})
    lacking = [
        submission.manifest_digest
        for submission in package.submissions
        if _good_shares(submission, package, batches) < package.key_set.threshold
    ]
    if waiting and lacking:
        raise TooFewBatches(
            "an envelope lacks good shares, and somebody who is present has not handed in",
            waiting=waiting,
            lacking=lacking,
            needed=package.key_set.threshold,
        )


def _good_shares(submission: CheckedSubmission, package: StagePackage, batches: Sequence[Batch]) -> int:
    return sum(
        1 for batch in batches if _is_good(batch.shares.get(submission.manifest_digest), submission, package)
    )


def release_of(
    submission: CheckedSubmission,
    package: StagePackage,
    batches: Sequence[Batch],
    key: ec.EllipticCurvePrivateKey,
) -> dict[str, Any]:
    """One entry of ``releases``: ``ok`` with the custodian's share, ``withheld`` or ``bad`` with the reason.

    ``withheld``: fewer than k members' shares fit the bidder's commitments, so the envelope could not be opened
    anyhow. ``bad``: the custodian's own share does not open, or holds another context than its header.
    """
    header = submission.headers[package.stage]
    good = _good_shares(submission, package, batches)
    if good < package.key_set.threshold:
        reason = f"{good} good shares of {package.key_set.threshold} needed"
        return _entry(submission, "withheld", reason=reason)
    try:
        share = open_share(submission.share, key, header, 0)
        check_share(header, share)
    except DomainError as error:
        return _entry(submission, "bad", reason=error.detail)
    return _entry(submission, "ok", share=share.share.hex(), blinding=share.blinding.hex())


def _is_good(share: Share | None, submission: CheckedSubmission, package: StagePackage) -> bool:
    if share is None:
        return False
    try:
        check_share(submission.headers[package.stage], share)
    except DomainError:
        return False
    return True


def _entry(
    submission: CheckedSubmission,
    state: str,
    *,
    share: str | None = None,
    blinding: str | None = None,
    reason: str | None = None,
) -> dict[str, Any]:
    return {
        "manifest_digest": submission.manifest_digest,
        "state": state,
        "share": share,
        "blinding": blinding,
        "reason": reason,
    }


@contextmanager
def _no_batch() -> Iterator[None]:
    try:
        yield
    except DomainError as error:
        raise _NotCounted(f"{error.code}: {error.detail}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _NotCounted("malformed") from error


def _read_batch(wire: Any, package: StagePackage, trust: TrustStore, now: datetime) -> Batch:
    signed = read_signed(  # (1)
        from_base64(wire["document"], max_bytes=MAX_BATCH_BYTES),
        from_base64(wire["signature"]),
        trust,
        type_="mohr/share-batch/v1",
        now=now,
        max_bytes=MAX_BATCH_BYTES,
    )
    value = signed.document
    member = next((each for each in package.key_set.members if each.party == signed.party), None)
    if member is None or (value["party"], value["index"]) != (member.party, member.index):  # (2)
        raise _NotCounted("not of a member of the key set under its own index")
    if signed.party not in package.session.present:  # (3)
        raise _NotCounted("its member is not present")
    about = (value["tender"], value["stage"], value["session_digest"])
    if about != (package.tender, package.stage, package.session.digest):  # (4)
        raise _NotCounted("for another session")
    named = [entry["manifest_digest"] for entry in value["shares"]]
    if sorted(named) != sorted(package.session.manifests):  # (5)
        raise _NotCounted("does not name each envelope of the session once")
    shares = {entry["manifest_digest"]: _share(member.index, entry) for entry in value["shares"]}
    return Batch(signed.party, signed.digest, {name: share for name, share in shares.items() if share})


def _share(index: int, entry: Mapping[str, Any]) -> Share | None:
    if set(entry) != _ENTRY:
        raise _NotCounted("malformed")
    if entry["state"] != "ok":
        return None
    if not all(_HEX.fullmatch(entry[name]) for name in ("share", "blinding")):
        raise _NotCounted("malformed")
    return Share(index, bytes.fromhex(entry["share"]), bytes.fromhex(entry["blinding"]))
