"""The page that tells people of the authority: what to pin, where things are published, whether all is well."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID
from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.api.desk import CurrentContainer
from app.api.problems import documented
from app.api.published import published
from app.container import Container
from app.status_page import POLICY, ListedAuthority, Page, render
from events.outbox import lag
from kernel.clock import format_utc
from kernel.database import read_only
from pki.algorithms import fingerprint_of
from pki.issuers import Issuer
from pki.names import written_name
from pki.orm import RevocationListRow
from transparency.log_store import newest_cosigned

router = APIRouter(tags=["pki"])

_SECONDS = 30
_OCSP = "/pki/ocsp"


@router.get(
    "/pki/",
    operation_id="showAuthorityPage",
    responses={**documented(503), 200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
def get_status(request: Request, container: CurrentContainer) -> Response:
    """Authorities, fingerprints, lists and services, in Persian and English (HTML)."""
    with read_only(container.sessions) as session:
        page = _page(request, container, session)
    answer = published(request, render(page), "text/html; charset=utf-8", _SECONDS)
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _page(request: Request, container: Container, session: Session) -> Page:
    settings = container.settings
    base = settings.api.base_url.rstrip("/")
    paths = {getattr(route, "path", "") for route in request.app.routes}
    return Page(
        organisation=settings.publisher.name,
        demo=settings.demo,
        # To the minute, so that whoever asks again within one is told that nothing has changed.
        time=format_utc(container.clock.now().replace(second=0, microsecond=0)),
        authorities=[_listed(each, base, container, session) for each in container.authority.issuers],
        ocsp_url=f"{base}{_OCSP}" if _OCSP in paths else None,
        tsa_url=f"{base}/tsa",
        tsa_policy=container.tsa.policy.dotted_string,
        policies=_policies(container, base),
        waiting_events=lag(session).waiting,
        cosigned=newest_cosigned(session) is not None,
    )


def _policies(container: Container, base: str) -> list[tuple[str, str]]:
    publisher = container.settings.publisher
    return [
        ("publication-policy", publisher.policy_url or f"{base}/ocds/publication-policy.md"),
        ("licence", publisher.licence_url),
        ("openapi", f"{base}/openapi.json"),
    ]


def _listed(issuer: Issuer, base: str, container: Container, session: Session) -> ListedAuthority:
    certificate = issuer.certificate
    number, this_update, next_update = _newest_list(session, issuer.name)
    now = format_utc(container.clock.now())
    return ListedAuthority(
        name=issuer.name,
        subject=_name_of(certificate),
        fingerprint=fingerprint_of(certificate),
        not_before=format_utc(certificate.not_valid_before_utc),
        not_after=format_utc(certificate.not_valid_after_utc),
        certificate_url=f"{base}/pki/ca/{issuer.name}.crt",
        crl_url=f"{base}/pki/crl/{issuer.name}.crl",
        crl_number=number,
        this_update=this_update,
        next_update=next_update,
        overdue=next_update is not None and next_update < now,
    )


def _newest_list(session: Session, issuer: str) -> tuple[int | None, str | None, str | None]:
    row = RevocationListRow
    query = select(row.number, row.this_update, row.next_update).where(row.issuer == issuer)
    found = session.execute(query.order_by(row.number.desc()).limit(1)).first()
    return (None, None, None) if found is None else (found[0], found[1], found[2])


def _name_of(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else written_name(certificate.subject)
