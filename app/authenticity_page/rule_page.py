"""The electronic documents rule as a page: what each kind of document must have, and where that comes from."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode

from app.authenticity_page.page import ASSETS, PLACE
from app.authenticity_page.words import Voice
from authenticity.rule import DatedRule, Demand, DocumentsRule, KindRule, Named

RULE_PLACE = "/documents/rule"
_TEXTS = {
    "title": Named("شیوه‌نامه اسناد الکترونیکی", "Electronic documents rule"),
    "version": Named("نسخه", "Version"),
    "from": Named("لازم‌الاجرا از", "In force from"),
    "until": Named("تا پیش از", "until before"),
    "other_versions": Named("نسخه‌های دیگر", "Other versions"),
    "check": Named("بررسی یک سند", "Check a document"),
    "excluded": Named("آنچه الکترونیکی صادر نمی‌شود", "What is not issued electronically"),
    "formats": Named("قالب‌های مجاز", "Formats"),
    "level": Named("سطح امضا، دست‌کم", "Level of signature, at least"),
    "signatures": Named("تعداد امضاکنندگان، دست‌کم", "Different signers, at least"),
    "signers": Named("چه کسی امضا می‌کند", "Who may sign"),
    "retention": Named("مدت نگهداری", "Kept for"),
    "disclosure": Named("انتشار", "Disclosure"),
    "public": Named("عمومی", "public"),
    "withheld": Named(
        "غیرعمومی؛ تنها وجود و وضعیت آن گفته می‌شود", "withheld: only its existence and state are told"
    ),
    "forever": Named("همیشه", "for ever"),
    "years": Named("{years} سال", "{years} years"),
    "nobody": Named("امضا لازم نیست", "no signature is asked for"),
    "person-signing": Named("شخص، با گواهی امضای خود", "a person, with a signing certificate"),
    "organisation-seal": Named("سازمان، با مهر خود", "an organisation, with its seal"),
    "service-seal": Named("سامانه، با مهر خدمت", "a service, with its seal"),
    "pdf": Named("PDF", "PDF"),
    "pdf-a": Named("PDF/A (ISO 19005)", "PDF/A (ISO 19005)"),
    "asic-e": Named("ظرف امضا ASiC-E", "ASiC-E container"),
    "cms": Named("امضای CAdES", "CAdES signature"),
    "other": Named("هر قالب دیگر", "any other"),
}


def render_rule(voice: Voice, organisation: str, dated: DatedRule, version: DocumentsRule) -> bytes:
    """The document (UTF-8)."""
    title = f"{_text(voice, 'title')} · {escape(organisation)}"
    query = urlencode({"version": version.version, "lang": voice.other})
    return (
        f'<!doctype html>\n<html lang="{voice.language}" dir="{voice.direction}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{title}</title>\n<link rel="icon" href="{ASSETS}/icon.svg" type="image/svg+xml">\n'
        f'<link rel="stylesheet" href="{ASSETS}/page.css">\n</head>\n<body>\n'
        f'<header><a class="home" href="{PLACE}?lang={voice.language}"><bdi>{escape(organisation)}</bdi></a>'
        f'<a id="language" href="{RULE_PLACE}?{escape(query)}" lang="{voice.other}" hreflang="{voice.other}">'
        f"{voice.text('other_language')}</a></header>\n<main><h1>{_text(voice, 'title')}</h1>"
        f"{_head(voice, dated, version)}{''.join(_kind(voice, each) for each in version.kinds.values())}"
        f"{_excluded(voice, version)}</main>\n"
        f'<footer><p><a href="{PLACE}?lang={voice.language}">{_text(voice, "check")}</a></p></footer>\n'
        "</body>\n</html>\n"
    ).encode()


def _head(voice: Voice, dated: DatedRule, version: DocumentsRule) -> str:
    later = [each.from_day for each in dated.versions if each.from_day > version.from_day]
    until = f" {_text(voice, 'until')} {voice.date(later[0].isoformat())}" if later else ""
    others = " ".join(
        f'<a href="{RULE_PLACE}?{escape(urlencode({"version": each.version, "lang": voice.language}))}">'
        f"<bdi>{escape(each.version)}</bdi></a>"
        for each in dated.versions
        if each is not version
    )
    rows = [
        (_text(voice, "version"), f"<bdi>{escape(version.version)}</bdi>"),
        (_text(voice, "from"), voice.date(version.from_day.isoformat()) + until),
        *([(_text(voice, "other_versions"), others)] if others else []),
    ]
    return f"<section><dl>{_rows(rows)}</dl></section>\n"


def _kind(voice: Voice, kind: KindRule) -> str:
    signers = "<br>".join(_text(voice, each) for each in kind.signers) or _text(voice, "nobody")
    years = kind.retention_years
    kept = (
        _text(voice, "forever")
        if years is None
        else _words(voice, "years").format(years=voice.plain_number(years))
    )
    demands: list[tuple[Demand, str]] = [
        ("formats", _joined(voice, [_text(voice, each) for each in kind.formats])),
        ("signatures", escape(voice.plain_number(kind.signatures))),
        ("signers", signers),
        ("retention", escape(kept)),
    ]
    if kind.level is not None:
        demands.insert(1, ("level", f'<bdi dir="ltr">{kind.level}</bdi>'))
    rows = [
        (_text(voice, name), f"{value}<br><small>{escape(_of(voice, kind.basis[name]))}</small>")
        for name, value in demands
    ]
    rows.append((_text(voice, "disclosure"), _text(voice, kind.disclosure)))
    name = f'{escape(_of(voice, kind.name))} <small><bdi dir="ltr">{kind.kind}</bdi></small>'
    return f'<section id="{kind.kind}"><h2>{name}</h2><dl>{_rows(rows)}</dl></section>\n'


def _excluded(voice: Voice, version: DocumentsRule) -> str:
    if not version.excluded:
        return ""
    rows = [
        (escape(_of(voice, each.name)), escape(_of(voice, each.clause))) for each in version.excluded.values()
    ]
    return f"<section><h2>{_text(voice, 'excluded')}</h2><dl>{_rows(rows)}</dl></section>\n"


def _rows(rows: list[tuple[str, str]]) -> str:
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows)


def _joined(voice: Voice, names: list[str]) -> str:
    return voice.comma.join(f"<bdi>{each}</bdi>" for each in names)


def _text(voice: Voice, code: str) -> str:
    return escape(_words(voice, code))


def _words(voice: Voice, code: str) -> str:
    return _of(voice, _TEXTS[code])


def _of(voice: Voice, named: Named) -> str:
    return str(getattr(named, voice.language))
