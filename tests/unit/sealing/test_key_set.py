"""The key set: whose keys count, and that all of them agreed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kernel.canonical import canonical_bytes, from_base64, parse_canonical, to_base64
from kernel.errors import MalformedInput
from pki.algorithms import fingerprint_of
from pki.errors import CertificateRevoked, CertificateUntrusted
from pki.profiles import MEMBER_ENCRYPTION, PERSON_SIGNING
from sealing.errors import KeySetInvalid
from sealing.key_set import KeySet, KeySetMember, verify_countersignatures
from signing.cms import sign_detached
from signing.errors import SignatureInvalid, WrongSigner
from tests.support.authority import MemoryAuthority, make_authority, make_key
from tests.unit.sealing.builders import CUSTODIAN, TENDER, Commission, make_commission

Value = dict[str, Any]


def changed(commission: Commission, change: Callable[[Value], None]) -> bytes:
    value = parse_canonical(commission.key_set.document)
    change(value)
    return canonical_bytes(value)


def test_what_is_built_is_read(commission: Commission) -> None:
    """Members, threshold and custodian come back, and the digest is that of the bytes."""
    key_set = KeySet.parse(commission.key_set.document)

    assert key_set == commission.key_set
    assert (key_set.tender, key_set.threshold, len(key_set.members)) == (TENDER, 3, 5)
    assert key_set.custodian.party == CUSTODIAN
    assert key_set.digest == commission.key_set.digest


@pytest.mark.parametrize(("members", "threshold"), [(3, 1), (3, 0), (2, 2), (3, 3), (3, 4), (3, -2)])
def test_too_low_and_too_high_thresholds_are_refused(members: int, threshold: int) -> None:
    """Two must always come together, and one absent member must never keep all bids closed."""
    with pytest.raises(KeySetInvalid):
        make_commission(members, threshold, authority=AUTHORITY)


AUTHORITY = make_authority()


def repeat_person(value: Value) -> None:
    value["members"][1]["party"] = value["members"][0]["party"]


def repeat_certificate(value: Value) -> None:
    value["members"][1]["encryption_certificate"] = value["members"][0]["encryption_certificate"]


def repeat_index(value: Value) -> None:
    value["members"][1]["index"] = 1


def skip_index(value: Value) -> None:
    value["members"][4]["index"] = 6


def index_from_zero(value: Value) -> None:
    for entry in value["members"]:
        entry["index"] -= 1


def exchange_order(value: Value) -> None:
    value["members"].reverse()


def true_index(value: Value) -> None:
    value["members"][0]["index"] = True


def true_threshold(value: Value) -> None:
    value["threshold"] = True


def text_threshold(value: Value) -> None:
    value["threshold"] = "3"


def custodian_as_member(value: Value) -> None:
    value["custodian"]["party"] = value["members"][0]["party"]


def one_key_for_all_kinds(value: Value) -> None:
    value["custodian"]["keys"] = dict.fromkeys("ABC", value["custodian"]["keys"]["A"])


def no_key_for_c(value: Value) -> None:
    del value["custodian"]["keys"]["C"]


def a_key_more(value: Value) -> None:
    value["custodian"]["keys"]["D"] = value["custodian"]["keys"]["C"]


def keys_as_text(value: Value) -> None:
    value["custodian"]["keys"] = "ABC"


def member_key_as_custodian_key(value: Value) -> None:
    certificate = x509.load_der_x509_certificate(from_base64(value["members"][0]["encryption_certificate"]))
    value["custodian"]["keys"]["A"] = to_base64(
        certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )


def custodian_on_another_curve(value: Value) -> None:
    value["custodian"]["keys"]["A"] = spki_of(ec.generate_private_key(ec.SECP384R1()))


def custodian_with_rsa(value: Value) -> None:
    value["custodian"]["keys"]["A"] = spki_of(rsa.generate_private_key(65537, 2048))


def custodian_key_with_tail(value: Value) -> None:
    value["custodian"]["keys"]["A"] = to_base64(from_base64(value["custodian"]["keys"]["A"]) + b"\x00")


def custodian_key_is_noise(value: Value) -> None:
    value["custodian"]["keys"]["A"] = to_base64(b"noise")


def custodian_key_is_compressed(value: Value) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    whole = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    point = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    value["custodian"]["keys"]["A"] = to_base64(b"\x30\x39" + whole[2:23] + b"\x03\x22\x00" + point)


def certificate_is_noise(value: Value) -> None:
    value["members"][0]["encryption_certificate"] = to_base64(b"noise")


def member_field_more(value: Value) -> None:
    value["members"][0]["name"] = "x"


def member_is_text(value: Value) -> None:
    value["members"][0] = "IR-0000000001"


def members_are_an_object(value: Value) -> None:
    value["members"] = {}


def too_many_members(value: Value) -> None:
    value["members"] = value["members"] * 7


def previous_is_no_digest(value: Value) -> None:
    value["previous"] = "the one before"


def instant_elsewhere(value: Value) -> None:
    value["created_at"] = "2026-11-24T11:30:00.000000+03:30"


def instant_is_a_number(value: Value) -> None:
    value["created_at"] = 7


def fingerprint_in_capitals(value: Value) -> None:
    value["members"][0]["signing_certificate"] = "AB" * 32


def empty_party(value: Value) -> None:
    value["custodian"]["party"] = ""


def field_more(value: Value) -> None:
    value["note"] = ""


@pytest.mark.parametrize(
    "change",
    [
        repeat_person, repeat_certificate, repeat_index, skip_index, index_from_zero, exchange_order, true_index,
        true_threshold, text_threshold, custodian_as_member, one_key_for_all_kinds, no_key_for_c, a_key_more,
        keys_as_text, member_key_as_custodian_key, custodian_on_another_curve, custodian_with_rsa,
        custodian_key_with_tail, custodian_key_is_noise, custodian_key_is_compressed, certificate_is_noise,
        member_field_more, member_is_text, members_are_an_object, too_many_members, previous_is_no_digest,
        instant_elsewhere, instant_is_a_number, fingerprint_in_capitals, empty_party, field_more,
    ],
)  # fmt: skip
def test_a_key_set_of_another_form_is_refused(
    commission: Commission, change: Callable[[Value], None]
) -> None:
    """Nobody twice, no key twice, no gap, one curve, one spelling."""
    with pytest.raises((KeySetInvalid, MalformedInput)):
        KeySet.parse(changed(commission, change))


def with_certificate(commission: Commission, key: Any, identifier: bytes | None) -> bytes:
    """Member 1's place with a certificate that was made in another way."""
    authority = commission.authority
    name = x509.Name([x509.NameAttribute(x509.NameOID.SERIAL_NUMBER, "IR-0000000001")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(authority.now)
        .not_valid_after(authority.now + timedelta(days=1))
    )
    if identifier is not None:
        builder = builder.add_extension(x509.SubjectKeyIdentifier(identifier), critical=False)
    der = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)

    def place(value: Value) -> None:
        value["members"][0]["encryption_certificate"] = to_base64(der)

    return changed(commission, place)


def test_certificates_need_a_p256_key_and_a_key_identifier(commission: Commission) -> None:
    """Stock tools find a share by the identifier in the certificate, so there is one, and it is short."""
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = bytes(range(20))

    key_set = KeySet.parse(with_certificate(commission, key, identifier))
    assert key_set.members[0].key_identifier == identifier
    for other in (None, b"", bytes(65)):
        with pytest.raises(KeySetInvalid):
            KeySet.parse(with_certificate(commission, key, other))
    for kind in ("P-384", "RSA", "Ed25519"):
        with pytest.raises(KeySetInvalid):
            KeySet.parse(with_certificate(commission, make_key(kind), identifier))


def test_two_certificates_with_one_identifier_are_refused(commission: Commission) -> None:
    """A share must not seem to be for two members."""
    taken = commission.key_set.members[1].key_identifier
    key = ec.generate_private_key(ec.SECP256R1())

    with pytest.raises(KeySetInvalid):
        KeySet.parse(with_certificate(commission, key, taken))


def test_a_member_from_an_unreadable_certificate_is_refused() -> None:
    """The place of a member can't be made of noise."""
    with pytest.raises(KeySetInvalid):
        KeySetMember.of(1, "IR-1", signing_certificate="00" * 32, encryption_certificate=b"noise")


def verify(commission: Commission, document: bytes, signatures: dict[str, bytes], **options: Any) -> KeySet:
    authority = commission.authority
    return verify_countersignatures(document, signatures, authority.trust_store(), authority.now, **options)


def test_all_countersignatures_together_are_accepted(commission: Commission) -> None:
    """Every member and the custodian signed: the key set counts."""
    document = commission.key_set.document

    assert verify(commission, document, commission.countersignatures(document)) == commission.key_set


@pytest.mark.parametrize("party", ["IR-0000000001", "IR-0000000005", CUSTODIAN])
def test_one_missing_countersignature_is_refused(commission: Commission, party: str) -> None:
    """Whoever did not agree is named, and no bid is sealed to such a set."""
    document = commission.key_set.document
    signatures = commission.countersignatures(document)
    del signatures[party]

    with pytest.raises(KeySetInvalid) as refusal:
        verify(commission, document, signatures)
    assert refusal.value.fields == {"missing": [party]}


def test_anothers_countersignature_is_refused(commission: Commission) -> None:
    """A signature counts for its signer only, and only for these bytes."""
    document = commission.key_set.document
    honest = commission.countersignatures(document)
    first, second = "IR-0000000001", "IR-0000000002"

    with pytest.raises(WrongSigner):
        verify(commission, document, {**honest, first: honest[second]})
    other = sign_detached(document + b" ", commission.signers[first], at=commission.authority.now)
    with pytest.raises(SignatureInvalid):
        verify(commission, document, {**honest, first: other})


def test_an_exchanged_key_voids_all_countersignatures(commission: Commission) -> None:
    """A server that puts its own key in a member's place has no valid signature left."""
    own = make_commission(5, 3, authority=commission.authority)
    honest = commission.countersignatures(commission.key_set.document)

    def exchange(value: Value) -> None:
        theirs = parse_canonical(own.key_set.document)
        value["members"][2]["encryption_certificate"] = theirs["members"][2]["encryption_certificate"]

    with pytest.raises(SignatureInvalid):
        verify(commission, changed(commission, exchange), honest)


def test_another_certificate_of_the_same_person_is_refused(commission: Commission) -> None:
    """The signing certificate is the one that the key set names."""
    document = commission.key_set.document
    party = "IR-0000000001"
    renewed = commission.authority.person(party)
    signatures = commission.countersignatures(document)
    signatures[party] = sign_detached(document, renewed, at=commission.authority.now)

    with pytest.raises(KeySetInvalid) as refusal:
        verify(commission, document, signatures)
    assert refusal.value.fields == {"parties": [party]}


def place_certificate(commission: Commission, certificate: x509.Certificate) -> bytes:
    def place(value: Value) -> None:
        value["members"][0]["encryption_certificate"] = to_base64(certificate.public_bytes(Encoding.DER))

    return changed(commission, place)


def test_encryption_certificates_must_be_the_members_own(commission: Commission) -> None:
    """Signed by all or not: a certificate of another party, purpose or authority is no member's key."""
    authority = commission.authority
    stranger: MemoryAuthority = make_authority(name="Stranger")
    key = ec.generate_private_key(ec.SECP256R1())
    party = "IR-0000000001"
    cases = [
        (authority.member_encryption("IR-0000000099")[1], KeySetInvalid),
        (authority.certify(key, PERSON_SIGNING, party, "x"), CertificateUntrusted),
        (stranger.certify(key, MEMBER_ENCRYPTION, party, "x"), CertificateUntrusted),
    ]
    for certificate, refusal in cases:
        document = place_certificate(commission, certificate)
        with pytest.raises(refusal):
            verify(commission, document, commission.countersignatures(document))


def test_a_revoked_encryption_certificate_is_refused() -> None:
    """Nobody seals to a key whose holder lost it."""
    commission = make_commission(3, 2)
    document = commission.key_set.document
    signatures = commission.countersignatures(document)
    commission.authority.revoke(commission.key_set.members[0].encryption_certificate)

    with pytest.raises(CertificateRevoked):
        verify(commission, document, signatures)


class Replacement:
    """A commission in which member 5 was replaced, with everybody's countersignatures."""

    def __init__(self, before: Commission) -> None:
        self.before = before
        self.new = before.authority.person("IR-0000000077")
        _, certificate = before.authority.member_encryption("IR-0000000077")
        members = [
            *before.key_set.members[:4],
            KeySetMember.of(
                5,
                "IR-0000000077",
                signing_certificate=fingerprint_of(self.new.certificate),
                encryption_certificate=certificate.public_bytes(Encoding.DER),
            ),
        ]
        self.key_set = KeySet.build(
            tender=TENDER,
            threshold=3,
            members=members,
            custodian=before.key_set.custodian,
            created_at=before.authority.now,
            previous=before.key_set.digest,
        )
        self.document = self.key_set.document
        self.signatures = before.countersignatures(self.document)
        self.signatures["IR-0000000077"] = sign_detached(self.document, self.new, at=before.authority.now)


def test_a_replacement_needs_its_members_and_k_of_the_old(commission: Commission) -> None:
    """With the old members' agreement the new set counts; the one who left need not sign."""
    replacement = Replacement(commission)
    without_the_old = {
        party: each for party, each in replacement.signatures.items() if party != "IR-0000000005"
    }

    for signatures in (replacement.signatures, without_the_old):
        agreed = verify(commission, replacement.document, signatures, previous=commission.key_set)
        assert agreed.previous == commission.key_set.digest


def test_a_wholly_new_commission_is_refused_without_the_old(commission: Commission) -> None:
    """A server cannot replace all members by its own people: k of the old must have signed."""
    authority = commission.authority
    people = [f"IR-00000009{number:02}" for number in range(3)]
    members, signers = [], {party: authority.person(party) for party in people}
    for index, party in enumerate(people, start=1):
        _, certificate = authority.member_encryption(party)
        members.append(
            KeySetMember.of(
                index,
                party,
                signing_certificate=fingerprint_of(signers[party].certificate),
                encryption_certificate=certificate.public_bytes(Encoding.DER),
            )
        )
    key_set = KeySet.build(
        tender=TENDER,
        threshold=2,
        members=members,
        custodian=commission.key_set.custodian,
        created_at=authority.now,
        previous=commission.key_set.digest,
    )
    signers[CUSTODIAN] = commission.signers[CUSTODIAN]
    signatures = {
        party: sign_detached(key_set.document, signer, at=authority.now) for party, signer in signers.items()
    }
    with pytest.raises(KeySetInvalid) as refusal:
        verify(commission, key_set.document, signatures, previous=commission.key_set)
    assert refusal.value.fields == {"agreed": 0, "needed": 3}

    # Two of the old ones are too few, and a signature over something else does not count; three are enough.
    old = commission.countersignatures(key_set.document)
    for party in ("IR-0000000001", "IR-0000000002"):
        signatures[party] = old[party]
    signatures["IR-0000000003"] = commission.countersignatures(b"another")["IR-0000000003"]
    with pytest.raises(KeySetInvalid):
        verify(commission, key_set.document, signatures, previous=commission.key_set)
    signatures["IR-0000000003"] = old["IR-0000000003"]
    assert verify(commission, key_set.document, signatures, previous=commission.key_set) == key_set


def test_a_replacement_follows_the_set_that_it_names(commission: Commission) -> None:
    """Neither a set without its predecessor, nor a first set that claims one, nor another tender's."""
    replacement = Replacement(commission)
    first = commission.key_set.document
    cases: list[tuple[bytes, dict[str, bytes], KeySet | None]] = [
        (replacement.document, replacement.signatures, None),
        (replacement.document, replacement.signatures, replacement.key_set),
        (first, commission.countersignatures(first), commission.key_set),
    ]
    for document, signatures, previous in cases:
        with pytest.raises(KeySetInvalid):
            verify(commission, document, signatures, previous=previous)


def test_a_replacement_does_not_take_another_tenders_place(commission: Commission) -> None:
    """Members who agreed for one tender did not agree for another, though all of them signed."""
    value = parse_canonical(commission.key_set.document)
    document = canonical_bytes({**value, "tender": "another", "previous": commission.key_set.digest})

    with pytest.raises(KeySetInvalid, match="another tender"):
        verify(commission, document, commission.countersignatures(document), previous=commission.key_set)


def spki_of(key: Any) -> str:
    return to_base64(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
