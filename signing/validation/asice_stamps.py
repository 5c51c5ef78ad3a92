"""Time stamps of an ASiC-E container as found: over a manifest, and by it over files, signatures and time stamps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from signing.ades.asice_inside import is_token
from signing.ades.services import Evidence
from signing.validation.asice_manifest import CheckedManifest
from signing.validation.cms_stamps import evidence_digests, token_evidence
from signing.validation.contents import Covered, DigestOf, FoundSignature, FoundTimestamp, NotCovered


def container_stamps(
    meta: Mapping[str, bytes], checked: Sequence[CheckedManifest], signatures: Sequence[FoundSignature]
) -> tuple[FoundTimestamp, ...]:
    """All of them, in the order of the container; one without a manifest of its own covers nothing."""
    tokens = [name for name in meta if is_token(name)]
    identifiers = {name: f"timestamp-{number}" for number, name in enumerate(tokens, start=1)}
    return tuple(_stamp(name, meta, identifiers, checked, signatures) for name in tokens)


def _stamp(
    name: str,
    meta: Mapping[str, bytes],
    identifiers: Mapping[str, str],
    checked: Sequence[CheckedManifest],
    signatures: Sequence[FoundSignature],
) -> FoundTimestamp:
    of_it = [each for each in checked if each.manifest.signed_by == name]
    holds = len(of_it) == 1 and not of_it[0].changes and not any(each.fatal for each in of_it[0].findings)
    covered = _covered(of_it[0], meta, identifiers, signatures) if holds else Covered()
    return FoundTimestamp(
        identifier=identifiers[name],
        kind="container",
        token=meta[name],
        imprint=of_it[0] if len(of_it) == 1 else _missing(f"{name} has no manifest of its own, or several"),
        covered=covered,
        evidence=token_evidence(meta[name]),
        name=name,
    )


def _covered(
    manifest: CheckedManifest,
    meta: Mapping[str, bytes],
    identifiers: Mapping[str, str],
    signatures: Sequence[FoundSignature],
) -> Covered:
    """A covered member is covered whole: with the time stamps and evidence inside a signature or a token."""
    names = manifest.covered
    inside = [each for each in signatures if each.name in names]
    tokens = [name for name in identifiers if name in names]
    stamps = [stamp for each in inside for stamp in each.timestamps]
    evidence = Evidence()
    for found in (
        *(each.evidence for each in inside),
        *(each.evidence for each in stamps),
        *(token_evidence(meta[name]) for name in tokens),
    ):
        evidence |= found
    return Covered(
        signatures=frozenset(each.identifier for each in inside),
        timestamps=frozenset(
            (*(each.identifier for each in stamps), *(identifiers[name] for name in tokens))
        ),
        evidence=evidence_digests(evidence),
    )


def _missing(detail: str) -> DigestOf:
    def digest(algorithm: str) -> bytes:
        raise NotCovered(detail)

    return digest
