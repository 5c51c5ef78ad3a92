"""CAdES: a CMS signature over a file beside it (detached) or inside it (enveloping), as a FoundDocument."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cryptography import x509

from signing.ades.services import Evidence
from signing.validation.cms_evidence import attribute_evidence
from signing.validation.cms_stamps import PartsOf, check_stamps, cut_once, digest_of, stamps_of
from signing.validation.contents import (
    DigestOf,
    Finding,
    Form,
    FoundDocument,
    FoundSignature,
    NotCovered,
)
from signing.validation.reading_cms import ReadSigner, read_contents

_DATA = "1.2.840.113549.1.7.1"


@dataclass(frozen=True, slots=True)
class Cover:
    """What a CMS signature stands over, as its container knows it; ``content`` None where that is not at hand."""

    form: Form
    content: DigestOf | None
    scope: str
    whole: bool
    name: str | None = None


def read_cades(der: bytes, content: DigestOf | None, *, name: str = "signature.p7s") -> FoundDocument:
    """Every signature; of an enveloping one the content inside counts, and ``content`` has to be the same.

    ``content`` raises NotCovered where it cannot be had. Raises DocumentUnreadable and DocumentTooComplex.
    """
    signatures = found_signatures(der, Cover("CAdES", content, "the file beside the signature", True, name))
    sha256 = hashlib.sha256(der).hexdigest()
    return FoundDocument("cms", name, len(der), sha256, signatures)


def found_signatures(
    der: bytes, cover: Cover, *, first: int = 1, others: Sequence[x509.Certificate] = ()
) -> tuple[FoundSignature, ...]:
    """Every SignerInfo of a CMS, numbered from ``first``; ``others`` may hold the signers' certificates."""
    contents, parts = read_contents(der, others), cut_once(der)
    check_stamps([each.cms for each in contents.signers])
    cover, findings = _inside(contents.content, cover)
    findings += list(contents.findings)
    if contents.content_type != _DATA:
        findings.append(Finding("content-type-unexpected", "the signature is over content of another type"))
    if not contents.signers:
        findings.append(Finding("no-signer", "the CMS has no signer"))
        return (_without_signer(cover, first, findings),)
    return tuple(
        _found(each, f"signature-{number}", cover, parts, contents.evidence, findings)
        for number, each in enumerate(contents.signers, start=first)
    )


def _inside(content: bytes | None, cover: Cover) -> tuple[Cover, list[Finding]]:
    if content is None:
        return cover, []
    if cover.form != "CAdES":
        return cover, [
            Finding("content-not-detached", "the signature holds content where it must stand alone")
        ]
    inside = replace(cover, content=digest_of(content), scope="the content inside the signature", whole=True)
    if cover.content is None or _same(cover.content, content):
        return inside, []
    return inside, [Finding("content-mismatch", "the content inside the signature is not the file beside it")]


def _same(given: DigestOf, content: bytes) -> bool:
    try:
        return given("sha256") == hashlib.sha256(content).digest()
    except NotCovered:
        return False


def _found(
    signer: ReadSigner,
    identifier: str,
    cover: Cover,
    parts: PartsOf,
    evidence: Evidence,
    findings: list[Finding],
) -> FoundSignature:
    stamps, about_stamps = stamps_of(signer.cms, identifier, cover.content, parts)
    more, about_evidence = attribute_evidence(signer.cms)
    return FoundSignature(
        identifier=identifier,
        form=cover.form,
        cms=signer.cms,
        content=cover.content,
        scope=cover.scope,
        whole=cover.whole,
        name=cover.name,
        claimed_time=signer.cms.claimed_time,
        timestamps=stamps,
        evidence=evidence | more,
        findings=(*findings, *signer.findings, *about_stamps, *about_evidence),
    )


def _without_signer(cover: Cover, number: int, findings: list[Finding]) -> FoundSignature:
    return FoundSignature(
        identifier=f"signature-{number}",
        form=cover.form,
        cms=None,
        content=cover.content,
        scope=cover.scope,
        whole=cover.whole,
        name=cover.name,
        findings=tuple(findings),
    )
