"""Ceremonies with an outside root: a request goes out, a certificate comes in and is checked before anything counts."""

from __future__ import annotations

from dataclasses import replace

from cryptography import x509

from kernel.errors import DomainError
from pki.algorithms import fingerprint_of, public_key_of
from pki.authority import make_request
from pki.ceremonies.own import DEFAULT_KEY, install_intermediate, wished_subject
from pki.ceremonies.workshop import Workshop
from pki.crl import RevocationList
from pki.errors import CeremonyRefused
from pki.issuers import IssuerEntry, Requested
from pki.names import written_name
from pki.path_validation import find_path


def request(workshop: Workshop) -> None:
    """A key and its request; the key issues nothing before its certificate is in."""
    if workshop.description.requested is not None:
        raise CeremonyRefused("a certificate is being waited for", name=workshop.description.requested.name)
    document, name = workshop.document, workshop.description.next_name("intermediate")
    key = workshop.create_key(name, str(document.text("key_kind", DEFAULT_KEY)))
    kept = workshop.keep_request(name, make_request(key, wished_subject(workshop, "intermediate")))
    waiting = Requested(name, kept, str(document.text("organization")), str(document.text("party")))
    workshop.description = replace(workshop.description, requested=waiting)


def take_certificate(workshop: Workshop) -> None:
    """The certificate of the outside root for our key: from now on the installation issues under it.

    Raises CeremonyRefused: another key, another name, no authority, a path that is too long or does not hold, or not
    valid now.
    """
    waiting = workshop.description.requested
    if waiting is None:
        raise CeremonyRefused("no certificate is being waited for")
    inputs = workshop.document.inputs
    root = _certificate(inputs["root"])
    chain = [_certificate(inputs[name]) for name in sorted(inputs) if name.startswith("chain-")]
    certificate = _certificate(inputs["certificate"])
    wanted = x509.load_pem_x509_csr(workshop.path(waiting.request).read_bytes())
    _check_subject(certificate, wanted)
    _check_authority(certificate)
    _check_path([root, *chain, certificate], workshop)
    above = _install_above(workshop, root, chain)
    kept = workshop.keep(waiting.name, certificate)
    entry = IssuerEntry(waiting.name, "intermediate", above, "here", kept)
    workshop.description = replace(workshop.description, requested=None)
    install_intermediate(workshop, entry, waiting.organization, waiting.party)
    if "list" in inputs:
        _take_list(workshop, root, inputs["list"])


def _check_subject(certificate: x509.Certificate, wanted: x509.CertificateSigningRequest) -> None:
    if certificate.public_key() != wanted.public_key():
        raise CeremonyRefused("the certificate is for another key than the request")
    if certificate.subject != wanted.subject:
        raise CeremonyRefused("the certificate is for another name", found=written_name(certificate.subject))


def _check_authority(certificate: x509.Certificate) -> None:
    """The profile of an intermediate (RFC 5280 §4.2.1.2, .3, .9), and an identifier by which others find it."""
    try:
        extensions = certificate.extensions
        basic = extensions.get_extension_for_class(x509.BasicConstraints)
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        named = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise CeremonyRefused("the certificate lacks an extension of an authority") from error
    if not (basic.value.ca and basic.critical and usage.key_cert_sign and usage.crl_sign):
        raise CeremonyRefused("the certificate is not that of an authority that signs lists")
    if named != x509.SubjectKeyIdentifier.from_public_key(public_key_of(certificate)):
        raise CeremonyRefused(
            "the certificate names our key by another identifier than SHA-1 (RFC 5280 §4.2.1.2)"
        )


def _check_path(path: list[x509.Certificate], workshop: Workshop) -> None:
    now, root = workshop.now, path[0]
    for each in path:
        if not each.not_valid_before_utc <= now <= each.not_valid_after_utc:
            raise CeremonyRefused("a certificate is not valid now", subject=written_name(each.subject))
    if root.subject != root.issuer:
        raise CeremonyRefused("what is called the root is signed by somebody else")
    for depth, each in enumerate(path[:-1]):
        try:
            basic = each.extensions.get_extension_for_class(x509.BasicConstraints).value
        except x509.ExtensionNotFound:
            basic = x509.BasicConstraints(ca=False, path_length=None)
        below = len(path) - 1 - depth
        if not basic.ca or (basic.path_length is not None and basic.path_length < below):
            raise CeremonyRefused(
                "a certificate above allows no authority so far below", subject=written_name(each.subject)
            )
    try:
        root.verify_directly_issued_by(root)
        found = find_path(path[-1], path[1:-1], [root], now)
    except (DomainError, ValueError, TypeError, x509.ExtensionNotFound) as error:
        raise CeremonyRefused("the certificate does not chain to that root") from error
    except Exception as error:  # InvalidSignature is neither.
        raise CeremonyRefused("the root is not signed by itself") from error
    if [fingerprint_of(each) for each in found] != [fingerprint_of(each) for each in path]:
        raise CeremonyRefused("the chain is not in order, the root's neighbour first")


def _install_above(workshop: Workshop, root: x509.Certificate, chain: list[x509.Certificate]) -> str:
    """The authorities above ours, known already or new; gives the name of the lowest."""
    name = ""
    for depth, certificate in enumerate((root, *chain)):
        entry = next(
            (each for each in workshop.description.issuers if workshop.certificate_of(each) == certificate),
            None,
        )
        if entry is None:
            kind = "root" if depth == 0 else "intermediate"
            count = sum(each.name.startswith("above") for each in workshop.description.issuers)
            fresh = workshop.description.next_name("root") if depth == 0 else f"above-{count + 1}"
            kept = workshop.keep(fresh, certificate)
            entry = IssuerEntry(fresh, kind, name or fresh, "outside", kept)  # type: ignore[arg-type]
            issuers = (*workshop.description.issuers, entry)
            workshop.description = replace(workshop.description, issuers=issuers)
        name = entry.name
    return name


def _take_list(workshop: Workshop, root: x509.Certificate, der: bytes) -> None:
    if not RevocationList.parse(der).is_signed_by(root):
        raise CeremonyRefused("the list is not signed by that root")
    name = next(each.name for each in workshop.description.issuers if workshop.certificate_of(each) == root)
    workshop.keep_list(name, der)


def _certificate(data: bytes) -> x509.Certificate:
    try:
        pem = data.lstrip().startswith(b"-----BEGIN")
        return x509.load_pem_x509_certificate(data) if pem else x509.load_der_x509_certificate(data)
    except ValueError as error:
        raise CeremonyRefused("an input is not a certificate") from error
