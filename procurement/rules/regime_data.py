"""The rule sets as data: ``tenders-1383`` and ``tehran-1355``. docs/rules.md is made from this file.

Articles are cited down to the clause where its public text was read, else as a whole. Where the law is
silent or its wording leaves room, ``source`` begins with "Setting" or "Reading".
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from procurement.rules.rule import Regime, Rule

LAW = "Tenders Law 1383"
BY_LAW = "Tehran Transactions By-law 1355"

# Confirmed 1383/11/03; approved 1355/01/25.
_LAW_FROM = date(2005, 1, 22)
_BY_LAW_FROM = date(1976, 4, 14)

_TEXT = "Text of the clause."
_ARTICLE = "Article as a whole; the clause is not recorded."


def _law(
    id_: str,
    article: str,
    english: str,
    persian: str,
    value: int | tuple[str, ...] | None = None,
    source: str = _TEXT,
) -> Rule:
    return Rule(id_, f"{LAW} Art. {article}", source, _LAW_FROM, english, persian, value)


def _setting(
    id_: str, source: str, english: str, persian: str, value: int | tuple[str, ...] | None = None
) -> Rule:
    return Rule(id_, None, f"Setting: {source}", _LAW_FROM, english, persian, value)


_TENDERS = (
    _law(
        "transaction-kinds",
        "2",
        "A tender is for a transaction in which the buyer pays.",
        "مناقصه برای معامله‌ای است که دستگاه در آن پرداخت‌کننده است.",
        ("open_tender:expenditure", "limited_tender:expenditure", "international_tender:expenditure"),
        _ARTICLE,
    ),
    _law(
        "submission-days-domestic",
        "15(b)",
        "At least ten days lie between the last moment of document delivery and the submission deadline.",
        "از آخرین مهلت تحویل اسناد تا پایان مهلت قبول پیشنهادها دست‌کم ده روز فاصله است.",
        10,
        "Text of the clause. Reading: a day is 24 hours, so that exactly ten of them are enough.",
    ),
    _law(
        "submission-days-international",
        "15(b)",
        "In an international tender that period is at least one month.",
        "در مناقصه بین‌المللی این فاصله دست‌کم یک ماه است.",
        31,
        "Text of the clause. Reading: a month is counted as 31 days, the longest month of the calendar.",
    ),
    _law(
        "publications-newspaper",
        "13",
        "A public call is published two to three times in a newspaper of wide circulation.",
        "فراخوان مناقصه عمومی دو تا سه نوبت در روزنامه کثیرالانتشار منتشر می‌شود.",
        ("least:2", "most:3"),
        _ARTICLE,
    ),
    _law(
        "publications-gazette",
        "13",
        "The Official Gazette is not demanded.",
        "انتشار در روزنامه رسمی الزامی نیست.",
        0,
        _ARTICLE,
    ),
    _setting(
        "publications-in-time",
        "an announcement that appears after the documents are no longer handed out reaches nobody.",
        "Every announcement appears no later than the last day of document delivery.",
        "هر نوبت آگهی تا آخرین روز تحویل اسناد منتشر می‌شود.",
    ),
    _law(
        "notice-dates",
        "13",
        "The notice states when documents end, bids end and are opened, in an order that can be kept.",
        "فراخوان زمان پایان تحویل اسناد، پایان مهلت پیشنهادها و گشایش را به ترتیب درست بیان می‌کند.",
        None,
        _ARTICLE,
    ),
    _law(
        "commission-seats",
        "5(a)",
        "Three members: the head or his delegate, the highest finance officer, the technical head.",
        "کمیسیون سه عضو دارد: رئیس دستگاه یا نماینده او، ذی‌حساب یا بالاترین مقام مالی، و مسئول فنی.",
        ("head", "finance", "technical"),
    ),
    _law(
        "quorum",
        "5(c)",
        "The commission sits with all three members present.",
        "کمیسیون با حضور هر سه عضو رسمیت دارد.",
        3,
        "Text of the clause. Reading: an alternate named in the notice may fill the finance or the technical "
        "seat of an absent member; the seat of the head is filled only by who is named for it.",
    ),
    _law(
        "majority",
        "5(c)",
        "The commission decides by majority.",
        "تصمیم‌های کمیسیون با رأی اکثریت معتبر است.",
        None,
        "Text of the clause. Reading: more than half of the three seats and more than half of all members "
        "present must have signed.",
    ),
    _law(
        "head-attends",
        "5(d)",
        "In a two-stage tender the commission meets with the head present.",
        "در مناقصه دومرحله‌ای کمیسیون با حضور رئیس دستگاه تشکیل می‌شود.",
        None,
        "Text of the clause. Setting: the head chairs and is present in one-stage tenders too.",
    ),
    _law(
        "observer-seat",
        "5(b)",
        "In tenders of municipalities one observer from the council takes part.",
        "در مناقصه شهرداری‌ها یک ناظر از سوی شورای شهر شرکت می‌کند.",
        0,
        "Text of the clause. Setting: the number of observer seats that the notice must name; none here, "
        "where buyers are organisations and companies. An observer neither votes nor counts for the quorum.",
    ),
    _setting(
        "opening-threshold",
        "the law knows paper envelopes only; this is the sealed envelope's own condition.",
        "At least two key holders open together, and there is at least one more than are needed.",
        "دست‌کم دو دارنده کلید با هم می‌گشایند و یک نفر بیش از حد لازم کلید دارد.",
        2,
    ),
    _setting(
        "four-eyes",
        "a rule of the house.",
        "Who drafted or handed in a call does not approve it.",
        "کسی که فراخوان را تهیه یا ارائه کرده است آن را تأیید نمی‌کند.",
    ),
    _setting(
        "approved-notice",
        "a rule of the house.",
        "What is published is what was approved, with the keys countersigned by all who hold them.",
        "آنچه منتشر می‌شود همان است که تأیید شده، با کلیدهایی که همه دارندگان امضا کرده‌اند.",
    ),
    _law(
        "same-documents",
        "14",
        "Everyone bids on the same documents.",
        "همه بر پایه اسناد یکسان پیشنهاد می‌دهند.",
        None,
        f"{_ARTICLE} Reading: a submission names the notice and the key set by digest.",
    ),
    _law(
        "one-bid",
        "16(a)",
        "Each bidder hands in one bid, unless the documents allow more.",
        "هر شرکت‌کننده بیش از یک پیشنهاد نمی‌دهد، مگر اسناد مناقصه اجازه دهد.",
        None,
        "Text of the clause. Reading: one for each lot; a further one replaces the one before and takes the "
        "next number.",
    ),
    _law(
        "within-deadline",
        "16(d)",
        "Bids are handed in, changed, replaced and withdrawn within the deadline, in a provable way.",
        "تسلیم، اصلاح، جایگزینی و پس گرفتن پیشنهاد در مهلت مقرر و به‌صورت قابل گواهی انجام می‌شود.",
        None,
        "Text of the clause. Setting: the time stamp over the seal counts; blobs may follow until the grace "
        "stated in the notice ends; a withdrawal counts when it arrives.",
    ),
    _setting(
        "no-conflict",
        "a rule of the house.",
        "A member of the commission does not bid, and one who declares a conflict does not sit.",
        "عضو کمیسیون پیشنهاد نمی‌دهد و عضوی که تعارض منافع اعلام کند در جلسه نمی‌نشیند.",
    ),
    _law(
        "envelope-order",
        "18",
        "Envelope A is opened and checked first, then B, then C.",
        "نخست پاکت الف گشوده و کنترل می‌شود، سپس پاکت ب و پس از آن پاکت ج.",
        None,
        f"{_ARTICLE} Reading: each stage opens only what the decision on the stage before accepted.",
    ),
    _law(
        "price-opening",
        "18",
        "In one stage prices are opened at once; in two stages on the announced date.",
        "در مناقصه یک‌مرحله‌ای پاکت قیمت در همان جلسه و در دومرحله‌ای در زمان اعلام‌شده گشوده می‌شود.",
        None,
        _ARTICLE,
    ),
    _law(
        "price-opening-extension",
        "18",
        "The date of the price opening is extended once, up to the validity of the bids.",
        "زمان گشایش قیمت تنها یک بار و تا سقف مدت اعتبار پیشنهادها تمدید می‌شود.",
        1,
        _ARTICLE,
    ),
    _law(
        "technical-before-price",
        "19",
        "Technical evaluation is done only before prices are opened.",
        "ارزیابی فنی تنها پیش از گشودن پیشنهادهای قیمت انجام می‌شود.",
        None,
        _ARTICLE,
    ),
    _law(
        "rejected-returned",
        "19(d)",
        "The price envelope of a bid that was rejected is returned unopened.",
        "پاکت قیمت پیشنهادی که پذیرفته نشده است ناگشوده بازگردانده می‌شود.",
    ),
    _law(
        "guarantee-amount",
        "13",
        "The bid guarantee is at least the amount that the notice demands.",
        "مبلغ تضمین شرکت در مناقصه از آنچه در فراخوان آمده کمتر نیست.",
        None,
        f"{_ARTICLE} Checked when envelope A is opened (Art. 18).",
    ),
    _setting(
        "guarantee-validity",
        "how long a guarantee runs is left to the by-law on guarantees and to the documents.",
        "The bid guarantee is valid at least until the validity of the bids ends.",
        "تضمین شرکت در مناقصه دست‌کم تا پایان اعتبار پیشنهادها معتبر است.",
    ),
    _law(
        "best-price",
        "20(a)",
        "The most suitable price wins: the lowest where the buyer pays.",
        "مناسب‌ترین قیمت برنده است: در معامله هزینه‌ای کمترین قیمت.",
        ("expenditure:lowest",),
        "Text of the clause, with the definition in Art. 2. Weighing technical scores is not supported yet.",
    ),
    _law(
        "second-winner",
        "20(a)",
        "There is a second winner only if its price is apart from the first by less than the bid guarantee.",
        "برنده دوم تنها وقتی اعلام می‌شود که تفاوت قیمتش با برنده اول کمتر از مبلغ تضمین باشد.",
        None,
        "Text of the clause. Reading: the amount of the guarantee that the notice demands; a gap equal to it "
        "makes no second winner.",
    ),
    _setting(
        "equal-prices",
        "the law does not say which of two equal prices wins.",
        "Of equal prices the bid that was sealed first stands first; if sealed in the same instant, the one "
        "with the lower manifest digest.",
        "از دو قیمت برابر، پیشنهادی که زودتر مهر زمان خورده پیش است و اگر همزمان باشد چکیده کوچک‌تر.",
        ("sealed-first", "lower-digest"),
    ),
    _setting(
        "price-form",
        "the law does not say what an inconsistent price means.",
        "A price is above zero, in the currency of the notice, and the sum of its lines; otherwise the bid "
        "is rejected with that reason.",
        "قیمت بیش از صفر، به ارز فراخوان و برابر جمع ردیف‌هاست؛ وگرنه پیشنهاد با ذکر دلیل رد می‌شود.",
    ),
    _setting(
        "price-warnings",
        "the bounds of a suitable price are set by instructions outside the law.",
        "A price that is this many percent below the estimate, or above it, is remarked in the award and "
        "left to the commission; it bars nobody.",
        "قیمتی که به این درصد از برآورد کمتر یا از آن بیشتر باشد در رأی یادآوری می‌شود و مانع کسی نیست.",
        20,
    ),
    _law(
        "minimum-bidders",
        "24(a)",
        "With fewer bidders than the documents demand the tender is renewed.",
        "اگر شمار مناقصه‌گران از حد نصاب اسناد کمتر باشد مناقصه تجدید می‌شود.",
        None,
        "Text of the clause. Reading: distinct bidders over all lots, counted when submissions close; later "
        "it is enough that one acceptable bid remains.",
    ),
    _law(
        "bid-validity",
        "24(a)",
        "When the validity of the bids has ended the tender is renewed.",
        "با پایان مدت اعتبار پیشنهادها مناقصه تجدید می‌شود.",
    ),
    _law(
        "renewal-grounds",
        "24(a)",
        "Grounds for renewing: too few bidders, both winners refuse, validity over, ruling of the board, "
        "prices so high that the project loses its reason.",
        "موارد تجدید: کمی مناقصه‌گران، امتناع برندگان، پایان اعتبار، رأی هیئت، بالا بودن قیمت‌ها.",
        ("too-few-bidders", "winners-refused", "bid-validity-over", "board-ruling", "prices-too-high"),
    ),
    _law(
        "cancellation-grounds",
        "24(b)",
        "Grounds for cancelling: the need is gone, changes of its nature, events like war or flood, ruling "
        "of the board, collusion of bidders.",
        "موارد لغو: رفع نیاز، تغییر ماهوی، پیشامد غیرمتعارف، رأی هیئت، تبانی مناقصه‌گران.",
        ("need-gone", "major-change", "force-majeure", "board-ruling", "collusion"),
    ),
)


def _tehran() -> tuple[Rule, ...]:
    """The by-law's own rules; for the rest the clauses of the Tenders Law, said to be taken over."""
    own = {rule.id: rule for rule in _TEHRAN_OWN}
    taken = (
        replace(
            rule,
            valid_from=_BY_LAW_FROM,
            source=f"Setting: taken over from the Tenders Law; the by-law's own clause is not recorded. "
            f"{rule.source}"
            if rule.article
            else rule.source,
        )
        for rule in _TENDERS
    )
    return tuple(own.get(rule.id, rule) for rule in taken)


def _by_law(
    id_: str,
    article: str | None,
    english: str,
    persian: str,
    value: int | tuple[str, ...] | None,
    source: str,
) -> Rule:
    return Rule(
        id_, f"{BY_LAW} Art. {article}" if article else None, source, _BY_LAW_FROM, english, persian, value
    )


_TEHRAN_OWN = (
    _by_law(
        "transaction-kinds",
        None,
        "The municipality buys by tender, sells and leases by auction, and seeks partners by a call.",
        "شهرداری با مناقصه می‌خرد، با مزایده می‌فروشد و واگذار می‌کند و با فراخوان شریک می‌گیرد.",
        (
            "open_tender:expenditure",
            "limited_tender:expenditure",
            "international_tender:expenditure",
            "auction:revenue",
            "partnership_call:partnership",
        ),
        "Setting: the by-law governs tenders and auctions; its clause for partnerships is not recorded.",
    ),
    _by_law(
        "publications-newspaper",
        "6",
        "The call appears one to three times in a newspaper of wide circulation.",
        "آگهی یک تا سه نوبت در روزنامه کثیرالانتشار منتشر می‌شود.",
        ("least:1", "most:3"),
        "Articles 6 and 7 together.",
    ),
    _by_law(
        "publications-gazette",
        "6",
        "The call appears once in the Official Gazette.",
        "آگهی یک نوبت در روزنامه رسمی منتشر می‌شود.",
        1,
        "Articles 6 and 7 together.",
    ),
    _by_law(
        "notice-dates",
        "7",
        "The notice states the deposit and the day, hour and place of the opening, which bidders may attend.",
        "آگهی سپرده و روز، ساعت و محل گشایش را بیان می‌کند و پیشنهاددهندگان حق حضور دارند.",
        None,
        "Articles 6 and 7 together. Reading: the order of the dates must be one that can be kept.",
    ),
    Rule(
        "observer-seat",
        f"{LAW} Art. 5(b)",
        "Text of the clause. Reading: one seat named in the notice; the session is valid without the "
        "observer, who neither votes nor counts for the quorum.",
        _BY_LAW_FROM,
        "In tenders of municipalities one observer from the council takes part.",
        "در مناقصه شهرداری‌ها یک ناظر از سوی شورای شهر شرکت می‌کند.",
        1,
    ),
    _by_law(
        "best-price",
        None,
        "The lowest price wins where the city pays, the highest where it sells, leases or shares.",
        "در معامله هزینه‌ای کمترین و در معامله درآمدی و مشارکتی بیشترین قیمت برنده است.",
        ("expenditure:lowest", "revenue:highest", "partnership:highest"),
        "Setting: follows from tender and auction; for partnerships the price is what the city receives.",
    ),
)

REGIMES = (
    Regime("tenders-1383", "Tenders Law 1383", "قانون برگزاری مناقصات ۱۳۸۳", _TENDERS),
    Regime(
        "tehran-1355", "Transactions By-law of Tehran 1355", "آیین‌نامه معاملات شهرداری تهران ۱۳۵۵", _tehran()
    ),
)
