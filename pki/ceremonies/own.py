"""Ceremonies with keys of our own: root, intermediate, a new key for either, cross and single certificates."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from cryptography import x509
from cryptography.x509.oid import NameOID

from pki.algorithms import public_key_of
from pki.authority import build_intermediate, build_root, check_csr, issue, make_request, new_serial
from pki.beginning import subjects_of
from pki.ceremonies.crossing import cross_certificate
from pki.ceremonies.revoking import keep_new_list
from pki.ceremonies.services import make_services, prove_chain
from pki.ceremonies.workshop import Workshop
from pki.errors import CeremonyRefused
from pki.issuers import CertifiedEntry, IssuerEntry, Place
from pki.names import Subject, name_of, party_of
from pki.profiles import BACKDATED, INTERMEDIATE, PERSON_SIGNING, SERVICE_SEAL

DEFAULT_KEY = "P-384"
_FOREIGN_LIFE = timedelta(days=5 * 365)


def make_root(workshop: Workshop) -> None:
    """A root of our own; raises CeremonyRefused where there is one."""
    if any(each.kind == "root" and each.key != "outside" for each in workshop.description.issuers):
        raise CeremonyRefused("there is a root already: rekey gives it a new key")
    place: Place = "apart" if workshop.document.text("key", "here") == "apart" else "here"
    name = workshop.description.next_name("root")
    key = workshop.create_key(name, _key_kind(workshop), place)
    certificate = build_root(key, wished_subject(workshop, "root"), serial=new_serial(), now=workshop.now)
    entry = IssuerEntry(name, "root", name, place, workshop.keep(name, certificate))
    _append(workshop, entry)
    keep_new_list(workshop, entry)


def make_intermediate(workshop: Workshop) -> None:
    """An issuing authority below our own root, which issues from now on; the one before is retired."""
    organization, party = str(workshop.document.text("organization")), str(workshop.document.text("party"))
    entry = _certify_intermediate(workshop, wished_subject(workshop, "intermediate"))
    install_intermediate(workshop, entry, organization, party)


def rekey(workshop: Workshop) -> None:
    """A new key under the same name: for a root with certificates from old to new and back (RFC 4210 §4.4)."""
    entry = ours(workshop, "authority")
    if entry.state != "active":
        raise CeremonyRefused("this authority issues no more", authority=entry.name, state=entry.state)
    if entry.kind == "root":
        _rekey_root(workshop, entry)
        return
    subject = subject_of(workshop.certificate_of(entry))
    install_intermediate(workshop, _certify_intermediate(workshop, subject), "", "")


def cross(workshop: Workshop) -> None:
    """One of our roots certifies another of our authorities, or the request of an authority elsewhere."""
    issuer = ours(workshop, "issuer")
    if issuer.kind != "root" or issuer.state == "revoked":
        raise CeremonyRefused("only a root makes cross certificates", issuer=issuer.name)
    named, sent = workshop.document.text("subject"), workshop.document.inputs.get("request")
    if (named is None) == (sent is None):
        raise CeremonyRefused("a cross certificate has a subject of ours or a request, one of both")
    if sent is not None:
        request = check_csr(sent, INTERMEDIATE)
        if len(request.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)) != 1:
            raise CeremonyRefused("the request names no party (serialNumber)")
        _keep_cross(workshop, request, issuer, 0, f"cross-by-{issuer.name}")
        return
    subject = ours(workshop, "subject")
    if subject.issuer == issuer.name or subject.state == "revoked":
        raise CeremonyRefused("nothing to cross", subject=subject.name, issuer=issuer.name)
    certificate = workshop.certificate_of(subject)
    length = 1 if subject.kind == "root" else 0
    _keep_cross(workshop, certificate, issuer, length, f"{subject.name}-by-{issuer.name}")


def certify(workshop: Workshop) -> None:
    """One certificate where no registrar can make it: for the custodian, or for the first registrar."""
    document, issuer = workshop.document, workshop.description.active("intermediate")
    if issuer is None or issuer.key != "here":
        raise CeremonyRefused("no authority may issue now")
    profile = SERVICE_SEAL if document.text("profile") == SERVICE_SEAL.name else PERSON_SIGNING
    subject = Subject(str(document.text("name")), str(document.text("party")), document.text("organization"))
    certificate = issue(
        document.inputs["request"],
        profile,
        subject,
        workshop.key_of(issuer),
        workshop.certificate_of(issuer),
        serial=new_serial(),
        now=workshop.now,
        locations=workshop.locations(issuer.name),
    )
    _append_certified(workshop, profile.name, issuer.name, workshop.keep("certified", certificate))
    workshop.keep_chain(issuer)


def install_intermediate(workshop: Workshop, entry: IssuerEntry, organization: str, party: str) -> None:
    """It issues from now on, with services of its own; the one before is retired."""
    before = workshop.description.active("intermediate")
    if before is not None:
        workshop.description = workshop.description.changed(before.name, state="retired")
        workshop.step("retired", authority=before.name)
    _append(workshop, entry)
    workshop.step("issues from now on", authority=entry.name)
    make_services(workshop, entry, organization, party)
    prove_chain(workshop, entry)


def ours(workshop: Workshop, field: str) -> IssuerEntry:
    """The authority named in a field, whose key is not with somebody else."""
    name = str(workshop.document.text(field))
    entry = workshop.description.issuer(name)
    if entry is None:
        raise CeremonyRefused("no such authority", authority=name)
    if entry.key == "outside":
        raise CeremonyRefused("this authority belongs to somebody else", authority=name)
    return entry


def wished_subject(workshop: Workshop, role: str) -> Subject:
    """The subject as the file says, in the manner of this installation."""
    document = workshop.document
    subject = subjects_of(
        str(document.text("organization")), str(document.text("party")), workshop.description.demo
    )[role]
    chosen = document.text("common_name")
    return subject if chosen is None else replace(subject, common_name=chosen)


def subject_of(certificate: x509.Certificate) -> Subject:
    """The subject of one of our certificates again."""
    found = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return Subject(name_of(certificate), party_of(certificate), str(found[0].value) if found else None)


def _rekey_root(workshop: Workshop, old: IssuerEntry) -> None:
    old_key, old_certificate = workshop.key_of(old), workshop.certificate_of(old)
    place: Place = "apart" if workshop.document.text("key", old.key) == "apart" else "here"
    name = workshop.description.next_name("root")
    key = workshop.create_key(name, _key_kind(workshop), place)
    certificate = build_root(key, subject_of(old_certificate), serial=new_serial(), now=workshop.now)
    new = IssuerEntry(name, "root", name, place, workshop.keep(name, certificate))
    workshop.description = workshop.description.changed(old.name, state="retired")
    _append(workshop, new)
    workshop.step("retired", authority=old.name)
    new_with_old = cross_certificate(
        certificate,
        old_key,
        old_certificate,
        path_length=1,
        starts=certificate.not_valid_before_utc,
        ends=old_certificate.not_valid_after_utc,
        locations=workshop.locations(old.name),
    )
    old_with_new = cross_certificate(
        old_certificate,
        key,
        certificate,
        path_length=1,
        starts=old_certificate.not_valid_before_utc,
        ends=old_certificate.not_valid_after_utc,
        locations=workshop.locations(name),
    )
    for issuer, made in ((old, new_with_old), (new, old_with_new)):
        subject = name if issuer is old else old.name
        kept = workshop.keep(f"{subject}-by-{issuer.name}", made)
        _append_certified(workshop, "cross", issuer.name, kept)
    for each in (old, new):
        keep_new_list(workshop, each)


def _certify_intermediate(workshop: Workshop, subject: Subject) -> IssuerEntry:
    root = workshop.description.active("root")
    if root is None or root.key == "outside":
        raise CeremonyRefused("the root is not ours: a request goes out and a certificate comes in")
    name = workshop.description.next_name("intermediate")
    root_key = workshop.key_of(root)
    key = workshop.create_key(name, _key_kind(workshop))
    certificate = build_intermediate(
        make_request(key, subject),
        subject,
        root_key,
        workshop.certificate_of(root),
        serial=new_serial(),
        now=workshop.now,
        locations=workshop.locations(root.name),
    )
    return IssuerEntry(name, "intermediate", root.name, "here", workshop.keep(name, certificate))


def _keep_cross(
    workshop: Workshop,
    subject: x509.Certificate | x509.CertificateSigningRequest,
    issuer: IssuerEntry,
    path_length: int,
    name: str,
) -> None:
    signing = workshop.certificate_of(issuer)
    ends = min(workshop.now + _FOREIGN_LIFE, signing.not_valid_after_utc)
    if isinstance(subject, x509.Certificate):
        ends = min(subject.not_valid_after_utc, signing.not_valid_after_utc)
        public_key_of(subject)
    made = cross_certificate(
        subject,
        workshop.key_of(issuer),
        signing,
        path_length=path_length,
        starts=max(workshop.now - BACKDATED, signing.not_valid_before_utc),
        ends=ends,
        locations=workshop.locations(issuer.name),
    )
    _append_certified(workshop, "cross", issuer.name, workshop.keep(name, made))


def _key_kind(workshop: Workshop) -> str:
    return str(workshop.document.text("key_kind", DEFAULT_KEY))


def _append(workshop: Workshop, entry: IssuerEntry) -> None:
    workshop.description = replace(workshop.description, issuers=(*workshop.description.issuers, entry))


def _append_certified(workshop: Workshop, profile: str, issuer: str, kept: str) -> None:
    entry = CertifiedEntry(profile, issuer, kept)
    workshop.description = replace(workshop.description, certified=(*workshop.description.certified, entry))
