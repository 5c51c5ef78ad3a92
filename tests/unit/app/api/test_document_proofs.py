"""The officer's client against the real routes: many documents, changes, checked answers, and proofs that verify."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.bootstrap import log_signer, read_secret
from app.container import Container
from app.documents_commands.sheets import with_sheets
from app.documents_commands.wanted import Told, borne_identifier, wanted
from app.witness_setup import open_witness
from authenticity.identifier import new_identifier
from authenticity.marking import marked
from authenticity.registration_proof_check import (
    ProofAnchors,
    RegistrationProven,
    verify_registration_proof,
)
from client.anchors import Anchors
from client.document_batches import Outcome, Wanted, register_many
from client.document_check import DocumentCheck
from client.document_journal import Journal
from client.documents import Secretary
from client.errors import ApiRefusal, NotVerified
from client.http import ApiClient
from signing.ades.services import Level
from signing.documents import sign_document, to_wire
from signing.pdf.signing import sign_pdf
from signing.validation.trust import Trust
from tests.support.pdf_sources import classic_pdf
from tests.support.registered import report_file
from tests.unit.app.people import Visitor, enrol
from transparency.sequencer import Sequencer

UNIT, NAME = "IRO-77", "Roads of the City"


@dataclass(frozen=True)
class Office:
    """An officer with his client, a folder of files, and what a verifier pins."""

    officer: Visitor
    api: ApiClient
    folder: Path
    anchors: Anchors

    @property
    def container(self) -> Container:
        return self.officer.container

    @property
    def secretary(self) -> Secretary:
        return Secretary(self.api, self.officer.signer, self.container.clock)

    def report(self, name: str, **told: Any) -> Wanted:
        path = self.folder / name
        path.write_bytes(report_file(self.officer.signer, self.container.clock.now()))
        return wanted(path, Told(kind="report", unit=UNIT, **told), self.container.clock.now())

    def registered(self, *listed: Wanted, journal: Journal | None = None) -> list[Outcome]:
        return list(register_many(listed, self.secretary, journal or Journal(None)))

    def logged(self) -> None:
        """The log takes up what waits, and the witness sees it."""
        container = self.container
        witness = open_witness(container.settings.folder / "witness", container.clock)
        secret = read_secret(container.settings, container.settings.passphrase_file, "passphrase_file")
        signer = log_signer(container.settings, secret)
        Sequencer(container.sessions, signer, container.clock, witness).run_once()

    def proof(self, outcome: Outcome, **query: str) -> bytes:
        assert outcome.registration is not None
        return self.api.get_bytes(f"/documents/{outcome.registration['identifier']}/proof", **query)

    def proven(self, proof: bytes, document: Path) -> RegistrationProven:
        trust = Trust.of([self.anchors.root])
        pinned = ProofAnchors(trust, self.anchors.log, self.anchors.witnesses)
        now = self.container.clock.now()
        return verify_registration_proof(proof, pinned, at=now, now=now, document=document)

    def check(self) -> DocumentCheck:
        return DocumentCheck(self.api, self.anchors, self.container.clock)


@pytest.fixture
def office(registrar: Visitor, tmp_path: Path) -> Iterator[Office]:
    body = {"party": UNIT, "name": NAME, "kind": "organisation", "roles": []}
    registrar.client.post("/identity/parties", json=body, headers=registrar.sign_in())
    officer = enrol(registrar, tmp_path, "IR-41", "secretary", organization=NAME)
    client: TestClient = registrar.client
    with ApiClient(str(client.base_url), transport=client._transport) as api:
        api.token = officer.sign_in()["Authorization"].removeprefix("Bearer ")
        anchors = Anchors.read(registrar.container.settings.folder / "anchors.json")
        yield Office(officer, api, tmp_path, anchors)


ON_SQLITE = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


def test_what_a_client_registers_is_checked_and_proven(office: Office) -> None:
    """A marked and signed PDF keeps its identifier; its signed answer and proof lead to the log, later too."""
    path = office.folder / "permit.pdf"
    (identifier,) = office.secretary.reserve(1)
    now = office.container.clock.now()
    pdf = marked(classic_pdf("1.7"), identifier, "https://mohr.example.ir", corner="top-left")
    path.write_bytes(sign_pdf(pdf, office.officer.signer, Level.B_B, at=now))
    assert borne_identifier(path) == identifier
    told = Told(kind="letter", unit=UNIT, disclosure="public", title="نامه")
    first, second = office.registered(wanted(path, told, now), office.report("new.p7m", disclosure="public"))
    assert first.registration is not None, first.refusal
    assert second.registration is not None, second.refusal
    with pytest.raises(ApiRefusal) as early:
        office.proof(first)
    assert early.value.code == "unavailable"
    office.logged()
    answer = office.check().by_identifier(identifier)
    assert (answer.verdict, answer.state, answer.logged is not None) == ("registered", "valid", True)
    found = office.proven(office.proof(first), path)
    assert (found.record.identifier, found.state, found.document_compared) == (identifier, "valid", True)
    assert found.officer is not None
    assert "IR-41" in found.officer

    successor = str(second.registration["identifier"])
    office.secretary.change("supersede", identifier, successor, "جایگزین شد")
    office.logged()
    found = office.proven(office.proof(first), path)
    assert (found.state, [each.change.successor for each in found.changes]) == ("superseded", [successor])
    assert office.check().by_digest(first.digest).verdict == "superseded"


@ON_SQLITE
def test_a_withheld_document_is_proven_to_who_holds_it(office: Office) -> None:
    """It is signed for alone, its proof wants the digest of its bytes, and a public one's proof tells nothing of it."""
    hidden, shown = (office.report(f"{each}.p7m", disclosure=each) for each in ("withheld", "public"))
    outcomes = {each.digest: each for each in office.registered(hidden, shown)}
    secret, public = outcomes[hidden.entry.digest], outcomes[shown.entry.digest]
    office.logged()
    for query in ({}, {"digest": public.digest}):
        with pytest.raises(ApiRefusal) as refused:
            office.proof(secret, **query)
        assert refused.value.code == "document-unknown"
    assert office.proven(office.proof(secret, digest=secret.digest), hidden.file).officer is not None
    assert secret.registration is not None
    assert str(secret.registration["identifier"]).encode() not in office.proof(public)
    together = office.secretary.reserve(2)
    pair = [office.report("a.p7m", disclosure="withheld"), office.report("b.p7m", disclosure="public")]
    entries = [replace(one.entry, identifier=each) for one, each in zip(pair, together, strict=True)]
    for each in pair:
        office.secretary.deliver(each.file, each.entry.digest, each.entry.size)
    office.secretary.register(UNIT, entries)
    office.logged()
    proof = office.api.get_bytes(f"/documents/{together[1]}/proof")
    assert together[0].encode() not in proof
    assert office.proven(proof, pair[1].file).officer is None


@ON_SQLITE
def test_one_refused_document_keeps_no_other_back(office: Office) -> None:
    """What breaks the rule is named with its demands, the others of its batch are in; a journal goes on from there."""
    journal = office.folder / "journal"
    good = [office.report(f"{number}.p7m", disclosure="public") for number in range(3)]
    bad = office.folder / "plain.txt"
    bad.write_text("no signature")
    wrong = wanted(bad, Told(kind="report", unit=UNIT, disclosure="public"), office.container.clock.now())
    outcomes = office.registered(good[0], wrong, *good[1:], journal=Journal(journal))
    assert [each.registration is not None for each in sorted(outcomes, key=lambda each: each.file)] == [
        True,
        True,
        True,
        False,
    ]
    (refused,) = [each.refusal for each in outcomes if each.refusal is not None]
    assert refused["code"] == "document-rule-broken"
    assert refused["demands"]
    again = office.registered(*good, wrong, journal=Journal(journal))
    assert [each.file for each in again] == [bad]


@ON_SQLITE
def test_an_interrupted_registration_is_answered_as_it_was(office: Office) -> None:
    """A client that died after the server had registered, with its sheets half written, gets the same identifiers
    and all sheets."""
    path, sheets = office.folder / "journal", office.folder / "sheets"
    listed = [office.report(f"{number}.p7m", disclosure="public") for number in range(2)]
    outcomes = with_sheets(
        register_many(listed, office.secretary, Journal(path)), sheets, "https://mohr.example"
    )
    begun = next(outcomes)
    del outcomes
    assert len(list(sheets.iterdir())) == 1
    first = office.registered(*listed, journal=Journal(path))
    assert first[0].registration == begun.registration
    kept = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(kept[:2]) + b'{"digest": "cut')
    outcomes = with_sheets(
        register_many(listed, office.secretary, Journal(path)), sheets, "https://mohr.example"
    )
    again = list(outcomes)
    assert [each.registration for each in again] == [each.registration for each in first]
    assert len(list(sheets.iterdir())) == 2
    assert office.registered(*listed, journal=Journal(path)) == []


@ON_SQLITE
def test_an_answer_that_does_not_verify_is_not_believed(office: Office) -> None:
    """An answer to another question, or by a service that other anchors know, is refused by the client."""
    (outcome,) = office.registered(office.report("one.p7m", disclosure="public"))
    office.logged()
    assert outcome.registration is not None
    with pytest.raises(NotVerified):
        office.check()._checked(office.api.get(f"/documents/by-digest/{outcome.digest}"), new_identifier())
    answer = office.check().by_digest(outcome.digest).content
    told = answer["registration"]
    seal, now = office.container.receipt_signer, office.container.clock.now()
    for forged in (
        {"registration": {**told, "record": {**told["record"], "title": "another"}}},
        {"registration": {**told, "record": {**told["record"], "digest": "ab" * 32}}, "proof": None},
        {"at": "2026-01-01T00:00:00Z"},
        {"value": "ab" * 32},
    ):
        wire = to_wire(sign_document({**answer, **forged}, seal, now))
        with pytest.raises(NotVerified):
            office.check()._checked(wire, outcome.digest)
    other = replace(office.anchors, log=office.anchors.witnesses[0])
    with pytest.raises(NotVerified):
        DocumentCheck(office.api, other, office.container.clock).by_digest(outcome.digest)
