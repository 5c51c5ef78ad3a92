"""Holding a ceremony: two approvals of the plan, the work, two signatures under the transcript, one rename."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from kernel.canonical import canonical_bytes
from kernel.clock import Clock, format_utc
from kernel.errors import Conflict
from kernel.failpoints import reach
from pki.authority_folder import CEREMONIES, MARK
from pki.ceremonies import outside, own, revoking
from pki.ceremonies.operators import PLAN, TRANSCRIPT, Approval, Operator, require_approvals
from pki.ceremonies.plan import TRANSCRIPT_FILE, Plan, prepare
from pki.ceremonies.transcript import Transcript, signed_transcript, verify_transcript
from pki.ceremonies.workshop import Workshop
from pki.key_provider import KeyProvider

_KINDS: Mapping[str, Callable[[Workshop], None]] = {
    "root": own.make_root,
    "intermediate": own.make_intermediate,
    "rekey": own.rekey,
    "cross": own.cross,
    "certify": own.certify,
    "request": outside.request,
    "certificate": outside.take_certificate,
    "crl": revoking.make_list,
    "revoke": revoking.revoke,
}


@dataclass(frozen=True)
class Held:
    """A finished ceremony and the folder that it made."""

    transcript: Transcript
    folder: Path


def hold(
    plan: Plan,
    approvals: Sequence[Approval],
    operators: Sequence[Operator],
    *,
    folder: Path,
    keys: KeyProvider,
    clock: Clock,
    root_keys: KeyProvider | None = None,
) -> Held:
    """Do what the plan says. ``operators`` sign the transcript; ``root_keys``: the store of a root that is kept apart.

    Raises ApprovalMissing, CeremonyRefused, KeyUnavailable, or Conflict where the authority has changed since; then
    nothing is changed.
    """
    require_approvals(plan.document.operators, approvals, PLAN, plan.to_bytes)
    with _alone(folder):
        if prepare(plan.document, folder).to_bytes != plan.to_bytes:
            raise Conflict("the authority has changed since the plan was signed")
        workshop = Workshop(folder, plan, keys, root_keys, clock)
        try:
            return _hold(workshop, plan, approvals, operators)
        except BaseException:
            workshop.discard()
            raise


def _hold(
    workshop: Workshop, plan: Plan, approvals: Sequence[Approval], operators: Sequence[Operator]
) -> Held:
    started = format_utc(workshop.now)
    workshop.step("approved", **{f"operator-{n}": each.operator for n, each in enumerate(approvals, 1)})
    if plan.document.kind == "handover":
        workshop.description = replace(workshop.description, operators=plan.document.successors)
        workshop.step("handed over", operators=", ".join(each.name for each in plan.document.successors))
    else:
        _KINDS[plan.document.kind](workshop)
    if not workshop.description.operators:
        workshop.description = replace(workshop.description, operators=plan.document.operators)
    workshop.write(MARK, workshop.description.to_bytes())
    content = {
        "type": "mohr/ceremony-transcript/v1",
        "number": plan.number,
        "id": plan.document.id,
        "kind": plan.document.kind,
        "plan": plan.content,
        "approvals": [each.to_json() for each in approvals],
        "started_at": started,
        "finished_at": format_utc(workshop.now),
        "steps": workshop.steps,
        "made": workshop.made,
        "authority": workshop.description.digest,
    }
    signed = canonical_bytes(content)
    signatures = [each.sign(TRANSCRIPT, signed) for each in operators]
    require_approvals(plan.document.operators, signatures, TRANSCRIPT, signed)
    data = signed_transcript(content, signatures)
    transcript = verify_transcript(data, workshop.staged)
    workshop.write(TRANSCRIPT_FILE, data)
    reach("before.ceremony")
    return Held(transcript, workshop.publish())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One ceremony at a time; raises Conflict at once."""
    (folder / CEREMONIES).mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / CEREMONIES / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict("another ceremony is being held on this authority") from error
        yield
    finally:
        os.close(descriptor)
