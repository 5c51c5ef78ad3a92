"""The whole page: one answer, if there is one, above the ways to ask. It works without a script, on any phone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

from app.authenticity_page.words import Voice

PLACE = "/authenticity"
ASSETS = f"{PLACE}/assets"
# Nothing inline, nothing from elsewhere, no frame around it; pictures are pages of registered documents.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page is made with. ``asked``: the question in the address, kept when the language is changed.

    ``typed`` stands in the field again with what is wrong about it in ``typed_wrong`` (HTML). ``rule``: where the rule
    of documents is shown.
    """

    organisation: str
    demo: bool
    base_url: str
    max_file_bytes: int
    place: str = PLACE
    asked: tuple[tuple[str, str], ...] = ()
    typed: str = ""
    typed_wrong: str = ""
    rule: str | None = None


def render(voice: Voice, frame: Frame, answer: str = "") -> bytes:
    """The document (UTF-8); ``answer`` is a section of ``answer_view``."""
    title = f"{voice.text('title')} · {escape(frame.organisation)}"
    demo = f'<p class="demo">{voice.text("demo")}</p>' if frame.demo else ""
    again = voice.text("ask_again" if answer else "ask")
    return (
        f'<!doctype html>\n<html lang="{voice.language}" dir="{voice.direction}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex">\n'
        f"<title>{title}</title>\n"
        f'<link rel="icon" href="{ASSETS}/icon.svg" type="image/svg+xml">\n'
        f'<link rel="stylesheet" href="{ASSETS}/page.css">\n'
        f'<script type="module" src="{ASSETS}/page.js"></script>\n</head>\n'
        f"<body {_for_the_script(voice, frame)}>\n{_header(voice, frame)}{demo}"
        f'<main><p id="status" role="status"></p><div id="place">{answer}</div>{_send(voice)}'
        f'<section id="ask" aria-labelledby="ask-title"><h2 id="ask-title">{again}</h2>'
        f"{_paper(voice, frame)}{_file(voice)}</section></main>\n{_footer(voice, frame)}</body>\n</html>\n"
    ).encode()


def _for_the_script(voice: Voice, frame: Frame) -> str:
    given = {
        "words": json.dumps(dict(voice.group("browser")), ensure_ascii=False),
        "base": frame.base_url.rstrip("/"),
        "most": str(frame.max_file_bytes),
    }
    return " ".join(f'data-{name}="{escape(value)}"' for name, value in given.items())


def _header(voice: Voice, frame: Frame) -> str:
    query = urlencode((*frame.asked, ("lang", voice.other)))
    home = f"{PLACE}?{urlencode({'lang': voice.language})}"
    return (
        f'<header><a class="home" href="{home}"><bdi>{escape(frame.organisation)}</bdi>'
        f"<h1>{voice.text('title')}</h1></a>"
        f'<a id="language" href="{escape(frame.place)}?{escape(query)}" lang="{voice.other}" '
        f'hreflang="{voice.other}">{voice.text("other_language")}</a></header>\n'
    )


def _paper(voice: Voice, frame: Frame) -> str:
    wrong = f'<p id="identifier-wrong" class="wrong">{frame.typed_wrong}</p>' if frame.typed_wrong else ""
    invalid = ' aria-invalid="true"' if wrong else ""
    described = "identifier-hint" + (" identifier-wrong" if wrong else "")
    return (
        f'<div class="way"><h3>{voice.text("paper")}</h3><p>{voice.text("paper_told")}</p>'
        f'<form id="by-photo" hidden><label class="button" for="photo">{voice.text("photo")}</label>'
        f'<input id="photo" class="covered" type="file" accept="image/*" aria-describedby="photo-told">'
        f'<p id="photo-told"><small>{voice.text("photo_told")}</small></p></form>'
        f'<form id="by-identifier" action="{PLACE}" method="get">'
        f'<input type="hidden" name="lang" value="{voice.language}">'
        f'<label for="identifier">{voice.text("identifier")}</label>'
        f'<input id="identifier" name="identifier" dir="ltr" inputmode="numeric" autocomplete="off" maxlength="100" '
        f'required spellcheck="false" value="{escape(frame.typed)}" aria-describedby="{described}"{invalid}>'
        f'{wrong}<p id="identifier-hint" aria-live="polite"><small>{voice.text("identifier_hint")}</small></p>'
        f'<button class="second">{voice.text("show")}</button></form></div>'
    )


def _file(voice: Voice) -> str:
    """With a script the file stays where it is; without one, sending it is the only way, and is said."""
    return (
        f'<div class="way"><h3>{voice.text("file")}</h3><p>{voice.text("file_told")}</p>'
        f'<form id="by-file" action="/documents/examinations?lang={voice.language}" method="post" '
        f'enctype="multipart/form-data"><label class="button" for="file">{voice.text("choose_file")}</label>'
        f'<input id="file" type="file" name="file" required aria-describedby="file-told">'
        f'<p id="file-told"><small class="unscripted">{voice.text("goes")}</small>'
        f'<small class="scripted" hidden>{voice.text("stays")}</small></p>'
        f'<button class="unscripted second">{voice.text("send")}</button></form>'
        "</div>"
    )


def _send(voice: Voice) -> str:
    """Below the answer to a digest: what only the whole file can tell. Shown by the script, with a file at hand."""
    report = f"/documents/examinations?report=signatures&amp;lang={voice.language}"
    return (
        f'<section id="send" class="way" hidden><p>{voice.text("send_told")}</p>'
        f'<button type="button">{voice.text("send")}</button>'
        f'<p><button form="by-file" class="plain" formaction="{report}" formtarget="_blank">'
        f"{voice.text('more_files')}</button></p></section>"
    )


def _footer(voice: Voice, frame: Frame) -> str:
    rule = ""
    if frame.rule is not None:
        address = f"{frame.rule}?{urlencode({'lang': voice.language})}"
        rule = f'<p><a class="more" href="{escape(address)}">{voice.text("rule")}</a></p>'
    return f"<footer><p>{voice.text('footer')}</p>{rule}</footer>\n"
