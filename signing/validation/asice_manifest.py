"""The manifests of an ASiC-E container against its members: what each covers, and what is missing or was changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from signing.ades.asice_inside import (
    DIGEST,
    MIMETYPE,
    digests_of,
    is_any_manifest,
    is_data,
)
from signing.ades.asice_manifest import Manifest, Reference, read_manifest
from signing.ades.zip_members import ZipMembers
from signing.errors import DocumentTooComplex, DocumentUnreadable
from signing.validation.contents import Change, Finding, NotAtHand, NotCovered

# No proof of anything to be signed any more (SOG-IS, TS 119 312), whatever signs the manifest.
_BROKEN_DIGESTS = frozenset({"sha1"})
_MISSING = "member-missing"


@dataclass(frozen=True, slots=True)
class Members:
    """``data`` gives each file's digests, empty where it cannot be unpacked; ``meta`` the members of META-INF.

    Any number of manifests may name one member: it is digested once.
    """

    data: Mapping[str, Mapping[str, bytes]]
    meta: Mapping[str, bytes]
    known: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def digest(self, name: str, algorithm: str) -> bytes | None:
        """None for a member that is not there, or damaged."""
        if name in self.meta:
            if (name, algorithm) not in self.known:
                self.known[name, algorithm] = hashlib.new(algorithm, self.meta[name]).digest()
            return self.known[name, algorithm]
        return self.data.get(name, {}).get(algorithm)

    def __contains__(self, name: object) -> bool:
        return name in self.data or name in self.meta


@dataclass(frozen=True, slots=True)
class CheckedManifest:
    """``changes`` are the references that do not hold; ``__call__`` is the DigestOf of a manifest that does."""

    name: str
    raw: bytes
    manifest: Manifest
    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]

    @property
    def covered(self) -> frozenset[str]:
        """The names of the members it refers to."""
        return frozenset(each.name for each in self.manifest.references)

    def __call__(self, algorithm: str) -> bytes:
        """The digest of the manifest; raises NotCovered where a reference does not hold, NotAtHand where all that
        is amiss is that members are missing.
        """
        if self.changes:
            missing = all(each.code == _MISSING for each in self.changes)
            refusal = NotAtHand if missing else NotCovered
            raise refusal("; ".join(each.detail for each in self.changes[:5]))
        return hashlib.new(algorithm, self.raw).digest()


def read_members(members: ZipMembers, meta: Mapping[str, bytes]) -> Members:
    """Digest every file once, by all algorithms that a manifest names."""
    manifests, _ = read_manifests(meta)
    names = {DIGEST, *(one.digest_name for each in manifests.values() for one in each.references)}
    data: dict[str, Mapping[str, bytes]] = {}
    for member in members.files:
        if is_data(member.name):
            try:
                data[member.name] = digests_of(members.pieces(member), names)
            except DocumentTooComplex:
                raise
            except DocumentUnreadable:
                data[member.name] = {}
    return Members(data, meta)


def read_manifests(meta: Mapping[str, bytes]) -> tuple[dict[str, Manifest], list[Finding]]:
    """Those that can be read, and which cannot."""
    found: dict[str, Manifest] = {}
    findings: list[Finding] = []
    for name, content in meta.items():
        if not is_any_manifest(name):
            continue
        try:
            found[name] = read_manifest(content)
        except DocumentUnreadable as error:
            findings.append(Finding("manifest-unreadable", f"{name}: {error.detail}"))
    return found, findings


def check_manifest(name: str, manifest: Manifest, members: Members) -> CheckedManifest:
    """Compare every reference with the member it names."""
    changes = [change for each in manifest.references if (change := _change(each, members)) is not None]
    findings = [
        Finding("reference-digest-refused", f"{each.name} is referred to by {each.digest_name}")
        for each in manifest.references
        if each.digest_name in _BROKEN_DIGESTS
    ]
    odd = [each.name for each in manifest.references if each.name in (name, manifest.signed_by, MIMETYPE)]
    findings += [Finding("reference-odd", f"the manifest refers to {each}") for each in odd]
    return CheckedManifest(name, members.meta[name], manifest, tuple(changes), tuple(findings))


def uncovered(members: Members, covered: frozenset[str]) -> Sequence[str]:
    """The files that are not among those."""
    return [name for name in members.data if name not in covered]


def _change(reference: Reference, members: Members) -> Change | None:
    if reference.name not in members:
        return Change(_MISSING, f"{reference.name} is missing", allowed=False, place=reference.name)
    found = members.digest(reference.name, reference.digest_name)
    if found is None:
        detail = f"{reference.name} is damaged and cannot be unpacked"
        return Change("member-damaged", detail, allowed=False, place=reference.name)
    if found != reference.digest:
        return Change("member-changed", f"{reference.name} was changed", allowed=False, place=reference.name)
    return None
