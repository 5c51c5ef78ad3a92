"""The electronic documents rule for everybody: a page, and the same as JSON."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from app.api.desk import CurrentContainer
from app.api.problems import documented
from app.authenticity_page.page import POLICY
from app.authenticity_page.rule_page import RULE_PLACE, render_rule
from app.authenticity_page.words import Voice
from authenticity.rule import DatedRule, DocumentsRule, KindRule, Named
from signing.validation.report_words import Language

router = APIRouter(tags=["documents"])

_HTML = "text/html; charset=utf-8"
_VARY = "Accept, Accept-Language"


class Words(BaseModel):
    """A text in Persian and in English."""

    fa: str
    en: str


class KindAnswer(BaseModel):
    """``level``: of each counted signature at least; ``retention_years``: null for ever; ``basis``: by demand."""

    kind: str
    name: Words
    formats: list[str]
    level: str | None
    signatures: int
    signers: list[str]
    retention_years: int | None
    disclosure: str
    basis: dict[str, Words]


class ExcludedAnswer(BaseModel):
    """A kind that is not issued electronically, and the clause that says so."""

    kind: str
    name: Words
    clause: Words


class RuleAnswer(BaseModel):
    """One version, in force from ``from_day`` on; ``versions`` names all of them, oldest first."""

    version: str
    from_day: str
    versions: list[str]
    kinds: list[KindAnswer]
    excluded: list[ExcludedAnswer]


@router.get(
    RULE_PLACE,
    operation_id="showDocumentsRule",
    response_model=RuleAnswer,
    responses={
        **documented(422),
        200: {"content": {"text/html": {"schema": {"type": "string"}}}},
    },
)
def get_rule(
    request: Request,
    container: CurrentContainer,
    lang: Annotated[Language | None, Query(description="of the page: fa or en")] = None,
    version: Annotated[str | None, Query(max_length=32, description="the one in force otherwise")] = None,
) -> Response:
    """What each kind of document must have to be registered, with the clause that each demand comes from."""
    dated = DatedRule.default()
    found = dated.on(container.clock.now().date()) if version is None else dated.version(version)
    if "text/html" not in request.headers.get("accept", ""):
        return Response(
            _answer(dated, found).model_dump_json(), media_type="application/json", headers={"Vary": _VARY}
        )
    preferred = request.headers.get("accept-language", "").strip().lower()
    voice = Voice(lang or ("en" if preferred.startswith("en") else "fa"))
    headers = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Vary": _VARY,
    }
    page = render_rule(voice, container.settings.publisher.name, dated, found)
    return Response(page, media_type=_HTML, headers=headers)


def _answer(dated: DatedRule, rule: DocumentsRule) -> RuleAnswer:
    return RuleAnswer(
        version=rule.version,
        from_day=rule.from_day.isoformat(),
        versions=[each.version for each in dated.versions],
        kinds=[_kind(each) for each in rule.kinds.values()],
        excluded=[
            ExcludedAnswer(kind=kind, name=_words(each.name), clause=_words(each.clause))
            for kind, each in rule.excluded.items()
        ],
    )


def _kind(kind: KindRule) -> KindAnswer:
    return KindAnswer(
        kind=kind.kind,
        name=_words(kind.name),
        formats=list(kind.formats),
        level=kind.level,
        signatures=kind.signatures,
        signers=list(kind.signers),
        retention_years=kind.retention_years,
        disclosure=kind.disclosure,
        basis={demand: _words(clause) for demand, clause in kind.basis.items()},
    )


def _words(named: Named) -> Words:
    return Words(fa=named.fa, en=named.en)
