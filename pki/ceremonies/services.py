"""The keys that sign for an installation, made anew under every intermediate, and the proof that its chain holds."""

from __future__ import annotations

from dataclasses import replace

from cryptography import x509
from cryptography.x509.oid import NameOID

from kernel.errors import DomainError
from pki.authority import issue, make_request, new_serial
from pki.authority_folder import read_certificate, service_of
from pki.beginning import subjects_of
from pki.ceremonies.workshop import Workshop
from pki.errors import CeremonyRefused
from pki.issuers import NEEDED_SERVICES, SERVICES, IssuerEntry, ServiceEntry
from pki.names import Subject, name_of, party_of
from pki.path_validation import find_path


def make_services(workshop: Workshop, issuer: IssuerEntry, organization: str, party: str) -> None:
    """New keys and certificates for time stamps and receipts; those who had them keep their names."""
    issuer_key, issuer_certificate = workshop.key_of(issuer), workshop.certificate_of(issuer)
    for role, (profile, kind) in SERVICES.items():
        before = service_of(workshop.folder, workshop.description, role)
        if role not in NEEDED_SERVICES and before is None:
            continue
        subject = _subject(workshop, role, before, organization, party)
        name = workshop.free_key_name(role)
        certificate = issue(
            make_request(workshop.create_key(name, kind), subject),
            profile,
            subject,
            issuer_key,
            issuer_certificate,
            serial=new_serial(),
            now=workshop.now,
            locations=workshop.locations(issuer.name),
        )
        entry = ServiceEntry(role, name, issuer.name, workshop.keep(name, certificate))
        services = (*workshop.description.services, entry)
        workshop.description = replace(workshop.description, services=services)


def prove_chain(workshop: Workshop, issuer: IssuerEntry) -> None:
    """What was just issued verifies up to the root (RFC 5280 §6.1); raises CeremonyRefused."""
    described = workshop.description
    receipt = described.service("receipt")
    if receipt is None:
        raise CeremonyRefused("the authority was never finished")
    certificate = read_certificate(workshop.path(receipt.certificate))
    roots = [workshop.certificate_of(each) for each in described.issuers if each.kind == "root"]
    above = [workshop.certificate_of(each) for each in described.issuers if each.kind == "intermediate"]
    try:
        path = find_path(certificate, above, roots, workshop.now)
    except DomainError as error:
        raise CeremonyRefused("nothing below this authority would verify", authority=issuer.name) from error
    workshop.step("verified up to the root", path=" <- ".join(name_of(each) for each in path))


def _subject(
    workshop: Workshop, role: str, before: ServiceEntry | None, organization: str, party: str
) -> Subject:
    if before is None:
        return subjects_of(organization, party, workshop.description.demo)[role]
    certificate: x509.Certificate = read_certificate(workshop.path(before.certificate))
    found = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return Subject(name_of(certificate), party_of(certificate), str(found[0].value) if found else None)
