"""The public check as a visitor sees it: a real browser on phone and desk, in both languages, against a real server."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from app.bootstrap import build_container
from app.container import Container
from app.demo.stage import Stage
from app.settings import load_settings
from authenticity.identifier import grouped, new_identifier
from authenticity.pdf_pictures import page_picture
from client.folder import PartyFolder
from paper.persian import digits
from pki.signed_data import Signer
from tests.e2e.conftest import on_sqlite
from tests.support.city_documents import (
    TITLE,
    UNIT_NAME,
    city_pdf,
    enter,
    registered,
    signed_pdf,
    signers_of,
    take_out_of_force,
)

pytestmark = on_sqlite

PHONE, DESK = (390, 844), (1280, 900)
SIGHTS = [(size, language) for size in (PHONE, DESK) for language in ("fa", "en")]
# What is said of bytes alone.
PRAISE = re.compile("اصیل|اصالت|authentic", re.I)
FORCE = {"fa": "سند ثبت‌شده در اعتبار است", "en": "The registered document is in force"}
WIN = "برنده: شرکت روشنا. مبلغ: ۱۲٬۵۰۰٬۰۰۰٬۰۰۰ ریال."


@dataclass(frozen=True)
class Registry:
    """What the city registered, and the files that visitors hold. Identifiers by state."""

    url: str
    folder: Path
    valid: str
    superseded: str
    revoked: str
    expired: str
    withheld: str

    def file(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture(scope="module")
def registry(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    container = build_container(load_settings(stage.folder))
    try:
        container.trust.refresh()
        yield _filled(container, stage, tmp_path_factory.mktemp("visitor"))
    finally:
        container.close()


def _filled(container: Container, stage: Stage, folder: Path) -> Registry:
    valid, superseded, revoked, expired, withheld = (new_identifier() for _ in range(5))
    first = PartyFolder(stage.registrar_folder).signer()
    second = PartyFolder(stage.registrar_folder.parent / "registrar-2").signer()
    source = city_pdf(valid, stage.url, WIN)
    once = signed_pdf(container, source, first)
    original = signed_pdf(container, once, second)
    enter(container, valid, original, signatories=signers_of(container, original))
    for identifier, name in ((superseded, "superseded"), (revoked, "revoked")):
        content = city_pdf(identifier, stage.url, name)
        enter(container, identifier, content)
        (folder / f"{name}.pdf").write_bytes(content)
    take_out_of_force(container, superseded, "supersede", "مبلغ در بند ۳ اشتباه بود", valid)
    take_out_of_force(container, revoked, "revoke", "پروانه لغو شد")
    permit, days = city_pdf(expired, stage.url, "پروانه"), ("2025-03-01", "2026-03-01")
    enter(container, expired, permit, kind="permit", issued_on=days[0], valid_until=days[1])
    enter(container, withheld, b"a secret", disclosure="withheld", kind="contract", title="راز شهر")
    (folder / "secret").write_bytes(b"a secret")
    _await_log(container, valid)
    _held_by_visitors(container, folder, source, once, original, (first, second))
    return Registry(stage.url, folder, valid, superseded, revoked, expired, withheld)


def _await_log(container: Container, identifier: str) -> None:
    """Until the server has given the entry its place and the witness has cosigned it."""
    leaf, until = registered(container, identifier).leaf_hash, time.monotonic() + 30
    while container.sequencer.proof_for(leaf) is None:
        assert time.monotonic() < until
        time.sleep(0.1)


def _held_by_visitors(
    container: Container,
    folder: Path,
    source: bytes,
    once: bytes,
    original: bytes,
    signers: tuple[Signer, Signer],
) -> None:
    files = {
        "original.pdf": original,
        "one-signature-removed.pdf": once,
        "signed-by-another.pdf": signed_pdf(container, source, signers[1]),
        "scan.png": page_picture(original, 1, 1240),
        "of-another-kind.bin": b"\x00\x01 nothing of ours",
        "broken.pdf": original[: len(original) // 3],
        "empty.pdf": b"",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    for name, more in (("saved-again.pdf", []), ("page-added.pdf", ["--pages", ".", "1", ".", "1", "--"])):
        command = [
            "qpdf",
            "--object-streams=generate",
            str(folder / "original.pdf"),
            *more,
            str(folder / name),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def browser(registry: Registry) -> Iterator[Browser]:
    port = urlsplit(registry.url).port
    with sync_playwright() as playwright:
        # The second name is that of a host that was reached without TLS.
        rule = f"--host-resolver-rules=MAP plain.example 127.0.0.1:{port}"
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", rule]
        )
        yield browser
        browser.close()


@dataclass
class Visit:
    """One visitor's window, and every request it made."""

    page: Page
    registry: Registry
    requests: list[tuple[str, str]]

    def go(self, address: str) -> None:
        self.page.goto(self.registry.url + address)
        self.page.locator("html[data-ready]").wait_for()

    def choose(self, name: str) -> None:
        self.page.set_input_files("#file", self.registry.file(name))

    @property
    def state(self) -> Any:
        return expect(self.page.locator("#verdict"))

    @property
    def answer(self) -> Any:
        return expect(self.page.locator("#answer"))

    def kept_to_itself(self) -> bool:
        """Whether no request had a body, nor an address that a file could hide in."""
        return all(method == "GET" and len(url) < 200 for method, url in self.requests)


@pytest.fixture
def visits(browser: Browser, registry: Registry) -> Iterator[Any]:
    contexts: list[BrowserContext] = []
    seen: list[tuple[str, str]] = []

    def visit(size: tuple[int, int] = PHONE, language: str = "fa", **options: Any) -> Visit:
        viewport = {"width": size[0], "height": size[1]}
        context = browser.new_context(viewport=viewport, locale=language, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("request", lambda each: seen.append((each.method, each.url)))
        return Visit(page, registry, seen)

    yield visit
    for context in contexts:
        context.close()
    hosts = {urlsplit(url).hostname for _, url in seen if not url.startswith("blob:")}
    assert hosts <= {"127.0.0.1", "plain.example"}


def looks_right(visit: Visit) -> None:
    """No serious finding of axe, nothing wider than the window, no script or style refused."""
    found = Axe().run(visit.page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("size", "language"), SIGHTS)
def test_by_identifier(visits: Any, registry: Registry, size: tuple[int, int], language: str) -> None:
    """Typed with Persian digits and hyphens, the state stands first and on the first screen with what to compare."""
    visit = visits(size, language)
    visit.go("/authenticity")
    looks_right(visit)
    visit.page.fill("#identifier", digits(grouped(registry.valid)))
    visit.page.press("#identifier", "Enter")

    visit.state.to_have_text(FORCE[language])
    visit.answer.to_contain_text(TITLE)
    visit.answer.to_contain_text(UNIT_NAME)
    for part in ("#verdict", "#answer dl > div:nth-child(4)"):
        box = visit.page.locator(part).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < size[1]
    visit.page.locator("#answer summary").click()
    witnessed = {"fa": "گواه مستقل امضا کرده", "en": "an independent witness has cosigned"}
    visit.answer.to_contain_text(witnessed[language])
    assert PRAISE.search(visit.page.locator("body").inner_text()) is None
    picture = visit.page.locator("#answer img")
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("naturalWidth", 1000)
    looks_right(visit)
    visit.page.emulate_media(color_scheme="dark")
    looks_right(visit)


@pytest.mark.parametrize(("size", "language"), SIGHTS)
def test_each_state_by_identifier(
    visits: Any, registry: Registry, size: tuple[int, int], language: str
) -> None:
    """Out of force is said first; a withheld document shows that it exists; the word for bytes is never used."""
    visit = visits(size, language)
    told = {
        registry.superseded: ("سند ثبت‌شده جایگزین شده است", "The registered document was superseded"),
        registry.revoked: ("سند ثبت‌شده ابطال شده است", "The registered document was revoked"),
        registry.expired: ("مدت اعتبار سند ثبت‌شده تمام شده است", "The registered document has expired"),
        registry.withheld: (FORCE["fa"], FORCE["en"]),
        new_identifier(): (
            "هیچ سندی با این شناسه ثبت نشده است",
            "Nothing is registered under this identifier",
        ),
    }
    for identifier, words in told.items():
        visit.go(f"/d/{identifier}?lang={language}")
        visit.state.to_have_text(words[language == "en"])
        assert PRAISE.search(visit.page.locator("body").inner_text()) is None
        assert "راز" not in visit.page.content()
        looks_right(visit)
    visit.go(f"/d/{registry.superseded}?lang={language}")
    visit.page.locator("#answer .button").click()
    visit.state.to_have_text(FORCE[language])


def photographed(visit: Visit, text: str, path: Path) -> Path:
    """A picture of a QR code as a phone takes it: from aside, in poor light, not quite sharp, as JPEG."""
    import segno

    code = segno.make(text, error="m").svg_inline(scale=5, border=4)
    visit.page.set_content(
        '<body style="margin:0;background:#6b6257;width:900px;height:1100px;perspective:900px;overflow:hidden">'
        '<div style="margin:120px 90px;padding:60px;width:560px;height:760px;'
        "background:linear-gradient(120deg,#f4efe2,#b9b09b);"
        'transform:rotateX(24deg) rotateY(-17deg) rotateZ(6deg);filter:blur(.8px) contrast(.8)">'
        f'<p style="font-size:22px">No. 27</p>{code}</div></body>'
    )
    visit.page.screenshot(path=path, type="jpeg", quality=55)
    return path


def test_by_a_photographed_code(visits: Any, registry: Registry, tmp_path: Path) -> None:
    """The code in a photograph is read in the browser; one that leads elsewhere is a warning; nothing is sent."""
    camera, visit = visits((900, 1100)), visits()
    own = photographed(camera, f"{registry.url}/d/{registry.valid}", tmp_path / "own.jpg")
    forged = photographed(camera, f"https://mohr.example/d/{registry.valid}", tmp_path / "forged.jpg")
    nothing = tmp_path / "nothing.jpg"
    camera.page.set_content("<p>no code here")
    camera.page.screenshot(path=nothing, type="jpeg")

    visit.go("/authenticity")
    status = expect(visit.page.locator("#status"))
    visit.page.set_input_files("#photo", forged)
    status.to_contain_text("هشدار")
    status.to_contain_text("mohr.example")
    visit.page.set_input_files("#photo", nothing)
    status.to_contain_text("پیدا نشد")
    visit.page.set_input_files("#photo", registry.file("original.pdf"))
    status.to_contain_text("عکسی نیست")
    visit.page.set_input_files("#photo", own)
    visit.state.to_have_text(FORCE["fa"])
    assert visit.page.url.startswith(f"{registry.url}/d/{registry.valid}")
    assert visit.kept_to_itself()


@pytest.mark.parametrize(("size", "language"), [SIGHTS[0], SIGHTS[-1]])
def test_files(visits: Any, registry: Registry, size: tuple[int, int], language: str) -> None:
    """The very bytes are authentic without having left the machine; others are sent on demand, with how they differ."""
    visit = visits(size, language)
    visit.go("/authenticity")
    said = ("اصیل است", "Authentic"), ("شناخته نشد", "Not recognised"), ("تغییر کرده است", "Altered")
    authentic, unknown, altered = (each[language == "en"] for each in said)
    visit.choose("original.pdf")
    visit.state.to_have_text(authentic)
    looks_right(visit)
    visit.choose("revoked.pdf")
    visit.state.to_have_text(("ابطال شده است", "Revoked")[language == "en"])
    visit.choose("secret")
    visit.state.to_have_text(authentic)
    visit.answer.to_contain_text("راز شهر")
    assert visit.kept_to_itself()
    differences = {
        "saved-again.pdf": ("یکی نیست", "not that of the registered document"),
        "page-added.pdf": ("تعداد صفحه‌ها", "another number of pages"),
        "one-signature-removed.pdf": ("در این فایل نیست", "is missing"),
        "signed-by-another.pdf": ("در این فایل نیست", "is missing"),
    }
    for name, words in differences.items():
        visit.choose(name)
        visit.state.to_have_text(unknown)
        visit.page.locator("#send button").first.click()
        visit.state.to_have_text(altered)
        visit.answer.to_contain_text(words[language == "en"])
        assert PRAISE.search(visit.page.locator("#answer").inner_text()) is None
    looks_right(visit)
    assert not visit.kept_to_itself()


def test_a_scan_and_what_cannot_be_read(visits: Any, registry: Registry) -> None:
    """A scan is a picture that bears an identifier, never more; broken, empty and other files get an answer each."""
    visit = visits(PHONE, "en")
    visit.go("/authenticity")
    visit.choose("scan.png")
    visit.state.to_have_text("Not recognised")
    expect(visit.page.locator("#status a")).to_have_attribute("href", f"/d/{registry.valid}?lang=en")
    visit.page.locator("#send button").first.click()
    visit.answer.to_contain_text("a picture cannot be vouched for")
    visit.answer.to_contain_text(grouped(registry.valid))
    told = {
        "of-another-kind.bin": "This file could not be read",
        "broken.pdf": "No signature was found in this file.",
    }
    for name, words in told.items():
        visit.choose(name)
        visit.state.to_have_text("Not recognised")
        visit.page.locator("#send button").first.click()
        visit.answer.to_contain_text(words)
    visit.choose("empty.pdf")
    expect(visit.page.locator("#status")).to_have_text("The file is empty.")
    visit.choose("original.pdf")
    visit.state.to_have_text("Authentic")
    with visit.page.context.expect_page() as opened:
        visit.page.locator("#send [formaction]").click()
    expect(opened.value.locator("h1")).to_be_visible()


def test_typing_errors(visits: Any, registry: Registry) -> None:
    """A wrong character is told by its kind and place, a wrong digit as such, and nothing is ever guessed."""
    visit = visits()
    visit.go("/authenticity")
    hint = expect(visit.page.locator("#identifier-hint"))
    swapped = registry.valid[:17] + str((int(registry.valid[17]) + 1) % 10) + registry.valid[18:]
    for typed, told in (("۱۲۳۴-b", "«b» رقم نیست."), ("۱۲۳۴", "۴ رقم از ۲۰"), (swapped, "نمی‌خوانند")):
        visit.page.fill("#identifier", typed)
        hint.to_contain_text(told)
    visit.page.press("#identifier", "Enter")
    visit.answer.to_contain_text("رقم‌ها با هم نمی‌خوانند")
    assert visit.page.input_value("#identifier") == swapped
    visit.go("/authenticity?identifier=۱۲۳۴-۵ب۷۸")
    visit.answer.to_contain_text("نویسه ۷ آنچه نوشته‌اید یک حرف فارسی یا عربی است")
    looks_right(visit)


def test_without_a_script_and_without_tls(visits: Any, registry: Registry) -> None:
    """Without JavaScript the file is sent, and that is said before; over plain http it is said what is missing."""
    bare = visits(PHONE, "fa", java_script_enabled=False)
    bare.page.goto(f"{registry.url}/authenticity")
    expect(bare.page.locator("#file-told")).to_contain_text("به کارساز فرستاده می‌شود")
    bare.choose("original.pdf")
    bare.page.locator("#by-file button").click()
    bare.state.to_have_text("اصیل است")
    bare.page.fill("#identifier", registry.valid)
    bare.page.locator("#by-identifier button").click()
    bare.state.to_have_text(FORCE["fa"])

    plain = visits(PHONE, "fa")
    plain.page.goto("http://plain.example/authenticity")
    plain.choose("original.pdf")
    expect(plain.page.locator("#status")).to_contain_text("اتصال ناامن")
    plain.page.locator("#send button").first.click()
    plain.state.to_have_text("اصیل است")
