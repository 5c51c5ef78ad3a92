"""docs/path-validation.md is made here: ``python -m tests.contract.path_validation_page`` prints it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.support.pkits import REFUSED, Verdict, judge_all

SECTIONS = {
    "4.1": "Signatures",
    "4.2": "Validity periods",
    "4.3": "Names of issuer and subject",
    "4.4": "Revocation",
    "4.5": "Self-issued certificates",
    "4.6": "Basic constraints",
    "4.7": "Key usage",
    "4.8": "Certificate policies",
    "4.9": "Explicit policy required",
    "4.10": "Policy mappings",
    "4.11": "Policy mapping inhibited",
    "4.12": "Any policy inhibited",
    "4.13": "Name constraints",
    "4.14": "Distribution points",
    "4.15": "Delta lists",
    "4.16": "Private extensions",
}
_HEAD = """# Path validation, test by test

What `pki.path_validation.find_path` and `pki.trust.TrustStore` make of NIST's Public Key Interoperability Test Suite
(PKITS, edition of 2011, as in the package cryptography-vectors): {tests} tests, {agreed} judged as the suite demands.
**No path that the suite calls invalid is accepted.** {refused} that it calls valid are refused, each for the reason
in its row; refusing is the safe side.

Expected is the verdict under the suite's default settings: any policy will do, none is demanded from outside, and
mapping and any-policy are not inhibited from outside. `find_path` has no inputs for policies, since trust here is by
use and pinned root, so the variants of sections 4.8, 4.10 and 4.12 that set such inputs are not run; what
certificates themselves demand of policies is judged. PKITS certificates name no party of ours and are given no use,
so step (2) of the trust store, the use, is left out. Judged as of 2026-01-01.

This page is made by `python -m tests.contract.path_validation_page`; tests/contract/test_pkits.py holds it current.
"""


def page(verdicts: Sequence[Verdict]) -> str:
    """The whole page."""
    refused = sum(each.case.expected == "valid" and each.actual == "invalid" for each in verdicts)
    agreed = sum(each.case.expected == each.actual for each in verdicts)
    head = _HEAD.format(tests=len(verdicts), agreed=agreed, refused=refused)
    return "\n".join([head, *_sections(verdicts)])


def _sections(verdicts: Sequence[Verdict]) -> Iterator[str]:
    for section, title in SECTIONS.items():
        yield f"## {section} {title}\n\n| test | name | expected | actual | why |\n|---|---|---|---|---|"
        for each in verdicts:
            if each.case.number.rpartition(".")[0] == section:
                yield _row(each)
        yield ""


def _row(verdict: Verdict) -> str:
    case = verdict.case
    why = verdict.why
    if case.number in REFUSED:
        why = f"{REFUSED[case.number]} ({why.partition(':')[0]})"
    actual = verdict.actual if verdict.actual == case.expected else f"**{verdict.actual}**"
    return f"| {case.number} | {case.name} | {case.expected} | {actual} | {why.replace('|', ' ')} |"


if __name__ == "__main__":
    print(page(judge_all()), end="")
