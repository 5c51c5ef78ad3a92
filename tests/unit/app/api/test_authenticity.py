"""The public check over HTTP: signed answers, pages that hold, files that are sent, and who asks for too much."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode
from hashlib import sha256
from html import escape, unescape
from importlib import resources
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api.one_file import Arrivals
from app.api.problem_table import PROBLEMS
from app.authenticity_page.answer_view import _TONES
from app.authenticity_page.assets import assets
from app.authenticity_page.words import words
from app.container import Container
from authenticity.answers import ANSWER
from authenticity.identifier import grouped, new_identifier
from kernel.errors import Unavailable
from signing.documents import SignedDocument, read_document
from tests.support.city_documents import enter, take_out_of_force
from tests.support.small_pdf import plain_pdf

# Answers come from either database alike; the rest knows nothing of it.
ON_SQLITE = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
CONTENT = plain_pdf()
DIGEST = sha256(CONTENT).hexdigest()
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
FIRST_PART = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\nContent-Type: x/y\r\n\r\n'
)
HOSTILE = '"><script>alert(1)</script>\u202e'


@pytest.fixture
def identifier(container: Container) -> str:
    identifier = new_identifier()
    enter(container, identifier, CONTENT)
    return identifier


def told(answer: Any, container: Container) -> dict[str, Any]:
    """The content of a signed answer whose signature holds."""
    assert answer.status_code == 200, answer.text
    wire = answer.json()
    signed = SignedDocument(b64decode(wire["document"]), b64decode(wire["signature"]))
    party, now = container.receipt_signer.party, container.clock.now()
    trust = container.trust.store()
    return read_document(signed.document, signed.signature, trust, type_=ANSWER, now=now, party=party)


def test_signed_answers(client: TestClient, container: Container, identifier: str) -> None:
    """By identifier the answer is ``registered``, by digest ``authentic``, by neither ``unknown``: each signed."""
    by_identifier = told(client.get(f"/documents/{grouped(identifier)}"), container)
    by_digest = told(client.get(f"/documents/by-digest/{DIGEST}"), container)
    nothing = told(client.get(f"/documents/{new_identifier()}"), container)

    assert (by_identifier["asked"], by_identifier["verdict"]) == ("identifier", "registered")
    assert by_identifier["registration"]["state"] == "valid"
    assert (by_digest["verdict"], by_digest["value"]) == ("authentic", DIGEST)
    assert by_digest["registration"]["record"]["identifier"] == identifier
    assert (nothing["verdict"], nothing["registration"]) == ("unknown", None)
    take_out_of_force(container, identifier, "revoke", "mistake")
    assert told(client.get(f"/documents/by-digest/{DIGEST}"), container)["verdict"] == "revoked"


@ON_SQLITE
def test_a_file_that_is_sent(client: TestClient, container: Container, identifier: str) -> None:
    """Raw or in a form, as JSON or as a page, the whole file gets its answer; a hostile or empty one too."""
    raw = client.post("/documents/examinations", content=CONTENT)
    assert told(raw, container)["verdict"] == "authentic"
    form = {"file": ("نامه.pdf", CONTENT, "application/pdf")}
    page = client.post(
        "/documents/examinations", params={"lang": "en"}, files=form, headers={"Accept": "text/html"}
    )
    assert (page.status_code, 'id="verdict"' in page.text, "Authentic" in page.text) == (200, True, True)
    other = told(client.post("/documents/examinations", content=CONTENT + b"\n% more"), container)
    assert (other["verdict"], other["asked"]) == ("altered", "file")
    for content in (b"\x00" * 1000, b"%PDF-1.7\n", b"PK\x03\x04", b"0\x80" * 50_000):
        assert (
            told(client.post("/documents/examinations", content=content), container)["verdict"] == "unknown"
        )
    unreadable = client.post(
        "/documents/examinations", content=b"%PDF-1.7\n", headers={"Accept": "text/html"}
    )
    assert "این فایل خوانده نشد" in unreadable.text  # and not that it bears no signature
    empty = client.post("/documents/examinations", content=b"", headers={"Accept": "text/html"})
    assert (empty.status_code, "فایلی نرسید" in empty.text) == (422, True)


@ON_SQLITE
def test_what_is_too_long_is_refused(client: TestClient, container: Container) -> None:
    """A file beyond the limit is refused by its announced length, in words for a page."""
    most = container.settings.documents.max_document_bytes
    headers = {"Content-Length": str(most + (1 << 20))}
    answer = client.post("/documents/examinations", content=b"x", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "limit-exceeded")
    for language, told in (("fa", "فایل بسیار بزرگ است"), ("en", "The file is too large")):
        headers |= {"Accept": "text/html", "Accept-Language": f"de,{language};q=0.9,en;q=0.5"}
        page = client.post("/documents/examinations", content=b"x", headers=headers)
        assert (page.status_code, page.headers["connection"], told in page.text) == (413, "close", True)


@ON_SQLITE
def test_public_files_only(client: TestClient, container: Container, identifier: str) -> None:
    """The file of a public document is handed over, not shown; that of a withheld one is not there."""
    file = client.get(f"/documents/{identifier}/file")
    assert file.content == CONTENT
    assert file.headers["content-disposition"] == f'attachment; filename="{identifier}.pdf"'
    assert "sandbox" in file.headers["content-security-policy"]
    page, withheld = new_identifier(), new_identifier()
    enter(container, page, b"<script>alert(1)</script>", media_type="text/html")
    hostile = client.get(f"/documents/{page}/file")
    assert hostile.headers["content-type"] == "application/octet-stream"
    enter(container, withheld, b"secret", disclosure="withheld")
    for path in ("file", "pages/1.png"):
        refused = client.get(f"/documents/{withheld}/{path}")
        assert (refused.status_code, refused.json()["code"]) == (404, "document-unknown")


@ON_SQLITE
def test_who_asks_for_too_much_waits(client: TestClient, container: Container, identifier: str) -> None:
    """Unknown identifiers use up the places of a source, mistyped and known ones do not; then nothing is told."""
    most = container.settings.documents.unknown_checks_per_minute
    for _ in range(most + 5):
        assert client.get("/documents/123").json()["code"] == "identifier-length"
        assert client.get(f"/documents/{identifier}").status_code == 200
    for _ in range(most):
        assert client.get(f"/d/{new_identifier()}").status_code == 200
    for path in (f"/documents/{new_identifier()}", f"/documents/{identifier}"):
        refused = client.get(path)
        assert (refused.status_code, refused.json()["code"]) == (429, "too-many-checks")
        assert int(refused.headers["retry-after"]) == refused.json()["retry_after_seconds"] > 0
    page = client.get(f"/d/{identifier}")
    assert (page.status_code, "کمی صبر کنید" in page.text) == (429, True)
    assert int(page.headers["retry-after"]) > 0
    for _ in range(most):
        assert client.get(f"/documents/by-digest/{DIGEST}").status_code == 200
        assert client.get(f"/authenticity?digest={'0' * 64}").status_code == 200
    assert client.get(f"/documents/by-digest/{DIGEST}").status_code == 429


@ON_SQLITE
def test_a_file_asks_no_more_than_its_visitor_may(
    client: TestClient, container: Container, identifier: str
) -> None:
    """An identifier that a handed-in file bears counts as one that was typed, so files do not try more of them."""
    most = container.settings.documents.unknown_checks_per_minute
    for _ in range(most - 2):
        client.get(f"/documents/{new_identifier()}")
    lines = [f"No. {grouped(each)}" for each in (new_identifier(), new_identifier(), identifier)]
    refused = client.post("/documents/examinations", content=plain_pdf(lines))
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-checks")
    assert told(client.post("/documents/examinations", content=CONTENT), container)["verdict"] == "authentic"


@ON_SQLITE
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"identifier": "9" * 1000}, "far longer"),
        ({"identifier": "123"}, "this has 3"),
        ({"identifier": "1234-5\u06286"}, "Character 7 of what you typed is a Persian or Arabic letter"),
        ({"identifier": "12345678901234567889"}, "exchanged"),
        ({"digest": "AB" * 32}, "64 hexadecimal digits"),
        ({"digest": "x" * 500}, "64 hexadecimal digits"),
    ],
)
def test_what_is_mistyped_is_told_in_words(client: TestClient, asked: dict[str, str], told: str) -> None:
    """The page says what is wrong, in the status of the refusal, and guesses nothing."""
    page = client.get("/authenticity", params={"lang": "en", **asked})
    assert (page.status_code, told in page.text) == (422, True), page.text


@ON_SQLITE
def test_the_page_holds_against_what_is_written_into_it(client: TestClient, container: Container) -> None:
    """Titles, reasons, names and what is typed come out as text; nothing inline, nothing elsewhere, no frame."""
    first, second = new_identifier(), new_identifier()
    enter(container, first, b"one", title=HOSTILE, unit_name=HOSTILE, kind="other")
    enter(container, second, b"two")
    take_out_of_force(container, second, "correct", HOSTILE, first)
    for path in (f"/d/{first}", f"/d/{second}", f"/authenticity?identifier={HOSTILE}"):
        page = client.get(path)
        assert "<script>alert" not in page.text
        assert "\u202e" not in page.text.replace(f'value="{escape(HOSTILE)}"', "")
        assert re.findall(r"<(?:script|style)(?![^>]* src=)[^>]*>| style=| on[a-z]+=", page.text) == []
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert client.head(path).headers["content-type"] == page.headers["content-type"]


@ON_SQLITE
def test_every_link_leads_somewhere(client: TestClient, container: Container, identifier: str) -> None:
    """Whatever a page links to or loads is answered, in either language and for a withheld document too."""
    enter(container, new_identifier(), b"secret", disclosure="withheld")
    secret = sha256(b"secret").hexdigest()
    for path in (
        f"/d/{identifier}?lang=en",
        f"/authenticity?digest={DIGEST}",
        f"/authenticity?digest={secret}",
    ):
        page = client.get(path)
        assert page.status_code == 200
        places = {unescape(each) for each in re.findall(r' (?:href|src)="(/[^"]*)"', page.text)}
        assert any(each.startswith("/documents/") for each in places)
        for place in places:
            assert client.get(place).status_code == 200, (path, place)


@ON_SQLITE
def test_what_the_browser_loads(client: TestClient) -> None:
    """Each part is served with its type and tag, and nothing else of the package is."""
    for name, (content, media_type) in assets().items():
        part = client.get(f"/authenticity/assets/{name}")
        assert (part.content, part.headers["content-type"]) == (content, media_type)
        again = client.get(f"/authenticity/assets/{name}", headers={"If-None-Match": part.headers["etag"]})
        assert again.status_code == 304
    for name in ("page.py", "../words.toml", "qr/README.md", "%2e%2e/words.toml"):
        assert client.get(f"/authenticity/assets/{name}").status_code == 404


def test_the_decoder_is_unchanged() -> None:
    """What is vendored has the digests that are written beside it."""
    folder = resources.files("app.authenticity_page").joinpath("vendor", "qr")
    stated = dict(
        re.findall(r"^\| (\S+) \| ([0-9a-f]{64}) \|$", folder.joinpath("README.md").read_text("utf-8"), re.M)
    )
    assert set(stated) == {each.name for each in folder.iterdir()} - {"README.md"}
    for name, digest in stated.items():
        assert sha256(folder.joinpath(name).read_bytes()).hexdigest() == digest


def test_nothing_lacks_words_in_either_language() -> None:
    """Every text has both languages with the same fields; each verdict, state and refusal has words."""
    for group, codes in words().items():
        for code, each in codes.items():
            assert set(each) == {"fa", "en"}, (group, code)
            fields = [sorted(re.findall(r"\{\w+\}", each[language])) for language in ("fa", "en")]
            assert fields[0] == fields[1], (group, code)
    assert set(_TONES) == set(words()["verdict"]) | {"valid"}
    assert set(words()["refused_title"]) == set(words()["refused_told"])
    assert set(words()["refused_told"]) - {"other"} <= set(PROBLEMS)


def test_by_identifier_nothing_is_praised() -> None:
    """The word for bytes is in no text that an answer by identifier or a form can show."""
    praise = re.compile("اصیل|اصالت|authentic", re.I)
    said = [
        (group, code)
        for group, codes in words().items()
        for code, each in codes.items()
        if praise.search(each["fa"] + each["en"])
    ]
    assert said == [("verdict", "authentic")]


def test_files_arrive_a_few_at_a_time() -> None:
    """Who finds no place for his file is refused before a byte of it is taken, and a place that was left is free."""

    async def play() -> None:
        arrivals = Arrivals(1, 0.02)
        async with arrivals.place():
            with pytest.raises(Unavailable):
                async with arrivals.place():
                    raise AssertionError("a second file was taken in")
        async with arrivals.place():
            pass

    asyncio.run(play())


@ON_SQLITE
@pytest.mark.parametrize(
    "body",
    [
        b"--b\r\n",
        FIRST_PART + b"cut off",
        b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nvalue\r\n--b--\r\n',
        b"--b" + 1_000 * b"\r\n--b" + b'\r\nfilename="x"\r\n\r\nx\r\n--b--',
        FIRST_PART + b"x\r\n" + FIRST_PART + b"y\r\n--b--\r\n",
        b"no form at all",
    ],
)
def test_a_form_without_one_whole_file_is_refused(client: TestClient, body: bytes) -> None:
    """A form that broke off, holds no file or more than one, is no file."""
    answer = client.post("/documents/examinations", content=body, headers=FORM)
    assert (answer.status_code, answer.json()["code"]) == (422, "malformed-input")


@ON_SQLITE
def test_a_form_gives_the_bytes_of_its_file(client: TestClient, container: Container) -> None:
    """Line ends and marks within the file stay."""
    content = b"\r\n--other\r\n\x00--b\r\n\r\n"
    answer = client.post(
        "/documents/examinations", content=FIRST_PART + content + b"\r\n--b--\r\n", headers=FORM
    )
    assert told(answer, container)["value"] == sha256(content).hexdigest()
