"""docs/problems.md is made here: ``python -m app.api.problem_page`` prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from app.api.problem_table import PROBLEMS
from kernel.errors import DomainError
from procurement.rules.regime_data import REGIMES

# Where refusals are declared; a test finds whatever is missing here.
MODULES = (
    "kernel.errors",
    "identity.errors",
    "pki.errors",
    "signing.errors",
    "authenticity.errors",
    "transparency.errors",
    "events.bus",
    "sealing.errors",
    "procurement.rules.errors",
    "procurement.published",
    "procurement.opening_session",
    "procurement.uploads",
    "custodian.errors",
    "client.errors",
    "app.custodian_client",
    "app.api.limits",
    "app.migrations.version",
)
# Answered by the edge itself, without a refusal behind it.
EDGE = {
    "internal": "A defect; it is logged here and nothing of it is told.",
    "method-not-allowed": "The path exists, but not for this method.",
}
# The rules of docs/rules.md that a refusal rests on: it names the one in ``rule`` and its clause in ``article``.
RULES: Mapping[str, tuple[str, ...]] = {
    "transaction-kind-not-allowed": ("transaction-kinds",),
    "dates-out-of-order": ("notice-dates", "price-opening", "within-deadline"),
    "period-too-short": ("submission-days-domestic", "submission-days-international"),
    "publications-missing": ("publications-newspaper", "publications-gazette", "publications-in-time"),
    "commission-incomplete": ("commission-seats", "observer-seat"),
    "quorum-too-small": ("quorum",),
    "opening-threshold-unsafe": ("opening-threshold",),
    "notice-mismatch": ("approved-notice", "same-documents"),
    "four-eyes": ("four-eyes",),
    "key-set-unfit": ("opening-threshold",),
    "key-set-stale": ("approved-notice", "same-documents"),
    "tender-not-open": ("within-deadline",),
    "submission-late": ("within-deadline",),
    "submission-replayed": ("one-bid",),
    "submission-number-stale": ("one-bid",),
    "lot-unknown": ("same-documents",),
    "bidder-in-commission": ("no-conflict",),
    "withdrawal-late": ("within-deadline",),
    "nothing-to-withdraw": ("one-bid",),
    "too-early": ("within-deadline", "price-opening"),
    "bid-validity-over": ("bid-validity",),
    "not-a-member": ("commission-seats", "head-attends"),
    "conflict-of-interest": ("no-conflict",),
    "quorum-missing": ("quorum", "head-attends", "opening-threshold"),
    "not-present": ("commission-seats",),
    "too-few-batches": ("opening-threshold",),
    "not-eligible": ("envelope-order", "rejected-returned"),
    "document-mismatch": ("envelope-order",),
    "majority-missing": ("majority",),
    "decision-incomplete": ("envelope-order", "technical-before-price"),
    "bid-not-acceptable": (
        "envelope-order",
        "technical-before-price",
        "guarantee-amount",
        "guarantee-validity",
    ),
    "award-not-by-prices": ("best-price", "second-winner"),
    "extension-refused": ("price-opening-extension",),
    "ground-unknown": ("cancellation-grounds", "renewal-grounds"),
    "returns-incomplete": ("rejected-returned",),
}
_HEAD = """\
# Problems

Every refusal over HTTP is a problem document (RFC 9457, `application/problem+json`) with `type`
(`urn:mohr:problem:<code>`), `title`, `status`, `detail` and a stable `code`; further members are fields of the refusal.
One that a rule demands names the `rule` of [rules.md](rules.md) and, where that rests on a clause, the `article`.
Nothing is half-written beside a refusal. `submission-late` (of a bid), `submission-number-stale`, `notice-mismatch`,
`key-set-stale`, `headers-mismatch` and `blob-mismatch` (of bytes that arrived) carry a signed `receipt`: that act of
refusing is recorded, and its leaf gets into the log. `submission-replayed` carries the first receipt again.

This page is made by `python -m app.api.problem_page`; a test compares it.
"""
_TABLE = ("| code | status | title | meaning | rule and article | from |", "|---|---|---|---|---|---|")
_CLIENT = """\
## Refusals of the client programmes

They are raised on the machine of a bidder, member or officer and never sent over HTTP.
"""


def problem_page() -> str:
    """The whole page."""
    known = {each.code: each for each in refusals()}
    over_http = [_row(code, known.get(code)) for code in sorted(PROBLEMS)]
    local = [
        f"| `{code}` | {_meaning(kind)} | {kind.__module__} |"
        for code, kind in sorted(known.items())
        if code not in PROBLEMS
    ]
    head = ("| code | meaning | from |", "|---|---|---|")
    return "\n".join([_HEAD, *_TABLE, *over_http, "", _CLIENT, *head, *local, ""])


def refusals() -> Iterator[type[DomainError]]:
    """Every class of refusal of the listed modules."""
    for module in MODULES:
        for value in vars(import_module(module)).values():
            declared = isinstance(value, type) and value.__module__ == module
            if declared and issubclass(value, DomainError) and value is not DomainError:
                yield value


def _row(code: str, kind: type[DomainError] | None) -> str:
    problem = PROBLEMS[code]
    meaning, origin = (EDGE[code], "app.api.problems") if kind is None else (_meaning(kind), kind.__module__)
    return f"| `{code}` | {problem.status} | {problem.title} | {meaning} | {_law(code)} | {origin} |"


def _meaning(kind: type[DomainError]) -> str:
    text = " ".join((kind.__doc__ or "").split())
    return text.replace("``", "`").replace("|", "\\|")


def _law(code: str) -> str:
    """The rules with the articles of each regime; a rule that rests on no clause stands alone."""
    parts = []
    for name in RULES.get(code, ()):
        articles = dict.fromkeys(
            rule.article
            for regime in REGIMES
            for rule in regime.rules
            if rule.id == name and rule.article is not None
        )
        parts.append(f"{name} ({'; '.join(articles)})" if articles else name)
    return ", ".join(parts)


if __name__ == "__main__":
    print(problem_page(), end="")
