"""Signed files by programs of others: OpenSSL, pyHanko, DSS, with certificates, stamps and lists of one authority."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asn1crypto import keys as other_keys
from asn1crypto import tsp
from asn1crypto import x509 as other_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from pki.algorithms import der_of
from signing.ades.services import Level
from tests.support.dss import Dss
from tests.support.openssl import run_openssl, write_signer, write_trust
from tests.support.signature_world import World

# By name: the kind of key, and what ``openssl cms -sign`` is told beside the signer.
OPENSSL = {
    "CAdES detached": ("P-256", ["-cades"]),
    "CAdES enveloping": ("RSA", ["-cades", "-nodetach"]),
    "CAdES, SHA-512": ("P-384", ["-cades", "-md", "sha512"]),
    "CAdES, RSA-PSS": ("RSA", ["-cades", "-keyopt", "rsa_padding_mode:pss"]),
    "CAdES, signer by key identifier": ("P-256", ["-cades", "-keyid"]),
    "CAdES enveloping, BER": ("P-256", ["-cades", "-nodetach", "-stream"]),
    "CAdES, two signers": ("P-256", ["-cades", "-signer", "RSA.pem", "-inkey", "RSA.key"]),
    "CMS without a signing certificate": ("P-256", []),
    "CMS without attributes": ("RSA", ["-noattr"]),
    "CMS without certificates": ("P-256", ["-cades", "-nocerts"]),
}
_DSS_KINDS = {"PAdES": "pades", "CAdES": "cades", "ASiC-E": "asice"}
NAMES = (
    *(f"OpenSSL: {name}" for name in OPENSSL),
    *(f"pyHanko: PAdES {level}" for level in Level),
    *(
        f"DSS: {form} {level}"
        for form in ("PAdES", "CAdES detached", "CAdES enveloping", "ASiC-E")
        for level in Level
    ),
)


@dataclass(frozen=True, slots=True)
class Foreign:
    """A signed file and, where it is detached, what it is beside."""

    signed: bytes
    content: bytes | None = None


class OpenSsl:
    """The command with keys and certificates of ``world`` in a folder."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world, self._folder = world, folder
        write_trust(folder, world.authority)
        for kind, signer in world.signers.items():
            write_signer(folder, kind, signer.key, signer.certificate)
        (folder / "document").write_bytes(world.document)

    def sign(self, name: str) -> Foreign:
        """One of OPENSSL."""
        kind, more = OPENSSL[name]
        arguments = ["cms", "-sign", "-binary", "-in", "document", "-outform", "DER", "-out", "signed"]
        arguments += ["-signer", f"{kind}.pem", "-inkey", f"{kind}.key"]
        # Of several signers each has its options behind its key.
        arguments += more if "-nocerts" in more else [*more, "-certfile", "ca.pem"]
        agreed, said = run_openssl(self._folder, *arguments)
        assert agreed, said
        inside = "-nodetach" in more
        return Foreign((self._folder / "signed").read_bytes(), None if inside else self._world.document)


def by_pyhanko(world: World, level: Level, kind: str = "P-256", source: bytes | None = None) -> Foreign:
    """A PAdES signature by pyHanko."""
    context = ValidationContext(
        trust_roots=[_other(world.authority.root)],
        other_certs=[_other(world.authority.intermediate)],
        crls=list(world.crls),
        allow_fetching=False,
        revocation_mode="require",
        moment=world.at,
    )
    has_evidence = level.rank >= Level.B_LT.rank
    metadata = signers.PdfSignatureMetadata(
        field_name=f"By{kind}",
        md_algorithm="sha512" if kind == "Ed25519" else "sha256",
        subfilter=fields.SigSeedSubFilter.PADES,
        embed_validation_info=has_evidence,
        use_pades_lta=level is Level.B_LTA,
        validation_context=context if has_evidence else None,
    )
    stamper = _Stamper(world) if level is not Level.B_B else None
    writer = IncrementalPdfFileWriter(io.BytesIO(source or world.document))
    out = signers.sign_pdf(writer, metadata, signer=_pyhanko_signer(world, kind), timestamper=stamper)
    return Foreign(out.getvalue())


def by_dss(world: World, dss: Dss, kind: str, level: Level, packaging: str = "DETACHED") -> Foreign:
    """A signature by DSS: ``kind`` is ``pades``, ``cades`` or ``asice``."""
    signed = dss.sign(
        world.document,
        world.signers["P-256"],
        kind,
        level.value,
        stamps=world.services.stamps,
        trust=[world.authority.root],
        crls=world.crls,
        at=world.at,
        packaging=packaging,
    )
    beside = kind == "cades" and packaging == "DETACHED"
    return Foreign(signed, world.document if beside else None)


@dataclass(frozen=True, slots=True)
class Makers:
    """The three of them, working for one authority."""

    world: World
    dss: Dss
    openssl: OpenSsl

    def make(self, name: str) -> Foreign:
        """The signed file of that name, one of NAMES."""
        program, what = name.split(": ")
        if program == "OpenSSL":
            return self.openssl.sign(what)
        form, level = what.rsplit(" ", 1)
        if program == "pyHanko":
            return by_pyhanko(self.world, Level(level))
        kind, _, packaging = form.partition(" ")
        return by_dss(self.world, self.dss, _DSS_KINDS[kind], Level(level), packaging.upper() or "DETACHED")


class _Stamper(TimeStamper):
    """pyHanko's own requests, answered by the authority in process."""

    def __init__(self, world: World) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._world = world

    async def async_request_tsa_response(self, req: Any) -> Any:
        return tsp.TimeStampResp.load(self._world.authority.tsa.respond(req.dump()))


def _pyhanko_signer(world: World, kind: str) -> Any:
    signer = world.signers[kind]
    store: Any = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    store.register(_other(world.authority.intermediate))
    plain = signer.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return signers.SimpleSigner(
        signing_cert=_other(signer.certificate),
        signing_key=other_keys.PrivateKeyInfo.load(plain),
        cert_registry=store,
    )


def _other(certificate: x509.Certificate) -> Any:
    return other_x509.Certificate.load(der_of(certificate))
