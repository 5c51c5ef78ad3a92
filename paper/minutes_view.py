"""The minutes as they are laid out: ``mohr/minutes/v1`` turned into lines and tables of Persian text.

The template only places what it finds here; a cell is ``[text, direction]`` with ``rtl`` or ``ltr``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paper.glyphs import drawable
from paper.persian import amount, day, digits, moment

# A page holds about forty rows; what is beyond stands in the attached source.
MOST_ROWS = 2000

Json = Mapping[str, Any]
Cell = list[str]

_TITLES = {
    "A": ("صورتجلسه بازگشایی پاکت‌های الف (تضمین)", "Minutes of the opening of envelopes A (guarantees)"),
    "B": (
        "صورتجلسه بازگشایی پاکت‌های ب (فنی و بازرگانی)",
        "Minutes of the opening of envelopes B (technical)",
    ),
    "C": ("صورتجلسه بازگشایی پاکت‌های ج (قیمت)", "Minutes of the opening of envelopes C (prices)"),
    "decision": ("صورتجلسه تصمیم نهایی کمیسیون", "Minutes of the commission's final decision"),
}
_SEATS = {
    "head": "رئیس دستگاه یا نماینده او",
    "finance": "ذی‌حساب یا بالاترین مقام مالی",
    "technical": "مسئول فنی",
    "alternate": "عضو علی‌البدل",
    "observer": "ناظر شورا",
}
_PARTS = {
    "chair": "حاضر، رئیس جلسه",
    "present": "حاضر",
    "attended": "حاضر بدون رأی",
    "conflict": "اعلام تعارض منافع، بیرون از جلسه",
    "absent": "غایب",
}
_OUTCOMES = {"opened": "گشوده شد", "unopenable": "گشوده‌نشدنی", "disputed": "مورد اختلاف"}
_RECEIVED = {
    "listed": "معتبر",
    "replaced": "جایگزین‌شده",
    "withdrawn": "پس‌گرفته",
    "incomplete": "ناقص",
    "refused": "ردشده",
}
_NATURES = {"expenditure": "هزینه‌ای", "revenue": "درآمدی", "partnership": "مشارکتی"}
_METHODS = {
    "open_tender": "مناقصه عمومی",
    "limited_tender": "مناقصه محدود",
    "international_tender": "مناقصه بین‌المللی",
    "auction": "مزایده",
    "partnership_call": "فراخوان مشارکت",
}
_DIGESTS = {
    "notice": "آگهی",
    "closing_list": "فهرست پیشنهادهای رسیده",
    "decision_before": "تصمیم مرحله پیش",
    "session": "سند جلسه",
    "record": "سند بازگشایی",
    "decided": "سند تصمیم",
}
_WORDS = {
    "guarantee-malformed": "تضمین خوانا نیست",
    "guarantee-currency": "ارز تضمین دیگر است",
    "guarantee-too-small": "مبلغ تضمین کمتر از فراخوان است",
    "guarantee-ends-early": "اعتبار تضمین کوتاه است",
    "technical-malformed": "پاکت فنی خوانا نیست",
    "price-malformed": "قیمت خوانا نیست",
    "price-currency": "ارز قیمت دیگر است",
    "price-not-above-zero": "قیمت بیش از صفر نیست",
    "price-lines-differ": "قیمت برابر جمع ردیف‌ها نیست",
    "line-products-differ": "حاصل‌ضرب ردیف با مبلغ آن برابر نیست",
    "above-estimate": "بیش از برآورد",
    "abnormally-low": "نامتعارف پایین",
    "bank_guarantee": "ضمانت‌نامه بانکی",
    **_OUTCOMES,
}


def view_of(minutes: Json, digest: str) -> dict[str, Any]:
    """What the template places; ``digest`` is that of the minutes' canonical bytes."""
    persian, english = _TITLES[minutes["stage"]]
    return {
        "title": persian,
        "subtitle": english,
        "demo": minutes["demo"],
        "facts": _facts(minutes),
        "commission": _commission(minutes["commission"]),
        "tables": _decided(minutes) if minutes["decision"] else _opened(minutes),
        "signers": [
            [_text(each["name"]), _text(_SEATS[each["seat"]]), _ltr(each["party"])]
            for each in minutes["commission"]
            if each["part"] in ("chair", "present")
        ],
        "digests": [
            *([_text(name), _hex(minutes["documents"][key])] for key, name in _DIGESTS.items()),
            [_text("متن این صورتجلسه (پیوست پرونده)"), _hex(digest)],
        ],
    }


def _facts(minutes: Json) -> list[list[Cell]]:
    times, received = minutes["times"], minutes["received"]
    counted = "، ".join(f"{name} {digits(received[key])}" for key, name in _RECEIVED.items() if received[key])
    stages = "دومرحله‌ای" if minutes["stages"] == 2 else "یک‌مرحله‌ای"
    kind = f"{_METHODS[minutes['method']]}، {_NATURES[minutes['nature']]}، {stages}"
    lines = [
        ("موضوع", _text(minutes["title"])),
        ("دستگاه مناقصه‌گزار", _text(minutes["buyer"]["name"])),
        ("نوع معامله", _text(kind)),
        ("شماره مناقصه", _whole(minutes["tender"])),
        ("شناسه فرایند", _whole(minutes["ocid"])),
        ("محل", _text(minutes["place"])),
        ("مهلت قبول پیشنهادها", _text(moment(times["submission_deadline"]))),
        ("فهرست پیشنهادها بسته شد", _text(moment(times["closed_at"]))),
        ("پیشنهادهای رسیده", _text(counted or digits(0))),
        ("آغاز جلسه", _text(moment(times["opened_at"]))),
        ("ثبت بازگشایی", _text(moment(times["recorded_at"]))),
        ("تضمین خواسته‌شده", _text(amount(minutes["guarantee"]))),
    ]
    if minutes["estimate"] and minutes["stage"] in ("C", "decision"):
        lines.append(("برآورد", _text(amount(minutes["estimate"]))))
    if times["decided_at"]:
        lines.append(("تصمیم", _text(moment(times["decided_at"]))))
    return [[_text(name), value] for name, value in lines]


def _commission(seats: Sequence[Json]) -> dict[str, Any]:
    rows = [
        [_text(each["name"]), _ltr(each["party"]), _text(_SEATS[each["seat"]]), _text(_PARTS[each["part"]])]
        for each in seats
    ]
    return _table("کمیسیون", ("نام", "شناسه", "سمت", "حضور"), (3, 3, 4, 4), rows)


def _opened(minutes: Json) -> list[dict[str, Any]]:
    names, widths, told = _COLUMNS[minutes["stage"]]
    rows = [
        [
            _text(digits(each["number"])),
            _ltr(each["lot"]),
            _bidder(each),
            _text(_OUTCOMES[each["outcome"]]),
            *told(each["content"] or {}),
            _text(_remarks(each)),
        ]
        for each in minutes["envelopes"]
    ]
    columns = ("ردیف", "بخش", "پیشنهاددهنده", "نتیجه", *names, "ملاحظات")
    tables = [_table("پاکت‌های این جلسه", columns, (6, 6, 22, 13, *widths, 18), rows)]
    if minutes["kept_closed"]:
        title = "پاکت‌هایی که ناگشوده بازگردانده می‌شود"
        tables.append(_table(title, *_REJECTED, _rejected(minutes["kept_closed"])))
    return tables


def _decided(minutes: Json) -> list[dict[str, Any]]:
    decision = minutes["decision"]
    titles = {lot["id"]: lot["title"] for lot in minutes["lots"]}
    tables = []
    for lot in decision["lots"]:
        rows = [
            [
                _text(digits(place)),
                _bidder(bid),
                _text(amount(bid["amount"])),
                _text(_place(bid["bidder"], lot)),
            ]
            for place, bid in enumerate(lot["ranking"], start=1)
        ]
        outcome = "برنده دارد" if lot["outcome"] == "award" else "بی‌نتیجه"
        title = f"بخش {lot['lot']}: {titles[lot['lot']]} ({outcome})"
        table = _table(title, ("رتبه", "پیشنهاددهنده", "مبلغ", "نتیجه"), (1, 5, 4, 2), rows)
        tables.append({**table, "note": ["مبنا و ملاحظات / grounds and remarks", drawable(lot["reason"])]})
    if decision["rejected"]:
        title = "هیچ پیشنهادی پذیرفته نشد"
        tables.append(_table(title, *_REJECTED, _rejected(decision["rejected"])))
    return tables


_REJECTED = (("ردیف", "بخش", "پیشنهاددهنده", "دلیل رد"), (1, 1, 4, 6))


def _rejected(entries: Sequence[Json]) -> list[list[Cell]]:
    return [
        [_text(digits(number)), _ltr(each["lot"]), _bidder(each), _text(_said(each["reason"]))]
        for number, each in enumerate(entries, start=1)
    ]


def _place(bidder: str, lot: Json) -> str:
    return {lot["winner"]: "برنده اول", lot["second"]: "برنده دوم"}.get(bidder, "")


def _guarantee(content: Json) -> list[Cell]:
    told = content.get("guarantee")
    if not told:
        return [_text(""), _text(""), _text("")]
    kind = _WORDS.get(told["kind"], told["kind"])
    return [
        _text(f"{kind}، {told['issuer']}، شماره {told['number']}"),
        _text(amount(told["amount"])),
        _text(day(told["valid_until"])),
    ]


def _technical(content: Json) -> list[Cell]:
    return [_text(_count(content.get(name))) for name in ("statements", "files")]


def _price(content: Json) -> list[Cell]:
    price = content.get("price")
    return [_text(amount(price) if price else ""), _text(_count(content.get("lines")))]


_COLUMNS: dict[str, tuple[tuple[str, ...], tuple[int, ...], Callable[[Json], list[Cell]]]] = {
    "A": (("تضمین", "مبلغ", "اعتبار تا"), (22, 17, 12), _guarantee),
    "B": (("اظهارنامه", "پرونده"), (10, 9), _technical),
    "C": (("قیمت", "ردیف‌ها"), (24, 9), _price),
}


def _remarks(envelope: Json) -> str:
    content = envelope["content"] or {}
    said = [_said(each) for each in (*content.get("faults", ()), *content.get("remarks", ()))]
    if envelope["reason"]:
        said.append(envelope["reason"])
    if envelope["named"]:
        said.append(f"نام‌برده: {envelope['named']}")
    return "، ".join(said)


def _said(text: str) -> str:
    """Words of the programme in Persian; whatever else a member wrote stays as it is."""
    parts = [part.partition(":") for part in text.split(", ")]
    if all(name in _WORDS for name, _, _ in parts):
        return "، ".join(f"{_WORDS[name]} {digits(rest)}".strip() for name, _, rest in parts)
    return text


def _count(number: int | None) -> str:
    return "" if number is None else digits(number)


def _bidder(entry: Json) -> Cell:
    """The name, and the party in brackets; the party alone where the name is not known."""
    name = entry["name"]
    return _text(f"{name} ({entry['bidder']})") if name else _ltr(entry["bidder"])


def _table(
    title: str, columns: Sequence[str], widths: Sequence[int], rows: list[list[Cell]]
) -> dict[str, Any]:
    left_out = len(rows) - MOST_ROWS
    return {
        "title": drawable(title),
        "columns": list(columns),
        "widths": list(widths),
        "rows": rows[:MOST_ROWS],
        "note": None,
        "more": f"{digits(left_out)} ردیف دیگر در پیوست آمده است" if left_out > 0 else "",
    }


def _text(text: str) -> Cell:
    return [drawable(text), "rtl"]


def _ltr(text: str) -> Cell:
    return [drawable(text), "ltr"]


def _whole(text: str) -> Cell:
    """A name that stands alone in a wide place, to be copied as it is."""
    return [drawable(text, breaks=False), "ltr"]


def _hex(digest: str | None) -> Cell:
    groups = [digest[start : start + 16] for start in range(0, 64, 16)] if digest else ["-"]
    return [" ".join(groups), "ltr"]
