"""Whether a document has what the rule asks of its kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from authenticity.errors import RuleBroken
from authenticity.formats import FoundFormat, format_of
from authenticity.papers import Entry
from authenticity.rule import Demand, KindRule, Named
from authenticity.signatories import profile_of, signer_of
from signing.ades.services import Level
from signing.validation.report import Indication, SignatureReport, ValidationReport

_WORDS: dict[Demand, tuple[str, str]] = {
    "formats": ("قالب سند از قالب‌های مجاز این نوع نیست", "the file is in none of the formats of its kind"),
    "level": ("امضاها به سطح لازم نمی‌رسند", "the signatures do not reach the level of its kind"),
    "signatures": ("امضاهای معتبر کافی نیست", "too few signatures hold"),
    "signers": (
        "امضاکننده از امضاکنندگان مجاز این نوع نیست",
        "none of those who may sign its kind has signed",
    ),
}


@dataclass(frozen=True, slots=True)
class Breach:
    """A demand that is not met: what was found and what is wanted, why, and the clause that the demand comes from."""

    demand: Demand
    found: str
    wanted: str
    said: Named
    clause: Named
    reasons: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As a problem document lists it."""
        return asdict(self) | {"said": self.said._asdict(), "clause": self.clause._asdict()}


def check_against_rule(
    entry: Entry, kind: KindRule, content: bytes, report: ValidationReport | None
) -> list[Breach]:
    """What is missing, nothing when the document may be registered as that kind.

    ``report``: the judgement over ``content`` now, None where it holds no signature that could be read.
    """
    found = format_of(content)
    return [*_format(kind, found), *_signatures(kind, report)]


def require_rule(entry: Entry, kind: KindRule, content: bytes, report: ValidationReport | None) -> None:
    """Raises RuleBroken with every demand that is not met; it cites the clause of the first."""
    breaches = check_against_rule(entry, kind, content, report)
    if breaches:
        raise RuleBroken(
            "the document does not have what the rule asks of its kind",
            article=breaches[0].clause.en,
            digest=entry.digest,
            kind=kind.kind,
            demands=[each.to_json() for each in breaches],
        )


def _format(kind: KindRule, found: FoundFormat) -> Iterator[Breach]:
    # What is PDF/A is a PDF too.
    if not {found.format, *(["pdf"] if found.format == "pdf-a" else [])} & set(kind.formats):
        yield _breach(kind, "formats", found.format, ", ".join(kind.formats), found.reasons)


def _signatures(kind: KindRule, report: ValidationReport | None) -> Iterator[Breach]:
    signatures = () if report is None else report.signatures
    failed = [each for each in signatures if each.indication is Indication.TOTAL_FAILED]
    if failed:
        # Whatever else it bears: the city registers no document with a signature that is broken.
        names = tuple(f"{signer_of(each) or each.identifier}: {each.sub_indication}" for each in failed)
        yield _breach(kind, "signatures", "TOTAL-FAILED", "TOTAL-PASSED", names)
    if kind.level is None:
        return
    passed = [each for each in signatures if each.indication is Indication.TOTAL_PASSED and each.whole]
    allowed = [each for each in passed if profile_of(each) in kind.signers]
    if passed and not allowed:
        profiles = sorted({profile_of(each) or "unknown" for each in passed})
        yield _breach(kind, "signers", ", ".join(profiles), ", ".join(kind.signers))
        return
    if _people(allowed) < kind.signatures:
        reasons = tuple(
            f"{signer_of(each) or each.identifier}: {each.indication} {each.sub_indication or ''}".strip()
            for each in signatures
            if each not in allowed
        )
        yield _breach(kind, "signatures", str(_people(allowed)), str(kind.signatures), reasons)
    high = [each for each in allowed if _rank(each) >= kind.level.rank]
    if allowed and _people(high) < min(kind.signatures, _people(allowed)):
        best = max(allowed, key=_rank)
        yield _breach(kind, "level", best.level or "none", str(kind.level))


def _people(signatures: list[SignatureReport]) -> int:
    """How many different parties these are; who signs twice counts once."""
    return len({each.party or each.path[0].fingerprint for each in signatures if each.path})


def _rank(signature: SignatureReport) -> int:
    for level in reversed(Level):
        if (signature.level or "").endswith(level.value):
            return level.rank
    return -1


def _breach(kind: KindRule, demand: Demand, found: str, wanted: str, reasons: tuple[str, ...] = ()) -> Breach:
    basis = kind.basis[demand]
    return Breach(demand, found, wanted, Named(*_WORDS[demand]), basis, reasons[:20])
