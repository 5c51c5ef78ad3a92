"""Signatures that are not what they seem: certificates confused, stamps stripped, keys revoked, algorithms gone weak.

Each case has its own reason to fail, or to hold all the same; what is expected stands in the tests.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from pki.algorithms import PrivateKey
from pki.authority import build_intermediate, build_root, make_request, new_serial
from pki.names import Subject
from pki.signed_data import Signer
from signing.ades.cades import sign_file
from signing.ades.services import Level
from tests.support import cms_forgery as forgery
from tests.support.authority import after, make_authority, make_key
from tests.support.signature_world import World, make_world

CONTENT = b"To pay: 1,000"
OTHER = b"To pay: 9,000"


@dataclass(frozen=True, slots=True)
class Case:
    """A detached signature, what it is beside, and what it is judged by: time and lists."""

    signed: bytes
    content: bytes | None
    at: datetime
    crls: tuple[bytes, ...]


def signed_by(world: World, signer: Signer, level: Level = Level.B_T, content: bytes = CONTENT) -> bytes:
    """A detached CAdES signature of now."""
    return sign_file(io.BytesIO(content), signer, level, world.services, at=world.at)


def certified(
    world: World,
    key: PrivateKey,
    name: str,
    *,
    serial: int | None = None,
    issuer: tuple[PrivateKey, x509.Certificate] | None = None,
    days: int = 730,
) -> x509.Certificate:
    """A person's certificate, plainly built, so that it may be one that no profile allows."""
    issuer_key, issuer_certificate = issuer or (
        world.authority.intermediate_key,
        world.authority.intermediate,
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(True, True, False, False, False, False, False, False, False)
    start = world.at - timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_certificate.subject)
        .public_key(key.public_key())
        .serial_number(serial or new_serial())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(usage, critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def _now(world: World, signed: bytes, content: bytes | None = CONTENT) -> Case:
    return Case(signed, content, world.judged_at, tuple(world.crls))


def another_certificate_of_the_key(world: World) -> Case:
    """The holder has two certificates for one key; the signature is shown with the one it does not name."""
    signer = world.signers["P-256"]
    second = certified(world, signer.key, "Somebody else")
    signed = forgery.named(signed_by(world, signer), second)
    return _now(world, forgery.with_certificates(signed, second, world.authority.intermediate))


def reference_to_another(world: World) -> Case:
    """The signed reference names a certificate of somebody else, whose key did not sign."""
    signer = world.signers["P-256"]
    other = world.signers["P-384"].certificate
    signed = forgery.forge(CONTENT, signer.key, signer.certificate, signer.chain, at=world.at, names=other)
    return _now(world, signed)


def _double(world: World) -> tuple[PrivateKey, x509.Certificate, x509.Certificate]:
    """A foreign authority of the same name, and its certificate with the same issuer and serial number."""
    victim = world.signers["P-256"].certificate
    root_key, key, person = make_key(), make_key(), make_key()
    subject = Subject("Test Root", "IRO-Test-ROOT")
    root = build_root(root_key, subject, serial=new_serial(), now=world.at)
    name = Subject("Test Intermediate", "IRO-Test-CA")
    request = make_request(key, name)
    authority = build_intermediate(request, name, root_key, root, serial=new_serial(), now=world.at)
    assert authority.subject == world.authority.intermediate.subject
    issuer = (key, authority)
    double = certified(world, person, "Signer P-256", serial=victim.serial_number, issuer=issuer)
    return person, double, authority


def same_issuer_and_serial(world: World) -> Case:
    """A foreign authority of the same name issued a certificate of the same number, and its holder signs."""
    key, double, authority = _double(world)
    return _now(world, forgery.forge(CONTENT, key, double, (authority,), at=world.at))


def double_beside_the_right_one(world: World) -> Case:
    """That certificate is put in front of the right one, in a signature that is right."""
    _, double, authority = _double(world)
    signer = world.signers["P-256"]
    certificates = (double, authority, signer.certificate, world.authority.intermediate)
    return _now(world, forgery.with_certificates(signed_by(world, signer), *certificates))


def untrusted_root(world: World) -> Case:
    """All is well, and nobody here trusts that root."""
    other = make_authority(world.at - timedelta(hours=1), name="Other")
    signer = other.person("IR-1", "Stranger")
    signed = forgery.forge(CONTENT, signer.key, signer.certificate, signer.chain, at=world.at)
    return Case(signed, CONTENT, world.judged_at, tuple(other.crls()))


def content_of_another(world: World) -> Case:
    """The signature of one document beside another."""
    return _now(world, signed_by(world, world.signers["P-256"]), OTHER)


def content_missing(world: World) -> Case:
    """A detached signature alone."""
    return _now(world, signed_by(world, world.signers["P-256"]), None)


def signature_value_changed(world: World) -> Case:
    """One bit of the signature value."""
    return _now(world, forgery.with_flipped_signature(signed_by(world, world.signers["RSA"], Level.B_B)))


def stamp_of_another(world: World) -> Case:
    """The time stamp belongs to another signature."""
    signer = world.signers["P-256"]
    return _now(
        world, forgery.with_stamp_of(signed_by(world, signer), signed_by(world, signer, content=OTHER))
    )


def _revoked(signed_before: bool, strip: bool = False) -> Case:
    world = make_world()
    signer = world.signers["P-256"]
    signed = signed_by(world, signer)
    at = world.at + timedelta(hours=1) if signed_before else world.at - timedelta(minutes=30)
    world.authority.revoke(signer.certificate, at=at)
    after(world.authority, timedelta(hours=2))
    crls = tuple(world.authority.crls())
    return Case(forgery.stripped(signed) if strip else signed, CONTENT, world.at + timedelta(hours=1), crls)


def weak(world: World, digest: str, bits: int = 2048) -> Case:
    """An RSA key of that length and that digest, signed now."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    certificate = certified(world, key, f"RSA {bits}")
    chain = (world.authority.intermediate,)
    return _now(world, forgery.forge(CONTENT, key, certificate, chain, at=world.at, digest=digest))


def weakened(digest: str, bits: int, end: datetime, *, months: int, with_stamp: bool) -> tuple[World, Case]:
    """Signed a month before an algorithm ended, judged that many months later, with lists of then."""
    world = make_world(end - timedelta(days=30))
    case = weak(world, digest, bits)
    signed = forgery.stamped(case.signed, world.authority.stamp) if with_stamp else case.signed
    after(world.authority, timedelta(days=30 * months))
    return world, Case(signed, CONTENT, world.judged_at, tuple(world.authority.crls()))


def expired(world: World, *, stamped: bool) -> Case:
    """Judged when the signer's certificate of one day has ended; the lists are those of then."""
    key = make_key()
    certificate = certified(world, key, "Short", days=1)
    signer = Signer(key, certificate, (world.authority.intermediate,))
    level = Level.B_T if stamped else Level.B_B
    return Case(signed_by(world, signer, level), CONTENT, world.at + timedelta(days=2), tuple(world.crls))


CASES: dict[str, Callable[[World], Case]] = {
    "another certificate of the key": another_certificate_of_the_key,
    "reference to another": reference_to_another,
    "same issuer and serial": same_issuer_and_serial,
    "double beside the right one": double_beside_the_right_one,
    "untrusted root": untrusted_root,
    "content of another": content_of_another,
    "content missing": content_missing,
    "signature value changed": signature_value_changed,
    "stamp of another": stamp_of_another,
    "SHA-1": lambda world: weak(world, "sha1"),
    "MD5": lambda world: weak(world, "md5"),
    "RSA-1024": lambda world: weak(world, "sha256", 1024),
    "expired, stamped before": lambda world: expired(world, stamped=True),
    "expired, not stamped": lambda world: expired(world, stamped=False),
}
