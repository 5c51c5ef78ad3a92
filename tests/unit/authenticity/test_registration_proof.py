"""The file that proves a registration: what it proves, what it refuses, and that it does so after twenty years."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authenticity.errors import RegistrationProofInvalid
from authenticity.registration_proof import Logged, ProofParts, SignedPaper, claimed_content
from kernel.canonical import parse_canonical, sha256_hex
from kernel.ids import new_id
from schemas.events import DOCUMENT_STATE_CHANGED
from signing.ades.cades import refresh
from tests.support.authority import make_authority
from tests.support.openssl import run_openssl, write_trust
from tests.support.registration_proofs import DOCUMENT, ProofWorld, make_proof_world
from transparency.notes import NoteSigner

_YEAR = timedelta(days=365)


@pytest.fixture
def world(tmp_path: Path) -> ProofWorld:
    return make_proof_world(tmp_path)


def step_of(world: ProofWorld, proof: bytes, document: bytes | None = None) -> str:
    with pytest.raises(RegistrationProofInvalid) as refused:
        world.verified(proof, document)
    return str(refused.value.fields["step"])


@pytest.mark.parametrize("disclosure", ["public", "withheld"])
def test_a_proof_says_who_registered_what_and_when(world: ProofWorld, disclosure: str) -> None:
    """Record, officer, seal and both instants follow from the file and the pinned keys; other bytes are told."""
    parts = world.parts(disclosure=disclosure)
    proof = world.proof(parts)
    found = world.verified(proof, DOCUMENT)
    assert found.record == parts.registration.record
    assert (found.state, found.document_compared) == ("valid", True)
    assert found.officer is not None
    assert "IR-0012345678" in found.officer
    assert "IRO-00000000000" in found.sealed_by
    assert found.proven_at == found.in_log_at == world.now
    assert step_of(world, proof, DOCUMENT + b" ") == "document"
    assert len(proof) < 32_000


def test_a_revoked_document_is_told_as_one(world: ProofWorld) -> None:
    """The change, its reason and officer are proven as the registration is; a state without its change is refused."""
    parts = world.revoked(world.parts())
    found = world.verified(world.proof(parts), DOCUMENT)
    (proven,) = found.changes
    assert (found.state, proven.change) == ("revoked", replace(proven.change, reason="با اشتباه صادر شد"))
    assert step_of(world, world.proof(replace(parts, changes=()))) == "changes"
    other = world.revoked(world.parts(content=b"another"))
    assert step_of(world, world.proof(replace(parts, changes=other.changes))) == "changes"


def _other_title(world: ProofWorld) -> ProofParts:
    return world.parts(title="a contract")


def _other_digest_of_a_withheld_one(world: ProofWorld) -> ProofParts:
    return world.parts(disclosure="withheld", digest="ab" * 32)


def _entry_of_another(world: ProofWorld) -> ProofParts:
    return replace(world.parts(), logged=world.parts(content=b"another").logged)


def _entry_that_was_never_logged(world: ProofWorld) -> ProofParts:
    parts = world.parts()
    return replace(
        parts, logged=Logged(parts.logged.entry.replace(b"minutes", b"minutez"), parts.logged.proof)
    )


def _paper_of_another(world: ProofWorld) -> ProofParts:
    return replace(world.parts(), paper=world.parts(content=b"another").paper)


def _entry_that_names_a_paper_for_another(world: ProofWorld) -> ProofParts:
    parts = world.parts()
    paper = world.paper(world.parts(content=b"another").registration.record)
    logged = world.parts(content=b"third").logged
    return replace(parts, paper=paper, logged=logged)


def _other_time(world: ProofWorld) -> ProofParts:
    parts = world.parts()
    return replace(parts, registration=replace(parts.registration, registered_at="2026-01-01T00:00:00Z"))


def _officer_of_another_unit(world: ProofWorld) -> ProofParts:
    world.officer = world.authority.person("IR-0012345678", "زهرا مرادی", organization="راه‌های شهر")
    return world.parts()


def _change_by_nobody_of_the_unit(world: ProofWorld) -> ProofParts:
    parts = world.parts()
    world.officer = world.authority.person("IR-0012345678", "زهرا مرادی")
    return world.revoked(parts)


def _logged_as(parts: ProofParts, world: ProofWorld, type_: str = "", **told: str) -> ProofParts:
    """The same with another entry, as whoever runs the log could write it."""
    event = parse_canonical(parts.logged.entry)
    subject = told.pop("subject", event["subject"])
    return replace(parts, logged=world.logged(type_ or event["type"], subject, event["data"] | told))


def _with_paper(world: ProofWorld, paper: SignedPaper) -> ProofParts:
    return _logged_as(replace(world.parts(), paper=paper), world, paper=sha256_hex(paper.document))


def _paper_of_another_that_is_logged(world: ProofWorld) -> ProofParts:
    return _with_paper(world, world.paper(world.parts(content=b"another").registration.record))


def _paper_for_another_unit(world: ProofWorld) -> ProofParts:
    parts = world.parts()
    assert parts.paper is not None
    paper = world.signed({**parse_canonical(parts.paper.document), "unit": "IRO-10100000009"})
    return _logged_as(replace(parts, paper=paper), world, paper=sha256_hex(paper.document))


def _change_otherwise(world: ProofWorld, **told: str) -> ProofParts:
    parts = world.revoked(world.parts())
    (change,) = parts.changes
    event = parse_canonical(change.logged.entry)
    logged = world.logged(event["type"], told.pop("subject", event["subject"]), event["data"] | told)
    return replace(parts, changes=(replace(change, logged=logged),))


def _paper_of_another_change(world: ProofWorld) -> ProofParts:
    parts = world.revoked(world.parts())
    (change,) = parts.changes
    assert change.paper is not None
    paper = world.signed({**parse_canonical(change.paper.document), "reason": "another"})
    event = parse_canonical(change.logged.entry)
    told = event["data"] | {"paper": sha256_hex(paper.document)}
    told["commitment"] = replace(change.change, paper=told["paper"]).commitment(event["subject"])
    logged = world.logged(event["type"], event["subject"], told)
    return replace(parts, changes=(replace(change, logged=logged, paper=paper),))


@pytest.mark.parametrize(
    ("forged", "step"),
    [
        (lambda world: _logged_as(world.parts(), world, DOCUMENT_STATE_CHANGED.name), "log"),
        (lambda world: _logged_as(world.parts(), world, subject=new_id()), "record"),
        (lambda world: _logged_as(world.parts(), world, document=new_id()), "record"),
        (lambda world: _logged_as(world.parts(), world, unit="IRO-10100000009"), "record"),
        (lambda world: _logged_as(world.parts(), world, kind="letter"), "record"),
        (lambda world: _logged_as(world.parts(), world, digest="ab" * 32), "record"),
        (lambda world: _logged_as(world.parts(), world, paper="ab" * 32), "paper"),
        (_paper_of_another_that_is_logged, "paper"),
        (_paper_for_another_unit, "paper"),
        (lambda world: _change_otherwise(world, state="superseded"), "changes"),
        (lambda world: _change_otherwise(world, subject=new_id()), "changes"),
        (lambda world: _change_otherwise(world, paper="ab" * 32), "paper"),
        (_paper_of_another_change, "changes"),
        (_other_time, "record"),
        (_officer_of_another_unit, "paper"),
        (_change_by_nobody_of_the_unit, "paper"),
        (_other_title, "record"),
        (_other_digest_of_a_withheld_one, "record"),
        (_entry_of_another, "record"),
        (_entry_that_was_never_logged, "log"),
        (_paper_of_another, "paper"),
        (_entry_that_names_a_paper_for_another, "record"),
    ],
)
def test_a_service_cannot_prove_what_was_not_registered(
    world: ProofWorld, forged: Callable[[ProofWorld], ProofParts], step: str
) -> None:
    """Even the installation's own seal makes no proof of what neither log nor officer said."""
    assert step_of(world, world.proof(forged(world))) == step


def test_neither_people_nor_other_logs_prove_anything(world: ProofWorld) -> None:
    """A person's seal, a log or witness that is not pinned, an officer nobody knows, and a changed file are refused."""
    parts = world.parts()
    proof = world.proof(parts)
    assert step_of(world, world.proof(parts, world.officer)) == "seal"
    stranger = NoteSigner(world.log.signer.name, Ed25519PrivateKey.generate())
    anchors = world.anchors
    for other in (
        replace(anchors, log=stranger.vkey),
        replace(anchors, witnesses=[stranger.cosigner_vkey]),
    ):
        with pytest.raises(RegistrationProofInvalid) as refused:
            world.verified(proof, DOCUMENT, other)
        assert refused.value.fields["step"] == "log"
    middle = proof.index(b'"minutes"')
    assert step_of(world, proof[:middle] + b'"minutez"' + proof[middle + 9 :]) == "seal"
    assert step_of(world, b"%PDF-1.7") == "content"
    assert claimed_content(proof[:-20]) is None


def test_a_paper_that_names_withheld_documents_of_others_may_be_left_out(world: ProofWorld) -> None:
    """Then its digest in the log and the seal stand for it, and no officer is named."""
    found = world.verified(world.proof(replace(world.parts(), paper=None)), DOCUMENT)
    assert found.officer is None


def test_it_proves_after_twenty_years_what_was_refreshed(world: ProofWorld, tmp_path: Path) -> None:
    """Officer, seal, time stamps and their authorities are long over: refreshed stamps carry it, nothing else does."""
    first = proof = world.proof(world.parts())
    made = world.now
    world.authority.revoke(world.officer.certificate, at=made + timedelta(days=30))
    for _ in range(5):
        world.clock.advance(4 * _YEAR)
        world.authorities.append(make_authority(clock=world.clock, name=f"Later{len(world.authorities)}"))
        proof = refresh(proof, world.services(), at=world.now)
    assert world.now - made >= 20 * _YEAR
    found = world.verified(proof, DOCUMENT)
    assert found.proven_at == found.in_log_at == made
    assert found.officer is not None
    assert step_of(world, first) == "seal"
    assert step_of(world, proof, b"another") == "document"
    (tmp_path / "proof.p7m").write_bytes(proof)
    write_trust(tmp_path, world.authority)
    arguments = (
        "cms -verify -inform DER -in proof.p7m -CAfile root.pem -no_check_time -purpose any -out content"
    )
    agreed, said = run_openssl(tmp_path, *arguments.split())
    assert agreed, said
    assert (tmp_path / "content").read_bytes() == claimed_content(proof)
