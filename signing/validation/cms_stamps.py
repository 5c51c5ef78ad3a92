"""The time stamps of a CAdES signature: over the content, the signature value, and the archive of all.

EN 319 122-1 §5.2.8 (content), §5.3 (signature), §5.5.3 (archive, version 3). Older archive stamps and those over
references to evidence are named, not read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import count

from pki.asn1 import ades
from signing.ades.archive_timestamp import (
    ArchiveCoverage,
    archive_coverage,
    archive_imprint,
    index_of_token,
)
from signing.ades.cms_edit import SignedDataParts, read_parts
from signing.ades.services import Evidence
from signing.errors import DocumentTooComplex, DocumentUnreadable
from signing.validation.cms_evidence import attribute_evidence
from signing.validation.contents import (
    CmsSignature,
    Covered,
    DigestOf,
    Finding,
    FoundTimestamp,
    NotCovered,
)
from signing.validation.reading_cms import read_contents

MAX_STAMPS = 50
# Of all signatures of a file together, each of which costs a path.
MAX_ALL_STAMPS = 300
# Raises as ``read_parts``.
PartsOf = Callable[[], SignedDataParts]
_OTHER_STAMPS = {
    "1.2.840.113549.1.9.16.2.48": "archive-time-stamp version 2",
    "1.2.840.113549.1.9.16.2.27": "archive-time-stamp version 1",
    "1.2.840.113549.1.9.16.2.25": "CAdES-C-timestamp",
    "1.2.840.113549.1.9.16.2.26": "time-stamped-certs-crls-references",
    "0.4.0.1733.2.3": "long-term-validation",
}


def stamps_of(
    cms: CmsSignature, identifier: str, content: DigestOf | None, parts: PartsOf | None = None
) -> tuple[tuple[FoundTimestamp, ...], tuple[Finding, ...]]:
    """All of them, content first, archive last; ``content`` gives the digest of what the signature covers.

    ``parts`` cuts the file, once for all of its signers.
    """
    parts = parts or cut_once(cms.der)
    names = (f"{identifier}-timestamp-{number}" for number in count(1))
    findings = list(_not_read(cms))
    plain = [*_content_stamps(cms, names, content), *_signature_stamps(cms, identifier, names)]
    tokens = _values(cms.unsigned, ades.ID_ARCHIVE_TIME_STAMP_V3.dotted_string)
    if len(plain) + len(tokens) > MAX_STAMPS:
        findings.append(Finding("too-many-timestamps", "the signature has more time stamps than are read"))
        return (), tuple(findings)
    archived = [(next(names), token) for token in tokens]
    known = {each.token: each.identifier for each in plain} | {token: name for name, token in archived}
    stamps = [_archive_stamp(cms, identifier, name, token, content, known, parts) for name, token in archived]
    return (*plain, *stamps), tuple(findings)


def check_stamps(signatures: Sequence[CmsSignature]) -> None:
    """Raises DocumentTooComplex where there are more than anybody gives, before one of them is read."""
    types = (ades.ID_SIGNATURE_TIME_STAMP, ades.ID_ARCHIVE_TIME_STAMP_V3)
    found = sum(len(_values(each.unsigned, type_.dotted_string)) for each in signatures for type_ in types)
    found += sum(len(_values(each.signed, ades.ID_CONTENT_TIME_STAMP.dotted_string)) for each in signatures)
    if found > MAX_ALL_STAMPS:
        raise DocumentTooComplex("the signatures have more time stamps than are read", limit="timestamps")


def cut_once(der: bytes) -> PartsOf:
    """Cuts it when it is first asked for, and no second time."""
    return cache(lambda: read_parts(der))


def token_evidence(token: bytes) -> Evidence:
    """What a token itself holds; nothing where it cannot be read, which its judgement will say."""
    try:
        contents = read_contents(token)
    except DocumentUnreadable:
        return Evidence()
    evidence = contents.evidence
    for each in contents.signers:
        evidence |= attribute_evidence(each.cms)[0]
    return evidence


def evidence_digests(evidence: Evidence) -> frozenset[bytes]:
    """SHA-256 of each piece, as ``Covered`` names them."""
    return frozenset(
        hashlib.sha256(each).digest() for each in (*evidence.certificates, *evidence.crls, *evidence.ocsps)
    )


def digest_of(data: bytes) -> DigestOf:
    """The digest of bytes at hand."""

    def digest(algorithm: str) -> bytes:
        return hashlib.new(algorithm, data).digest()

    return digest


def _content_stamps(
    cms: CmsSignature, names: Iterator[str], content: DigestOf | None
) -> Iterator[FoundTimestamp]:
    for token in _values(cms.signed, ades.ID_CONTENT_TIME_STAMP.dotted_string):
        imprint = content or _missing("the content is not at hand")
        yield FoundTimestamp(next(names), "content", token, imprint, Covered(), token_evidence(token))


def _signature_stamps(cms: CmsSignature, identifier: str, names: Iterator[str]) -> Iterator[FoundTimestamp]:
    covered = Covered(signatures=frozenset({identifier}))
    for token in _values(cms.unsigned, ades.ID_SIGNATURE_TIME_STAMP.dotted_string):
        imprint = digest_of(cms.signature)
        yield FoundTimestamp(next(names), "signature", token, imprint, covered, token_evidence(token))


def _archive_stamp(
    cms: CmsSignature,
    identifier: str,
    name: str,
    token: bytes,
    content: DigestOf | None,
    known: dict[bytes, str],
    parts: PartsOf,
) -> FoundTimestamp:
    try:
        data = parts()
        signer = next(each for each in data.signers if each.signature == cms.signature)
        index = index_of_token(token)
        coverage = archive_coverage(data, signer, index)
    except NotCovered as error:
        return FoundTimestamp(name, "archive", token, _missing(str(error)), Covered(), token_evidence(token))
    except (DocumentUnreadable, StopIteration):
        missing = _missing("the signature cannot be cut into what an archive time stamp covers")
        return FoundTimestamp(name, "archive", token, missing, Covered(), token_evidence(token))
    imprint = archive_imprint(data, signer, index, content)
    covered = _covered(identifier, cms, data, coverage, known)
    return FoundTimestamp(
        name,
        "archive",
        token,
        imprint,
        covered,
        token_evidence(token),
        index_digest=coverage.digest_name,
    )


def _covered(
    identifier: str,
    cms: CmsSignature,
    data: SignedDataParts,
    coverage: ArchiveCoverage,
    known: dict[bytes, str],
) -> Covered:
    """Signed attributes are covered whole; of the unsigned those that the index names, with what is inside them."""
    tokens = [value for _, value in coverage.unsigned if value in known]
    tokens += _values(cms.signed, ades.ID_CONTENT_TIME_STAMP.dotted_string)
    inside = replace(data, certificates=coverage.certificates, revocations=coverage.revocations)
    named: dict[str, tuple[bytes, ...]] = {}
    for type_, value in coverage.unsigned:
        named[type_] = (*named.get(type_, ()), value)
    evidence = inside.evidence | attribute_evidence(replace(cms, unsigned=named))[0]
    for token in tokens:
        evidence |= token_evidence(token)
    return Covered(
        signatures=frozenset({identifier}),
        timestamps=frozenset(known[each] for each in tokens if each in known),
        evidence=evidence_digests(evidence),
    )


def _not_read(cms: CmsSignature) -> Iterator[Finding]:
    for name, called in _OTHER_STAMPS.items():
        if name in cms.unsigned:
            yield Finding("timestamp-not-read", f"the {called} is of a kind that is not read", fatal=False)


def _values(attributes: Mapping[str, tuple[bytes, ...]], name: str) -> tuple[bytes, ...]:
    return attributes.get(name, ())


def _missing(detail: str) -> DigestOf:
    def digest(algorithm: str) -> bytes:
        raise NotCovered(detail)

    return digest
