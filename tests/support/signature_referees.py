"""All referees at one table: each says of a signed file whether it accepts it, or nothing where it knows no such file.

None of them reads what is judged by code of this project: PDF and ZIP files are taken apart here by their own format.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from asn1crypto import cms

from signing.ades.services import Level
from tests.support.dss import Dss
from tests.support.openssl import run_openssl, write_trust
from tests.support.pdf_referees import Pdfsig, qpdf_check
from tests.support.pdfbox import PdfBox, running_pdfbox
from tests.support.signature_world import Made, World

REFEREES = ("DSS", "Bouncy Castle", "OpenSSL", "pdfsig", "qpdf")
_BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]")


@dataclass(frozen=True, slots=True)
class Signed:
    """A CMS or, if ``is_stamp``, a time-stamp token, and what it is over; None where that is inside."""

    der: bytes
    content: bytes | None
    is_stamp: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """The referees with what they trust: the root of ``world``."""

    world: World
    dss: Dss
    pdfbox: PdfBox
    pdfsig: Pdfsig
    folder: Path

    def ask(self, made: Made) -> dict[str, bool | None]:
        """Each referee's verdict; None where it does not read such files."""
        is_pdf = made.format == "PAdES"
        parts = parts_of(made)
        return {
            "DSS": self._dss(made),
            "Bouncy Castle": bool(parts) and self._bouncy_castle(made, parts),
            "OpenSSL": bool(parts) and all(self._openssl(each) for each in parts),
            "pdfsig": self._pdfsig(made) if is_pdf else None,
            "qpdf": not qpdf_check(made.signed, self.folder) if is_pdf else None,
        }

    def _dss(self, made: Made) -> bool:
        """Passed at exactly that level; from B-LT on by nothing but what is inside and the root."""
        found = self.dss.validate(
            made.signed,
            content=made.content,
            trust=[self.world.authority.root],
            crls=() if made.has_evidence else self.world.crls,
            at=self.world.judged_at,
            eddsa=made.kind == "Ed25519",
        ).signature
        stamps = {Level.B_B: 0, Level.B_T: 1, Level.B_LT: 1, Level.B_LTA: 2}[made.level]
        return (
            found.words == ("TOTAL-PASSED", None)
            and found.level == made.baseline
            and [each.indication for each in found.timestamps] == ["PASSED"] * stamps
        )

    def _bouncy_castle(self, made: Made, parts: list[Signed]) -> bool:
        root, at = [self.world.authority.root], self.world.judged_at
        if made.format == "PAdES":
            held = self.pdfbox.pdf(made.signed, trust=root, at=at)
            return len(held) == len(parts) and all(each.holds for each in held)
        signed = [each for each in parts if not each.is_stamp]
        return all(
            each.holds
            for part in signed
            for each in self.pdfbox.cms(part.der, part.content, trust=root, at=at)
        )

    def _openssl(self, part: Signed) -> bool:
        """The signature as CAdES, and each stamp; with revocation where lists are inside."""
        if part.is_stamp:
            return self._openssl_stamp(part.der, part.content or b"")
        (self.folder / "signed.der").write_bytes(part.der)
        arguments = ["cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "signed.der"]
        arguments += ["-CAfile", "root.pem", "-purpose", "any", "-out", "content.out"]
        if part.content is not None:
            (self.folder / "content").write_bytes(part.content)
            arguments += ["-content", "content"]
        if has_lists(part.der):
            arguments += ["-crl_check_all"]
        if not run_openssl(self.folder, *arguments)[0]:
            return False
        return all(self._openssl_stamp(token, value) for token, value in stamps_of(part.der))

    def _openssl_stamp(self, token: bytes, content: bytes) -> bool:
        (self.folder / "token.der").write_bytes(token)
        (self.folder / "stamped").write_bytes(content)
        arguments = ["ts", "-verify", "-token_in", "-in", "token.der", "-data", "stamped"]
        return run_openssl(self.folder, *arguments, "-CAfile", "root.pem", "-untrusted", "ca.pem")[0]

    def _pdfsig(self, made: Made) -> bool:
        """Of document time stamps it says only whose they are."""
        return self.pdfsig.verify(made.signed)[0].holds


@contextmanager
def sitting_panel(world: World, dss: Dss, folder: Path) -> Iterator[Panel]:
    """The referees until the end of the block."""
    (folder / "nss").mkdir()
    write_trust(folder, world.authority)
    with ExitStack() as stack:
        pdfbox = stack.enter_context(running_pdfbox(folder))
        yield Panel(world, dss, pdfbox, Pdfsig(folder / "nss", [world.authority.root]), folder)


def parts_of(made: Made) -> list[Signed]:
    """What a file holds, each with what it is over."""
    if made.format == "PAdES":
        return parts_of_pdf(made.signed)
    if made.format == "ASiC-E":
        return parts_of_container(made.signed)
    return [Signed(made.signed, made.content)]


def parts_of_pdf(pdf: bytes) -> list[Signed]:
    """Signatures and document time stamps by their byte ranges, in the order of the file."""
    found = []
    for match in _BYTE_RANGE.finditer(pdf):
        start, length, after, rest = (int(number) for number in match.groups())
        padded = bytes.fromhex(pdf[length + 1 : after - 1].decode("ascii"))
        der = cms.ContentInfo.load(padded, strict=False).dump()
        content = pdf[start : start + length] + pdf[after : after + rest]
        found.append(Signed(der, content, is_stamp(der)))
    return found


def parts_of_container(container: bytes) -> list[Signed]:
    """Signatures over their manifests, and time stamps over theirs; none where a digest in a manifest does not fit."""
    archive = zipfile.ZipFile(io.BytesIO(container))
    members = {name: archive.read(name) for name in archive.namelist()}
    found = []
    for name, content in members.items():
        if not name.startswith("META-INF/ASiC"):
            continue
        signature = re.search(rb'SigReference[^>]*URI="([^"]+)"', content)
        assert signature is not None
        for uri, digest in re.findall(
            rb'DataObjectReference[^>]*URI="([^"]+)".*?DigestValue>([^<]+)<', content, re.S
        ):
            if hashlib.sha256(members[uri.decode()]).digest() != base64.b64decode(digest):
                return []
        der = members[signature[1].decode()]
        found.append(Signed(der, content, is_stamp(der)))
    return found


def is_stamp(der: bytes) -> bool:
    """Whether a CMS is a time-stamp token."""
    content = cms.ContentInfo.load(der)["content"]["encap_content_info"]["content_type"].native
    return bool(content == "tst_info")


def has_lists(der: bytes) -> bool:
    """Whether revocation lists are inside."""
    return bool(cms.ContentInfo.load(der)["content"]["crls"].native)


def stamps_of(der: bytes) -> list[tuple[bytes, bytes]]:
    """The signature time stamps, each with the signature value that it is over."""
    found = []
    for signer in cms.ContentInfo.load(der)["content"]["signer_infos"]:
        for attribute in signer["unsigned_attrs"] or ():
            if attribute["type"].native == "signature_time_stamp_token":
                found += [(each.dump(), signer["signature"].native) for each in attribute["values"]]
    return found
