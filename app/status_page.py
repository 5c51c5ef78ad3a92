"""The authority's page for people: Persian and English in one document that needs no script and no other host."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.6 Tahoma,"Noto Naskh Arabic",system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.4rem;margin:.5rem 0}h2{font-size:1.1rem;margin:1.2rem 0 .3rem}
section{border:1px solid #8886;border-radius:.5rem;padding:.3rem 1rem 1rem;margin:1rem 0}
dl{display:grid;grid-template-columns:minmax(8rem,14rem) 1fr;gap:.2rem 1rem;margin:0}
dt{color:#777}dd{margin:0;overflow-wrap:anywhere}
code,.ltr{direction:ltr;unicode-bidi:isolate;font-family:ui-monospace,monospace;font-size:.85em}
.bad{color:#b00020;font-weight:bold}
@media(max-width:36rem){dl{grid-template-columns:1fr}dt{margin-top:.5rem}body{padding:.5rem}}
"""
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
# The page may use its own style and nothing else.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)


@dataclass(frozen=True, slots=True)
class ListedAuthority:
    """``crl_number`` and what belongs to it are None where no list was issued yet."""

    name: str
    subject: str
    fingerprint: str
    not_before: str
    not_after: str
    certificate_url: str
    crl_url: str
    crl_number: int | None
    this_update: str | None
    next_update: str | None
    overdue: bool


@dataclass(frozen=True, slots=True)
class Page:
    """What the page says; ``time`` is when it was made."""

    organisation: str
    demo: bool
    time: str
    authorities: Sequence[ListedAuthority]
    ocsp_url: str | None
    tsa_url: str
    tsa_policy: str
    policies: Sequence[tuple[str, str]]
    waiting_events: int
    cosigned: bool


@dataclass(frozen=True, slots=True)
class _Words:
    """The texts of one language."""

    language: str
    direction: str
    title: str
    demo: str
    made: str
    name: str
    fingerprint: str
    valid: str
    certificate: str
    revocation_list: str
    number: str
    updated: str
    next: str
    none_yet: str
    overdue: str
    services: str
    ocsp: str
    tsa: str
    tsa_policy: str
    documents: str
    health: str
    log: str
    witnessed: str
    not_witnessed: str
    waiting: str
    document_names: Mapping[str, str]


_PERSIAN = _Words(
    "fa",
    "rtl",
    "مرکز صدور گواهی الکترونیکی",
    "نسخه نمایشی: این گواهی‌ها اعتبار حقوقی ندارند",
    "زمان این صفحه",
    "نام",
    "اثر انگشت (SHA-256)",
    "اعتبار",
    "گواهی",
    "فهرست گواهی‌های باطل‌شده",
    "شماره",
    "صدور",
    "نوبت بعدی",
    "هنوز صادر نشده است",
    "مهلت آن گذشته است",
    "خدمات",
    "استعلام برخط وضعیت گواهی (OCSP)",
    "مهر زمان (RFC 3161)",
    "شناسه سیاست مهر زمان",
    "سیاست‌ها",
    "سلامت سامانه",
    "دفتر شفافیت",
    "گواه سر دفتر را امضا کرده است",
    "گواه هنوز امضا نکرده است",
    "رویدادهای در انتظار انتشار",
    {"publication-policy": "سیاست انتشار", "licence": "مجوز استفاده", "openapi": "OpenAPI"},
)
_ENGLISH = _Words(
    "en",
    "ltr",
    "Certificate authority",
    "Demonstration: these certificates have no legal effect",
    "Time of this page",
    "Name",
    "Fingerprint (SHA-256)",
    "Validity",
    "Certificate",
    "Revocation list",
    "Number",
    "Issued",
    "Next by",
    "none was issued yet",
    "it is overdue",
    "Services",
    "Certificate status (OCSP)",
    "Time stamps (RFC 3161)",
    "Time-stamp policy",
    "Policies",
    "Health",
    "Transparency log",
    "its head is cosigned by a witness",
    "no witness has cosigned it yet",
    "Events still to be published",
    {"publication-policy": "Publication policy", "licence": "Licence", "openapi": "OpenAPI"},
)


def render(page: Page) -> bytes:
    """The whole document (UTF-8)."""
    title = f"{_PERSIAN.title} {page.organisation}"
    head = (
        '<!doctype html>\n<html lang="fa" dir="rtl">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    )
    body = "".join(_half(page, words) for words in (_PERSIAN, _ENGLISH))
    return f"{head}{body}</body>\n</html>\n".encode()


def _half(page: Page, words: _Words) -> str:
    parts = [
        f'<main lang="{words.language}" dir="{words.direction}">\n',
        f"<h1>{words.title}: <bdi>{escape(page.organisation)}</bdi></h1>\n",
        f'<p class="bad">{words.demo}</p>\n' if page.demo else "",
        *(_authority(each, words) for each in page.authorities),
        _section(words.services, _services(page, words)),
        _section(
            words.documents,
            ((escape(words.document_names.get(name, name)), _link(url)) for name, url in page.policies),
        ),
        _section(words.health, _health(page, words)),
        "</main>\n",
    ]
    return "".join(parts)


def _authority(each: ListedAuthority, words: _Words) -> str:
    rows = [
        (words.name, f"<bdi>{escape(each.subject)}</bdi>"),
        (words.fingerprint, f"<code>{escape(each.fingerprint)}</code>"),
        (words.valid, _span(each.not_before, each.not_after)),
        (words.certificate, _link(each.certificate_url)),
        (words.revocation_list, _link(each.crl_url)),
    ]
    if each.crl_number is None or each.this_update is None or each.next_update is None:
        rows.append((words.number, f'<span class="bad">{words.none_yet}</span>'))
    else:
        late = f' <span class="bad">{words.overdue}</span>' if each.overdue else ""
        rows += [
            (words.number, str(each.crl_number)),
            (words.updated, _time(each.this_update)),
            (words.next, _time(each.next_update) + late),
        ]
    return _section(each.name, iter(rows))


def _services(page: Page, words: _Words) -> Iterator[tuple[str, str]]:
    if page.ocsp_url is not None:
        yield words.ocsp, f"<code>{escape(page.ocsp_url)}</code>"
    yield words.tsa, f"<code>{escape(page.tsa_url)}</code>"
    yield words.tsa_policy, f"<code>{escape(page.tsa_policy)}</code>"


def _health(page: Page, words: _Words) -> Iterator[tuple[str, str]]:
    told = words.witnessed if page.cosigned else f'<span class="bad">{words.not_witnessed}</span>'
    yield words.log, told
    yield words.waiting, str(page.waiting_events)
    yield words.made, _time(page.time)


def _section(title: str, rows: Iterator[tuple[str, str]]) -> str:
    lines = "".join(f"<dt>{name}</dt><dd>{value}</dd>\n" for name, value in rows)
    return f"<section>\n<h2><bdi>{escape(title)}</bdi></h2>\n<dl>\n{lines}</dl>\n</section>\n"


def _link(url: str) -> str:
    return f'<a class="ltr" href="{escape(url)}">{escape(url)}</a>'


def _time(instant: str) -> str:
    return f'<time class="ltr" datetime="{escape(instant)}">{escape(instant[:19])}Z</time>'


def _span(first: str, last: str) -> str:
    return f"{_time(first)} – {_time(last)}"
