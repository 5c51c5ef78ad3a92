"""A report as one page for people, in Persian or English: no script, nothing from outside, fit for phone and paper.

What the makers of the file wrote (names, reasons, places) is escaped, bounded and marked as theirs. The verdict is told
by a word, a sign and a border, never by colour alone. The page itself is not signed and says so.
"""

from __future__ import annotations

from html import escape

from cryptography import x509

from pki.names import name_of
from signing.validation.contents import Change, Finding
from signing.validation.html_parts import (
    MAX_LISTED,
    PAGE_POLICY,
    POLICY,
    STYLE,
    Voice,
    code,
    listed,
    note,
    outside,
    pairs,
    technical,
)
from signing.validation.report import (
    CertificateShown,
    Check,
    Indication,
    RevocationShown,
    SignatureReport,
    SubIndication,
    TimestampReport,
    ValidationReport,
)
from signing.validation.report_words import Language, is_known, visible

__all__ = ["POLICY", "report_html"]

_CLASSES = {
    Indication.TOTAL_PASSED: "passed",
    Indication.INDETERMINATE: "indeterminate",
    Indication.TOTAL_FAILED: "failed",
}
_SIGNS = {Indication.TOTAL_PASSED: "✓", Indication.INDETERMINATE: "?", Indication.TOTAL_FAILED: "✕"}


def report_html(report: ValidationReport, language: Language = "fa") -> str:
    """The page; serve it with ``POLICY`` as its Content-Security-Policy."""
    voice = Voice(language)
    title = f"{voice.text('title')}: {escape(visible(report.name))}"
    signatures = "".join(
        _signature(voice, report, number, each)
        for number, each in enumerate(report.signatures[:MAX_LISTED], 1)
    )
    left_out = len(report.signatures) - MAX_LISTED
    more = f"<p>… +{voice.number(left_out)}</p>" if left_out > 0 else ""
    return (
        f'<!doctype html>\n<html lang="{language}" dir="{voice.direction}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(PAGE_POLICY)}">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>"
        f"<h1>{voice.text('title')}</h1><main>{_verdict(voice, report)}{signatures}{more}"
        f"{_file_stamps(voice, report)}{_about(voice, report)}</main></body></html>\n"
    )


def _verdict(voice: Voice, report: ValidationReport) -> str:
    told = report.indication.value if report.signatures else "unsigned"
    uncovered = bool(report.signatures) and not any(each.whole for each in report.signatures)
    partial = f'<p><strong class="no">{voice.word("told", "partial")}</strong></p>' if uncovered else ""
    rows = [
        (voice.text("file"), outside(report.name)),
        (voice.text("checked-for"), voice.moment(report.at)),
        (voice.text("digest"), code(report.sha256) + note(voice.text("compare"))),
    ]
    return (
        f'<section class="verdict {_CLASSES[report.indication]}"><p class="word">{_word(voice, report.indication)}</p>'
        f"<p>{voice.word('told', told)}</p>{partial}{_findings(voice, report.findings)}{pairs(rows)}</section>"
    )


def _word(voice: Voice, indication: Indication) -> str:
    sign = f'<span class="sign" aria-hidden="true">{_SIGNS[indication]}</span>'
    return f"{sign}<span>{voice.word('verdict', indication.value)}</span>"


def _signature(voice: Voice, report: ValidationReport, number: int, found: SignatureReport) -> str:
    name = _name(voice, found)
    heading = f"{voice.text('signature')} {voice.number(number)}: {name}"
    why = _why(voice, found.indication, found.sub_indication, found.detail)
    stamps = listed([_stamp(voice, each) for each in found.timestamps[:MAX_LISTED]])
    return (
        f'<section class="{_CLASSES[found.indication]}"><div class="head"><h2>{heading}</h2>'
        f'<span class="word">{_word(voice, found.indication)}</span></div>'
        f"{why}{_findings(voice, found.findings)}{pairs(_facts(voice, report, found))}"
        f"<h3>{voice.text('chain')}</h3>{_chain(voice, found.path)}"
        f"{_revocations(voice, found)}"
        f"<h3>{voice.text('timestamps')}</h3>{stamps if found.timestamps else voice.text('none')}"
        f"{_checks(voice, found.checks)}</section>"
    )


def _facts(voice: Voice, report: ValidationReport, found: SignatureReport) -> list[tuple[str, str]]:
    rows = [(voice.text("signer"), _signer(voice, found))]
    rows.append((voice.text("proven"), _proven(voice, report, found)))
    if found.claimed_time is not None:
        claimed = voice.moment(found.claimed_time) + note(voice.text("claimed-only"))
        rows.append((voice.text("claimed"), claimed))
    covers = voice.text("whole") if found.whole else f'<strong class="no">{voice.text("part")}</strong>'
    rows.append((voice.text("covers"), covers + (f"<br>{technical(found.scope)}" if found.scope else "")))
    rows.append((voice.text("changes"), _changes(voice, found.changes)))
    rows.append((voice.text("level"), _level(voice, found)))
    if found.reason:
        rows.append((voice.text("reason"), outside(found.reason)))
    if found.location:
        rows.append((voice.text("location"), outside(found.location)))
    used = " · ".join(each for each in (found.signature_algorithm, found.digest_algorithm) if each)
    if used:
        rows.append((voice.text("algorithms"), technical(used)))
    return rows


def _signer(voice: Voice, found: SignatureReport) -> str:
    name = _name(voice, found)
    if found.party:
        name += f"<br>{voice.text('party')}: {code(found.party)}"
    if found.indication is not Indication.TOTAL_PASSED:
        name += note(voice.text("claims"))
    return name


def _name(voice: Voice, found: SignatureReport) -> str:
    """The common name in the signer's certificate, else how the report calls the signer."""
    name = _common_name(found.path[0]) if found.path else None
    known = name or found.signer
    return outside(known) if known else voice.text("unknown-signer")


def _proven(voice: Voice, report: ValidationReport, found: SignatureReport) -> str:
    """The best time counts as stamped only when a valid stamp of this signature or of the file says just that time."""
    if found.best_time is None:
        return voice.text("not-proven")
    stamped = any(
        each.time == found.best_time and each.indication is Indication.TOTAL_PASSED
        for each in (*found.timestamps, *report.timestamps)
    )
    how = "proven-by-stamp" if stamped else "proven-by-report"
    return voice.moment(found.best_time) + note(voice.text(how))


def _level(voice: Voice, found: SignatureReport) -> str:
    if found.level is None:
        return f"{voice.text('no-level')} {technical(found.form)}"
    words = voice.word("level", found.level) if is_known("level", found.level) else ""
    return f"{technical(f'{found.form} {found.level}')} {words}"


def _why(voice: Voice, indication: Indication, sub: SubIndication | None, detail: str) -> str:
    if indication is Indication.TOTAL_PASSED:
        return ""
    words = voice.word("sub_indication", sub.value) if sub is not None else ""
    shown = f"{indication.value} / {sub.value}" if sub is not None else indication.value
    told = f"<br>{technical(detail)}" if detail else ""
    return (
        f'<div class="why"><p><small>{voice.text("why")}</small></p><p><strong>{words}</strong></p>'
        f'<p class="small">{voice.text("code")}: {code(shown)}{told}</p></div>'
    )


def _changes(voice: Voice, changes: tuple[Change, ...]) -> str:
    return listed([_change(voice, each) for each in changes]) if changes else voice.text("no-changes")


def _change(voice: Voice, change: Change) -> str:
    allowed = (
        f"({voice.text('allowed')})"
        if change.allowed
        else f'<strong class="no">({voice.text("not-allowed")})</strong>'
    )
    words = voice.word("change", change.code if is_known("change", change.code) else "other")
    place = f" — {outside(change.place)}" if change.place else ""
    number = f" — {voice.text('revision')} {voice.number(change.revision)}" if change.revision else ""
    return f"{words} {allowed}{place}{number}<br>{technical(f'{change.code}: {change.detail}')}"


def _findings(voice: Voice, findings: tuple[Finding, ...]) -> str:
    if not findings:
        return ""
    told = [
        f"{voice.word('finding', each.code) if is_known('finding', each.code) else ''} "
        f"{technical(f'{each.code}: {each.detail}')}"
        for each in findings
    ]
    return f"<h3>{voice.text('findings')}</h3>{listed(told)}"


def _chain(voice: Voice, path: tuple[CertificateShown, ...]) -> str:
    if not path:
        return voice.text("none")
    return listed([_certificate(voice, each) for each in path], "ol")


def _certificate(voice: Voice, each: CertificateShown) -> str:
    name = f"{outside(common)}<br>" if (common := _common_name(each)) else ""
    return (
        f"{name}{technical(each.subject)}<br><small>{voice.text('valid-from-to')} {voice.day(each.not_before)} – "
        f"{voice.day(each.not_after)} · {voice.text('serial')} {code(each.serial)}</small>"
    )


def _common_name(each: CertificateShown) -> str | None:
    """None where there is none, or the certificate cannot be read as far as its subject."""
    try:
        return name_of(x509.load_der_x509_certificate(each.der)) or None
    except ValueError:
        return None


def _revocations(voice: Voice, found: SignatureReport) -> str:
    if not found.revocation:
        return ""
    names = {each.fingerprint: _common_name(each) or each.subject for each in found.path}
    items = [
        _revocation(voice, each, names.get(each.certificate, each.certificate)) for each in found.revocation
    ]
    return f"<h3>{voice.text('revocation')}</h3>{listed(items)}"


def _revocation(voice: Voice, shown: RevocationShown, name: str) -> str:
    """What a list or an answer says of one certificate of the chain."""
    status = voice.word("status", shown.status)
    if shown.revoked_at is not None:
        reason = f" {technical(shown.reason)}" if shown.reason else ""
        status = (
            f'<strong class="no">{status}</strong>, {voice.text("revoked-at")} '
            f"{voice.moment(shown.revoked_at)}{reason}"
        )
    by = f"{voice.word('source', shown.source)}{voice.comma}{voice.moment(shown.produced_at)}"
    return f"{outside(name)}: {status}<br><small>{by}</small>"


def _stamp(voice: Voice, stamp: TimestampReport) -> str:
    """A time of a stamp that does not hold is not shown as one."""
    word = voice.word("verdict", stamp.indication.value)
    about = f"{_SIGNS[stamp.indication]} {word}{voice.comma}{voice.word('stamp', stamp.kind)}"
    if stamp.time is not None and stamp.indication is Indication.TOTAL_PASSED:
        about += f": {voice.moment(stamp.time)}"
    named = _common_name(stamp.path[0]) or stamp.path[0].subject if stamp.path else None
    authority = note(outside(named)) if named else ""
    return f"{about}{authority}{_why(voice, stamp.indication, stamp.sub_indication, '')}{_checks(voice, stamp.checks)}"


def _checks(voice: Voice, checks: tuple[Check, ...]) -> str:
    if not checks:
        return ""
    names = [voice.text(each) for each in ("number", "check", "outcome", "detail")]
    head = "".join(f'<th scope="col">{each}</th>' for each in names)
    rows = "".join(_check(voice, each) for each in checks[:MAX_LISTED])
    count = voice.number(len(checks))
    return (
        f"<details><summary>{voice.text('checks')} ({count})</summary>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></details>"
    )


def _check(voice: Voice, check: Check) -> str:
    clause = f"<br>{technical(check.clause)}" if check.clause else ""
    # A check may be named by the finding that it warns of.
    name = voice.word("check" if is_known("check", check.name) else "finding", check.name)
    return (
        f'<tr class="{escape(check.outcome.value)}"><td>{voice.number(check.number)}</td>'
        f"<td>{name}{clause}</td><td>{voice.word('outcome', check.outcome.value)}</td>"
        f"<td>{technical(check.detail) if check.detail else ''}</td></tr>"
    )


def _file_stamps(voice: Voice, report: ValidationReport) -> str:
    if not report.timestamps:
        return ""
    items = listed([_stamp(voice, each) for each in report.timestamps[:MAX_LISTED]])
    return f"<section><h2>{voice.text('document-timestamps')}</h2>{items}</section>"


def _about(voice: Voice, report: ValidationReport) -> str:
    policy = report.policy
    rows = [
        (voice.text("kind"), voice.word("kind", report.kind)),
        (voice.text("length"), voice.length(report.length)),
        (voice.text("made"), voice.moment(report.made_at)),
        (voice.text("policy"), f"{outside(policy.algorithms)}<br>{code(policy.algorithms_sha256)}"),
        (voice.text("trust"), f"{outside(policy.trust)}<br>{code(policy.trust_sha256)}"),
    ]
    notes = f'<p class="small">{voice.text("standard")} {voice.text("page-unsigned")}</p>'
    return f"<section><h2>{voice.text('about')}</h2>{pairs(rows)}{notes}</section>"
