"""What is shown of a registered document: to compare it, and the evidence behind the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

from app.authenticity_page.words import Voice
from authenticity.answers import Answer
from authenticity.identifier import grouped
from authenticity.record import Registration, Signatory
from signing.validation.html_parts import code, outside
from signing.validation.report_words import say, visible


@dataclass(frozen=True, slots=True)
class Shown:
    """What an answer needs beside itself. ``kinds``: names of kinds in the language of the page.

    ``pictures``: whether pages of the registered file can be shown. ``proof``: whether a proof file is offered.
    """

    kinds: Mapping[str, str]
    pictures: bool = False
    proof: bool = False


def identifier(voice: Voice, digits: str) -> str:
    """Grouped, in the digits of the language, from left to right."""
    return f'<bdi dir="ltr" class="identifier">{voice.number(grouped(digits))}</bdi>'


def to_compare(voice: Voice, answer: Answer, found: Registration, shown: Shown) -> str:
    """The facts of the registered document as a list; of a withheld one only what everybody may know."""
    rows = _withheld(voice, found, shown) if answer.is_withheld else _facts(voice, found, shown)
    return "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows) + "</dl>"


def file_of(voice: Voice, answer: Answer, found: Registration, shown: Shown) -> str:
    """Picture and file of a public document, for who has only its identifier or another file."""
    if found.record.disclosure != "public":
        return ""
    place = f"/documents/{found.record.identifier}"
    picture = ""
    if shown.pictures and found.record.media_type == "application/pdf":
        alternative = f"{voice.text('picture')}: {escape(visible(found.record.title))}"
        caption = f"{voice.text('picture')}{voice.comma}{voice.text('page')} {voice.number(1)}"
        picture = (
            f'<figure><a href="{place}/pages/1.png"><img src="{place}/pages/1.png" alt="{alternative}" '
            f'loading="lazy"></a><figcaption>{caption}</figcaption></figure>'
        )
    length = voice.length(found.record.size)
    return (
        f'{picture}<p><a class="more" href="{place}/file" download>{voice.text("download")}</a> '
        f"<small>({length})</small></p>"
    )


def evidence(voice: Voice, answer: Answer, shown: Shown) -> str:
    """Digests, the place in the log and the same answer for programs, folded away."""
    found = answer.registration
    rows = list(_evidence(voice, answer, found)) if found and not answer.is_withheld else []
    if answer.asked != "identifier":
        rows.insert(0, (voice.text("your_digest"), code(answer.value)))
    rows.append((voice.text("answered"), voice.instant(answer.at)))
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows)
    return (
        f'<details><summary>{voice.text("evidence")}</summary><dl class="evidence">{listed}</dl>'
        f"{_links(voice, answer, shown)}</details>"
    )


def signatory(voice: Voice, each: Signatory) -> str:
    """One signature: who, of which organisation, how it was judged and when it is proven to have been there."""
    who = [outside(each.name)] + ([outside(each.organization)] if each.organization else [])
    told = [escape(say(voice.language, "verdict", each.indication))]
    if each.level:
        told.append(outside(each.level))
    if each.at:
        told.append(f"{voice.text('proven')} {voice.instant(each.at)}")
    return f"{voice.comma.join(who)}<br><small>{voice.comma.join(told)}</small>"


def _withheld(voice: Voice, found: Registration, shown: Shown) -> Iterator[tuple[str, str]]:
    yield voice.text("kind"), _kind(found, shown)
    yield voice.text("issuer"), outside(found.record.unit_name)
    yield voice.text("identifier"), identifier(voice, found.record.identifier)


def _facts(voice: Voice, found: Registration, shown: Shown) -> Iterator[tuple[str, str]]:
    record = found.record
    yield voice.text("name"), f"<strong>{outside(record.title)}</strong>"
    yield voice.text("kind"), _kind(found, shown)
    yield voice.text("issuer"), outside(record.unit_name)
    yield voice.text("issued_on"), voice.date(record.issued_on)
    until = record.valid_until
    yield voice.text("valid_until"), voice.text("no_end") if until is None else voice.date(until)
    signers = "".join(f"<li>{signatory(voice, each)}</li>" for each in found.signatories)
    yield voice.text("signers"), f"<ul>{signers}</ul>" if signers else voice.text("no_signers")
    yield voice.text("identifier"), identifier(voice, record.identifier)


def _kind(found: Registration, shown: Shown) -> str:
    return outside(shown.kinds.get(found.record.kind, found.record.kind))


def _evidence(voice: Voice, answer: Answer, found: Registration) -> Iterator[tuple[str, str]]:
    yield voice.text("digest"), code(found.record.digest)
    yield voice.text("size"), voice.length(found.record.size)
    yield voice.text("registered_at"), voice.instant(found.registered_at)
    yield voice.text("log"), _place_in_log(voice, answer)
    yield voice.text("leaf"), code(found.leaf_hash)
    yield voice.text("officer_paper"), code(found.paper)
    yield voice.text("rule_version"), code(found.record.rule)


def _place_in_log(voice: Voice, answer: Answer) -> str:
    if answer.proof is None:
        return voice.text("log_waiting")
    place = voice.number(answer.proof.proof["index"])
    return f"{voice.text('log_place')} {place}{voice.comma}{voice.text('log_witnessed')}"


def _links(voice: Voice, answer: Answer, shown: Shown) -> str:
    links = []
    if answer.asked == "identifier":
        links.append((f"/documents/{answer.value}", "signed_answer"))
    elif answer.asked == "digest":
        links.append((f"/documents/by-digest/{answer.value}", "signed_answer"))
    found = answer.registration
    if shown.proof and answer.proof is not None and found is not None and not answer.is_withheld:
        # Of a withheld document it is given to who shows that he holds the bytes.
        shows = "" if found.record.disclosure == "public" else f"?digest={found.record.digest}"
        links.append((f"/documents/{found.record.identifier}/proof{shows}", "proof_file"))
    return "".join(f'<p><a class="more" href="{place}">{voice.text(name)}</a></p>' for place, name in links)
