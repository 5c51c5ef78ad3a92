"""The folder of an authority: what stands where, and the description that counts.

FOLDER/certificates/*.pem is what was certified at the beginning, FOLDER/authority.json says what there is
(``pki.issuers``), written last. FOLDER/ceremonies/NNNN-ID/ holds what a ceremony made, with the description that counts
from then on: the folder with the highest number speaks.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from cryptography import x509

from pki.authority import pem_of
from pki.issuers import NEEDED_SERVICES, Description, Issuer, ServiceEntry
from pki.key_provider import KeyProvider
from pki.keys import Cost, KeyStore

MARK = "authority.json"
CEREMONIES = "ceremonies"
_CEREMONY = re.compile(r"[0-9]{4}-[a-z0-9-]{1,64}")


def provider_of(folder: Path, keys: KeyProvider | str, cost: Cost | None = None) -> KeyProvider:
    """Where the keys are: a token, or the encrypted files of the folder by their passphrase."""
    return KeyStore(folder / "keys", keys, cost=cost) if isinstance(keys, str) else keys


def service_of(folder: Path, description: Description, role: str) -> ServiceEntry | None:
    """The service in use; one that was added without a ceremony has its certificate among the first ones."""
    entry, path = description.service(role), f"certificates/{role}.pem"
    if entry is not None or role in NEEDED_SERVICES or not (folder / path).exists():
        return entry
    issuer = issuer_name(folder, description, read_certificate(folder / path))
    return ServiceEntry(role, role, issuer, path)


def issuer_name(folder: Path, description: Description, certificate: x509.Certificate) -> str:
    """A certificate names the key of its issuer (RFC 5280 §4.2.1.1)."""
    named = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    return next(
        each.name
        for each in description.issuers
        if _key_identifier(read_certificate(folder / each.certificate)) == named.key_identifier
    )


def read_description(folder: Path) -> Description | None:
    """What the last ceremony, or the beginning, left; None in an empty folder."""
    last = [*ceremony_folders(folder)][-1:]
    mark = (last[0] if last else folder) / MARK
    return Description.parse(mark.read_bytes()) if mark.exists() else None


def ceremony_folders(folder: Path) -> list[Path]:
    """The folders of the ceremonies that were held, in their order."""
    below = folder / CEREMONIES
    found = below.iterdir() if below.is_dir() else ()
    return sorted(each for each in found if _CEREMONY.fullmatch(each.name))


def kept_lists(folder: Path) -> list[bytes]:
    """The revocation lists (DER) that were made where there is no database: at the beginning and in ceremonies."""
    first = [folder / "root.crl"] if (folder / "root.crl").exists() else []
    later = (path for each in ceremony_folders(folder) for path in sorted(each.glob("*.crl")))
    return [path.read_bytes() for path in (*first, *later)]


def read_certificate(path: Path) -> x509.Certificate:
    """One certificate (PEM) of the authority's own folder."""
    return x509.load_pem_x509_certificate(path.read_bytes())


def write_certificate(folder: Path, name: str, certificate: x509.Certificate) -> None:
    """Among the first ones."""
    (folder / "certificates").mkdir(exist_ok=True)
    write_file(folder / "certificates" / f"{name}.pem", pem_of([certificate]))


def is_finished(description: Description) -> bool:
    """Whether an authority can begin to issue."""
    ours = any(each.kind == "intermediate" and each.key == "here" for each in description.issuers)
    return ours and all(description.service(role) is not None for role in NEEDED_SERVICES)


def chain_in(description: Description, known: tuple[Issuer, ...], name: str) -> tuple[x509.Certificate, ...]:
    """That authority and those above it, without the root."""
    certificates = {each.name: each.certificate for each in known}
    chain: list[x509.Certificate] = []
    entry = description.issuer(name)
    while entry is not None and entry.kind != "root" and len(chain) <= len(known):
        chain.append(certificates[entry.name])
        entry = description.issuer(entry.issuer)
    return tuple(chain)


def _key_identifier(certificate: x509.Certificate) -> bytes:
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def write_file(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    staged = path.with_name(f".{path.name}.staged")
    with staged.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)
