"""One answer as the first screen that a visitor sees: the state in large words, then what to compare, then evidence.

By identifier no word here praises what the visitor holds; sign, border and words tell the state, never colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.authenticity_page import facts
from app.authenticity_page.facts import Shown
from app.authenticity_page.signs import sign
from app.authenticity_page.words import Voice
from authenticity.answers import Alteration, Answer
from authenticity.record import Change, Registration, Signatory
from signing.validation.html_parts import Voice as ReportVoice
from signing.validation.html_parts import outside

MAX_LISTED = 50
# These say something of the signature itself, and not of what came after it.
_OF_SIGNER = frozenset({"signature-broken", "signature-added", "signature-removed", "signature-of-another"})
# How far a state is from being relied on; the style sheet draws each.
_TONES = {
    "authentic": "good",
    "valid": "neutral",
    "superseded": "doubt",
    "corrected": "doubt",
    "expired": "doubt",
    "unknown": "doubt",
    "revoked": "bad",
    "altered": "bad",
}


def answer_section(
    voice: Voice,
    answer: Answer,
    shown: Shown,
    inside: Sequence[Signatory] | None = None,
    *,
    handed_in: bool = False,
) -> str:
    """The whole answer. ``inside``: the signatures of a file that was handed in, None where it cannot be read."""
    found = answer.registration
    state = answer.verdict if answer.verdict != "registered" else answer.state or "unknown"
    parts = [
        _head(voice, answer, state),
        _change(voice, answer),
        _alterations(voice, answer.alterations),
        _inside(voice, answer, inside) if handed_in else "",
        "" if found is None else _registered(voice, answer, found, shown),
        _claimed(voice, answer),
        facts.evidence(voice, answer, shown),
        f'<p class="printed">{voice.text("answered")}: {voice.instant(answer.at)}</p>',
    ]
    return _section(_TONES[state], "".join(parts))


def refusal_section(voice: Voice, title: str, told: str) -> str:
    """What stands in the place of an answer when there is none; both are HTML."""
    return _section("doubt", f"{_heading('refused', title)}<p>{told}</p>")


def _section(tone: str, content: str) -> str:
    return f'<section id="answer" class="answer {tone}" aria-labelledby="verdict" tabindex="-1">{content}</section>'


def _heading(name: str, words: str) -> str:
    return f'<h2 id="verdict">{sign(name)}<span>{words}</span></h2>'


def _head(voice: Voice, answer: Answer, state: str) -> str:
    if answer.verdict == "unknown":
        return _unknown(voice, answer)
    if answer.asked == "identifier":
        told = voice.say("registered_told", "withheld" if answer.is_withheld and state == "valid" else state)
        if answer.is_withheld:
            told += f"</p><p>{voice.say('withheld', 'told')}"
        return f"{_heading(state, voice.say('registered', state))}<p>{told}</p>"
    only_extended = state == "authentic" and answer.alterations
    told = voice.say("verdict_told", "extended" if only_extended else state)
    return f"{_heading(state, voice.say('verdict', state))}<p>{told}</p>"


def _unknown(voice: Voice, answer: Answer) -> str:
    if answer.asked == "identifier":
        asked = facts.identifier(voice, answer.value)
        words = voice.say("unknown", "identifier")
        return f"{_heading('unknown', words)}<p>{asked}</p><p>{voice.say('unknown', 'identifier_told')}</p>"
    told = f"{answer.asked}_told" if answer.claimed is None else "scan_told"
    return f"{_heading('unknown', voice.say('verdict', 'unknown'))}<p>{voice.say('unknown', told)}</p>"


def _change(voice: Voice, answer: Answer) -> str:
    """Why and since when a document is out of force, and where its successor is."""
    last = answer.last_change
    if last is None or answer.is_withheld:
        return ""
    return f'<div class="why">{_why(voice, last)}</div>'


def _why(voice: Voice, last: Change) -> str:
    lines = [
        f"<p>{voice.text('reason')}: {outside(last.reason)}</p>",
        f"<p>{voice.text('changed_on')}: {voice.instant(last.at)}</p>",
    ]
    if last.successor is not None:
        address = f"/d/{last.successor}?lang={voice.language}"
        shown = facts.identifier(voice, last.successor)
        lines.append(
            f'<p><a class="button" href="{address}">{voice.text("see_successor")}</a><br>{shown}</p>'
        )
    return "".join(lines)


def _alterations(voice: Voice, found: Sequence[Alteration]) -> str:
    """Each difference once, with all signatures after which it came."""
    if not found:
        return ""
    since: dict[tuple[str, str], list[str]] = {}
    for each in found:
        signers = since.setdefault((each.code, _where(voice, each)), [])
        if each.since is not None and each.since not in signers:
            signers.append(each.since)
    items = [_difference(voice, code, where, signers) for (code, where), signers in since.items()]
    rest = len(items) - MAX_LISTED
    more = f"<li>… +{voice.number(rest)}</li>" if rest > 0 else ""
    return f'<h3>{voice.text("what_changed")}</h3><ul class="differences">{"".join(items[:MAX_LISTED])}{more}</ul>'


def _difference(voice: Voice, code: str, where: str, signers: Sequence[str]) -> str:
    relation = "of_signer" if code in _OF_SIGNER else "since"
    told = f" ({voice.text(relation)} {voice.comma.join(map(outside, signers))})" if signers else ""
    return f"<li>{_what(voice, code)}{told}{where}</li>"


def _what(voice: Voice, code: str) -> str:
    """In the words of this page, else in those of the reports on signatures, else the code itself."""
    if voice.knows("alteration", code):
        return voice.say("alteration", code)
    return ReportVoice(voice.language).word("change", code)


def _where(voice: Voice, each: Alteration) -> str:
    """The fields that a visitor can use, as HTML."""
    said = [
        f"{voice.say('alteration_field', name)}: {_value(voice, name, value)}"
        for name, value in each.fields.items()
        if voice.knows("alteration_field", name) and value is not None and value != ""
    ]
    return f"<br><small>{voice.comma.join(said)}</small>" if said else ""


def _value(voice: Voice, name: str, value: object) -> str:
    if name == "indication":
        return ReportVoice(voice.language).word("sub_indication", str(value))
    return outside(voice.plain_number(value) if isinstance(value, int) else str(value))


def _inside(voice: Voice, answer: Answer, signatures: Sequence[Signatory] | None) -> str:
    if not signatures:
        # Of a picture of a paper nobody expects that it bears signatures; its words are said above.
        told = "unreadable" if signatures is None and answer.claimed is None else "none_in_file"
        return f"<h3>{voice.text('in_file')}</h3><p>{voice.text(told)}</p>"
    items = "".join(f"<li>{facts.signatory(voice, each)}</li>" for each in signatures[:MAX_LISTED])
    return f"<h3>{voice.text('in_file')}</h3><ul>{items}</ul>"


def _registered(voice: Voice, answer: Answer, found: Registration, shown: Shown) -> str:
    """What is registered: to be compared, where that can still decide something."""
    listed = facts.to_compare(voice, answer, found, shown)
    by_bytes = answer.asked != "identifier" and answer.verdict != "altered"
    if answer.is_withheld or by_bytes:
        return f"<h3>{voice.text('facts')}</h3>{listed}"
    if answer.state != "valid":
        told = f"<h3>{voice.text('facts')}</h3>{listed}"
    else:
        last = f'<p class="last">{voice.text("compare_last")}</p>'
        told = f"<h3>{voice.text('compare')}</h3>{listed}{last}"
    file = facts.file_of(voice, answer, found, shown)
    kind = ' class="beside"' if "<figure>" in file else ""
    return f"<div{kind}><div>{told}</div><div>{file}</div></div>"


def _claimed(voice: Voice, answer: Answer) -> str:
    if answer.claimed is None or answer.asked != "file":
        return ""
    if answer.registration is not None and answer.registration.record.identifier == answer.claimed:
        return ""
    address = f"/d/{answer.claimed}?lang={voice.language}"
    return (
        f"<h3>{voice.text('claimed')}</h3><p>{facts.identifier(voice, answer.claimed)}</p>"
        f'<p><a class="button" href="{address}">{voice.text("show_claimed")}</a></p>'
    )
