"""ASiC-E with CAdES as a FoundDocument (ETSI EN 319 162-1 §4.4): signatures, container time stamps, covered files.

Only a container that cannot be read in one way is refused; what is wrong with one signature is a finding of that
signature, and signatures of a kind that is not read stand in the result as such, so that nobody takes them for absent.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from signing.ades.asice_inside import (
    MAX_SIGNATURES,
    MEDIA_TYPE,
    META,
    MIMETYPE,
    is_any_manifest,
    is_manifest,
    is_signature,
    is_token,
    meta_of,
)
from signing.ades.services import Evidence
from signing.ades.zip_members import COMMENT, STORED, ZipMembers, too_complex, unreadable
from signing.errors import DocumentUnreadable
from signing.validation.asice_manifest import (
    CheckedManifest,
    Members,
    check_manifest,
    read_manifests,
    read_members,
    uncovered,
)
from signing.validation.asice_stamps import container_stamps
from signing.validation.cms_stamps import check_stamps
from signing.validation.contents import Finding, FoundDocument, FoundSignature
from signing.validation.reading_cades import Cover, found_signatures

_SHOWN = 5


def read_asice(source: bytes | Path, *, name: str = "container.asice") -> FoundDocument:
    """Raises DocumentUnreadable, DocumentEncrypted and DocumentTooComplex; files are read in pieces."""
    with _opened(source) as stream:
        members = ZipMembers(stream)
        findings = _form(members)
        meta = meta_of(members)
        if sum(is_signature(each) or is_token(each) or _is_xades(each) for each in meta) > MAX_SIGNATURES:
            raise too_complex("too many signatures", "signatures", MAX_SIGNATURES)
        inside = read_members(members, meta)
        length, sha256 = members.size, _sha256(stream)
    manifests, broken = read_manifests(meta)
    checked = [check_manifest(called, each, inside) for called, each in manifests.items()]
    signatures = _signatures(inside, checked)
    stamps = container_stamps(meta, checked, signatures)
    findings += [*broken, *_unsigned(inside, checked), *_not_read(meta)]
    return FoundDocument(
        kind="asice",
        name=name,
        length=length,
        sha256=sha256,
        signatures=tuple(signatures),
        timestamps=stamps,
        evidence=_all_evidence(signatures, [each.evidence for each in stamps]),
        findings=tuple(findings),
    )


def _signatures(members: Members, checked: Sequence[CheckedManifest]) -> list[FoundSignature]:
    found: list[FoundSignature] = []
    for name, content in members.meta.items():
        if is_signature(name):
            found += _signature(name, content, members, checked, len(found) + 1)
        elif _is_xades(name):
            finding = Finding("xades-not-read", f"{name} holds signatures of a kind that is not read")
            found.append(_unread(name, len(found) + 1, finding))
        check_stamps([each.cms for each in found if each.cms is not None])
    return found


def _signature(
    name: str, content: bytes, members: Members, checked: Sequence[CheckedManifest], number: int
) -> list[FoundSignature]:
    of_it = [each for each in checked if each.manifest.signed_by == name]
    if len(of_it) != 1:
        code = "manifest-ambiguous" if of_it else "manifest-missing"
        return [_unread(name, number, Finding(code, f"{name} has no manifest of its own, or several"))]
    (manifest,) = of_it
    left_out = uncovered(members, manifest.covered)
    cover = Cover("ASiC-E", manifest, _scope(manifest, left_out), not left_out, name)
    try:
        found = found_signatures(content, cover, first=number)
    except DocumentUnreadable as error:
        return [_unread(name, number, Finding("cms-unreadable", error.detail))]
    more = [
        Finding("member-unsigned", f"{each} is not covered by this signature", fatal=False)
        for each in left_out
    ]
    if not is_manifest(manifest.name):
        more.append(Finding("manifest-misnamed", f"{manifest.name} is no name for a signature's manifest"))
    return [
        replace(each, changes=manifest.changes, findings=(*each.findings, *manifest.findings, *more))
        for each in found
    ]


def _unread(name: str, number: int, finding: Finding) -> FoundSignature:
    return FoundSignature(
        identifier=f"signature-{number}",
        form="ASiC-E",
        cms=None,
        content=None,
        scope="unknown",
        whole=False,
        name=name,
        findings=(finding,),
    )


def _scope(manifest: CheckedManifest, left_out: Sequence[str]) -> str:
    names = sorted(manifest.covered)
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return f"{shown} in the container" + (f"; {len(left_out)} files are not covered" if left_out else "")


def _form(members: ZipMembers) -> list[Finding]:
    """What EN 319 162-1 §A.1 says of the file ``mimetype``; another container is refused."""
    found = members.find(MIMETYPE)
    has_meta = any(each.name.startswith(META) for each in members.files)
    if found is None and has_meta:
        return [Finding("mimetype-missing", "the container does not say what it is", fatal=False)]
    if found is None or members.read(found, limit=256).strip() != MEDIA_TYPE:
        raise unreadable("not an ASiC-E container")
    findings = []
    if found is not members.members[0] or found.method != STORED or found.has_extra:
        findings.append(
            Finding("mimetype-misplaced", "mimetype does not stand first and uncompressed", fatal=False)
        )
    if members.comment and not members.comment.startswith(COMMENT):
        findings.append(Finding("zip-comment", "the ZIP file carries a comment", fatal=False))
    return findings


def _unsigned(members: Members, checked: Sequence[CheckedManifest]) -> list[Finding]:
    covered = frozenset(name for each in checked for name in each.covered)
    return [
        Finding("member-unsigned", f"no signature or time stamp covers {name}", fatal=False)
        for name in uncovered(members, covered)
    ]


def _not_read(meta: Mapping[str, bytes]) -> list[Finding]:
    kinds = (is_signature, is_token, is_any_manifest, _is_xades)
    return [
        Finding("member-not-read", f"{name} is of a kind that is not read", fatal=False)
        for name in meta
        if not any(is_kind(name) for is_kind in kinds)
    ]


def _is_xades(name: str) -> bool:
    return name.startswith(META) and "signatures" in name and name.endswith(".xml")


def _all_evidence(signatures: Sequence[FoundSignature], more: Sequence[Evidence]) -> Evidence:
    found = Evidence()
    for each in (*(one.evidence for one in signatures), *more):
        found |= each
    return found


def _sha256(stream: BinaryIO) -> str:
    stream.seek(0)
    return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]


@contextmanager
def _opened(source: bytes | Path) -> Iterator[BinaryIO]:
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        yield stream
