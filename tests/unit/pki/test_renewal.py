"""Renewal and rekey: the holder asks with his present certificate; reminders come once each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kernel.database import read_only
from kernel.errors import Forbidden, MalformedInput, NotFound, WrongState
from pki.algorithms import PrivateKey
from pki.authority import make_request
from pki.errors import KeyReused, RenewalRefused
from pki.installation import Authority
from pki.list_issuing import refresh_crls
from pki.names import Subject
from pki.papers import Renewal
from pki.registry import RecordedCertificate, certificates_of, find_certificate
from pki.reminders import CERTIFICATE_EXPIRING, remind_expiring, reminders_are_due
from pki.renewal import RenewalRules, renew
from pki.revocation import revoke_certificate
from signing.cms import Signer
from signing.errors import WrongSigner
from tests.support.authority import make_key
from tests.support.databases import Databases
from tests.support.registry import REGISTRAR, Office, Person, make_office

HOLDER = Person("IR-5", frozenset({"bidder"}))
DAY = timedelta(days=1)


@pytest.fixture
def office(tmp_path: Path, databases: Databases) -> Iterator[Office]:
    made = make_office(tmp_path, databases.new())
    assert made.papers
    yield made
    made.close()


class Holder:
    """A party with a certificate, who asks for the next one."""

    def __init__(self, office: Office, profile: str = "person-signing") -> None:
        self.office = office
        self.key = make_key()
        self.present = office.certify(HOLDER.party, profile, self.key)

    def ask(
        self,
        key: PrivateKey | None = None,
        *,
        rekey: bool,
        actor: Person = HOLDER,
        signer: Signer | None = None,
        rules: RenewalRules | None = None,
        csr: bytes | None = None,
    ) -> RecordedCertificate:
        office = self.office
        refresh_crls(**office.issuing)
        request = csr or make_request(key or self.key, Subject("Another wish", "IR-0"))
        wish = Renewal(self.present.fingerprint, request, rekey)
        own = signer or Signer(self.key, self.present.certificate, office.authority.chain)
        paper = office.paper(wish.to_document(), own)
        return renew(
            paper, actor=actor, papers=office.papers, rules=rules or RenewalRules(), **office.issuing
        )


def test_a_renewal_keeps_subject_and_key(office: Office) -> None:
    """In the last ninety days; the event names what it renews, and no registrar takes part."""
    holder = Holder(office)
    with pytest.raises(RenewalRefused):
        holder.ask(rekey=False)
    office.clock.advance(650 * DAY)

    renewed = holder.ask(rekey=False)

    assert renewed.certificate.subject == holder.present.certificate.subject
    assert renewed.certificate.public_key() == holder.key.public_key()
    assert renewed.certificate.not_valid_after_utc > holder.present.certificate.not_valid_after_utc
    asked, issued = office.events()[-2:]
    assert asked["data"]["renews"] == holder.present.fingerprint
    assert (asked["data"]["kind"], asked["data"]["by"], issued["data"]["by"]) == ("renewal", "IR-5", "IR-5")


def test_a_rekey_is_for_a_new_key(office: Office) -> None:
    """At any time; the same key, or another party's, is refused, unless the settings allow the former."""
    holder, taken = Holder(office), make_key()
    office.certify("IR-6", key=taken)
    with pytest.raises(KeyReused):
        holder.ask(rekey=True)
    with pytest.raises(KeyReused):
        holder.ask(taken, rekey=True)
    with pytest.raises(RenewalRefused):
        holder.ask(make_key(), rekey=False)
    new = make_key()
    assert holder.ask(new, rekey=True).certificate.public_key() == new.public_key()
    other = Holder(office)
    office.clock.advance(650 * DAY)
    assert other.ask(rekey=True, rules=RenewalRules(rekey_with_same_key=True))


def test_the_same_wish_twice_is_one_certificate(office: Office) -> None:
    """Who got no answer asks again with the same request and gets what was issued."""
    holder = Holder(office)
    csr = make_request(make_key(), Subject("Wish", "IR-0"))
    assert holder.ask(csr=csr, rekey=True) == holder.ask(csr=csr, rekey=True)


def test_one_certificate_has_one_that_follows_it(office: Office) -> None:
    """Neither a holder nor who has his key gets many out of one; the follower is revoked before there is another."""
    holder = Holder(office)
    follower = holder.ask(make_key(), rekey=True)
    with pytest.raises(RenewalRefused, match="go on from the new one"):
        holder.ask(make_key(), rekey=True)
    revoke_certificate(follower.fingerprint, "superseded", actor=HOLDER, **office.issuing)
    assert holder.ask(make_key(), rekey=True)


@pytest.mark.parametrize("meanwhile", ["renewed", "revoked"])
def test_what_happens_while_it_is_signed_counts(
    office: Office, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """Of two rekeys at one moment one is issued; none is whose certificate is revoked while the next one is signed."""
    holder, sign = Holder(office), Authority.issue

    def interrupted(authority: Authority, *arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(Authority, "issue", sign)
        if meanwhile == "renewed":
            holder.ask(make_key(), rekey=True)
        else:
            revoke_certificate(holder.present.fingerprint, "keyCompromise", actor=HOLDER, **office.issuing)
        return sign(authority, *arguments, **options)

    monkeypatch.setattr(Authority, "issue", interrupted)
    with pytest.raises(RenewalRefused if meanwhile == "renewed" else WrongState):
        holder.ask(make_key(), rekey=True)
    with read_only(office.sessions) as session:
        found = certificates_of(session, HOLDER.party)
    assert [each.state for each in found] == (["issued", "issued"] if meanwhile == "renewed" else ["revoked"])


def test_what_is_old_stays_old(office: Office) -> None:
    """Neither another certificate's key, nor evidence that was seen long ago, is young by being handed in now."""
    holder, other = Holder(office), Holder(office)
    with pytest.raises(KeyReused, match="never certified"):
        holder.ask(other.key, rekey=True)
    key = make_key()
    seen = {
        "kind": "passport",
        "description": "P-1",
        "digest": "ab" * 32,
        "seen_at": "2019-01-01T00:00:00.000000Z",
    }
    request = office.request(key=key)
    office.decide(office.apply([request], HOLDER.party, evidence=[seen]).digest)
    other.key, other.present = key, office.issue(request.id)
    with pytest.raises(RenewalRefused, match="evidence"):
        other.ask(make_key(), rekey=True)


def test_a_wish_falls_with_its_certificate(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rekey that a crash left approved is issued to nobody once the certificate that asked for it is revoked."""
    holder = Holder(office)
    monkeypatch.setattr("pki.renewal.issue_approved", lambda *_, **__: [])
    with pytest.raises(ValueError, match="unpack"):
        holder.ask(make_key(), rekey=True)
    wish = office.events()[-1]["data"]["request"]
    revoke_certificate(holder.present.fingerprint, "keyCompromise", actor=HOLDER, **office.issuing)
    with pytest.raises(WrongState, match="not in force"):
        office.issue(wish)


def test_a_compromised_key_takes_all_its_certificates_along(office: Office) -> None:
    """Whoever names the certificate before a renewal revokes the one after it as well, as both have one key."""
    holder, other = Holder(office), Holder(office)
    office.clock.advance(650 * DAY)
    after = holder.ask(rekey=False)

    change = revoke_certificate(holder.present.fingerprint, "keyCompromise", actor=HOLDER, **office.issuing)

    assert change.fingerprints == (holder.present.fingerprint, after.fingerprint)
    with read_only(office.sessions) as session:
        found = [find_certificate(session, each) for each in (after.fingerprint, other.present.fingerprint)]
    assert [each and each.state for each in found] == ["revoked", "issued"]


def test_keys_and_evidence_grow_old(office: Office) -> None:
    """A key is certified for four years in all, evidence is taken over for six; then both must be new."""
    holder = Holder(office)
    office.clock.advance(650 * DAY)
    holder.present = holder.ask(rekey=False)
    office.clock.advance(650 * DAY)
    with pytest.raises(RenewalRefused, match="key is too old"):
        holder.ask(rekey=False)
    key = make_key()
    holder.present, holder.key = holder.ask(key, rekey=True), key
    for _ in range(2):
        office.clock.advance(640 * DAY)
        key = make_key()
        if office.clock.now() - office_start(office) > RenewalRules().evidence_life:
            with pytest.raises(RenewalRefused, match="evidence"):
                holder.ask(key, rekey=True)
            return
        holder.present, holder.key = holder.ask(key, rekey=True), key
    raise AssertionError("the evidence never grew too old")


def office_start(office: Office) -> Any:
    return office.authority.root.certificate.not_valid_before_utc


def test_only_the_holder_renews_with_the_certificate_itself(office: Office) -> None:
    """Neither another party, nor with another certificate of one's own, nor one that is revoked, over or unknown."""
    holder = Holder(office)
    second = Holder(office)
    with pytest.raises(WrongSigner):
        holder.ask(make_key(), rekey=True, actor=REGISTRAR)
    registrar = office.signers[REGISTRAR.party]
    with pytest.raises(Forbidden):
        holder.ask(make_key(), rekey=True, actor=REGISTRAR, signer=registrar)
    other = Signer(second.key, second.present.certificate, office.authority.chain)
    with pytest.raises(Forbidden):
        holder.ask(make_key(), rekey=True, signer=other)
    revoke_certificate(holder.present.fingerprint, "superseded", actor=REGISTRAR, **office.issuing)
    with pytest.raises(WrongState):
        holder.ask(make_key(), rekey=True, signer=other)
    wish = Renewal("00" * 32, make_request(make_key(), Subject("Wish", "IR-0")), True).to_document()
    for document, refusal in ((wish, NotFound), ({**wish, "kind": "both"}, MalformedInput)):
        with pytest.raises(refusal):
            renew(
                office.paper(document, other),
                actor=HOLDER,
                papers=office.papers,
                rules=RenewalRules(),
                **office.issuing,
            )


def test_an_encryption_certificate_is_renewed_by_signature(office: Office) -> None:
    """Its key signs nothing, so the member signs with the signing certificate."""
    signing, encryption = Holder(office), Holder(office, "member-encryption")
    new = make_key()
    signer = Signer(signing.key, signing.present.certificate, office.authority.chain)
    issued = encryption.ask(new, rekey=True, signer=signer)
    assert (issued.profile, issued.certificate.public_key()) == ("member-encryption", new.public_key())


def test_reminders_come_once_each(office: Office) -> None:
    """At 60, 30 and 7 days; who was late hears the nearest only; what was renewed is reminded of no more."""
    holder = Holder(office)
    quiet = Holder(office)

    def reminded() -> list[tuple[str, int]]:
        remind_expiring(unit_of_work=office.unit_of_work, clock=office.clock)
        return [
            (each["subject"], each["data"]["days"])
            for each in office.events()
            if each["type"] == CERTIFICATE_EXPIRING and each["data"]["party"] == HOLDER.party
        ]

    assert reminded() == []
    ends = holder.present.certificate.not_valid_after_utc
    office.clock.advance(ends - office.clock.now() - 59 * DAY)
    both = {(holder.present.fingerprint, 60), (quiet.present.fingerprint, 60)}
    with read_only(office.sessions) as session:
        assert reminders_are_due(session, office.clock.now())
    assert set(reminded()) == both
    assert set(reminded()) == both
    with read_only(office.sessions) as session:
        assert not reminders_are_due(session, office.clock.now())
    quiet.ask(make_key(), rekey=True)
    office.clock.advance(54 * DAY)
    assert reminded()[2:] == [(holder.present.fingerprint, 7)]
    office.clock.advance(6 * DAY)
    assert len(reminded()) == 3
