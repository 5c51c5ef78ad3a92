"""What relying parties fetch: the page for people, certificates and lists, over plain HTTP and cached."""

from __future__ import annotations

from html.parser import HTMLParser

from cryptography import x509
from fastapi.testclient import TestClient

from app.api.published import CRL_TYPE
from app.container import Container
from app.status_page import ListedAuthority, Page, render
from pki.algorithms import fingerprint_of

VOID = {"meta", "br", "link", "img"}


class Reader(HTMLParser):
    """The elements of a document, that each is closed in order, and its text."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_says_what_to_pin(client: TestClient, container: Container) -> None:
    """Both languages name every authority with its fingerprint, and its links lead to what it says."""
    answer = client.get("/pki/")
    page = Reader(answer.text)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.open == []
    mains = [attributes for tag, attributes in page.elements if tag == "main"]
    assert mains == [{"lang": "fa", "dir": "rtl"}, {"lang": "en", "dir": "ltr"}]
    for each in container.authority.issuers:
        assert page.text.count(fingerprint_of(each.certificate)) == 2
    base = container.settings.api.base_url
    links = {str(attributes["href"]) for tag, attributes in page.elements if tag == "a"}
    for each in container.authority.issuers:
        certificate = client.get(f"/pki/ca/{each.name}.crt").content
        assert x509.load_der_x509_certificate(certificate) == each.certificate
        assert {f"{base}/pki/ca/{each.name}.crt", f"{base}/pki/crl/{each.name}.crl"} <= links
    assert f"{base}/tsa" in page.text


def test_the_page_needs_nobody_else(client: TestClient) -> None:
    """No script, no frame, no resource of any host; its policy forbids them, and it fits a phone."""
    answer = client.get("/pki/")
    page = Reader(answer.text)

    assert {tag for tag, _ in page.elements} <= {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "section"),
        *("dl", "dt", "dd", "a", "code", "time", "span", "bdi"),
    }
    assert [a for _, a in page.elements if {"src", "srcset", "style", "onclick"} & set(a)] == []
    assert "url(" not in answer.text
    assert "@import" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.elements


def test_names_on_the_page_are_text() -> None:
    """Whatever an organisation is called, it is no markup."""
    hostile = '"><script>alert(1)</script>'
    authority = ListedAuthority(
        "root", hostile, "ab" * 32, "2026", "2036", "http://a/?x=1&y='", "http://a", None, None, None, True
    )
    page = Reader(
        render(
            Page(hostile, True, "2026", [authority], None, "t", "1.2", [(hostile, "u")], 0, False)
        ).decode()
    )

    assert "script" not in {tag for tag, _ in page.elements}
    assert page.text.count("alert(1)") >= 4


def test_what_is_published_is_cached_by_tag(client: TestClient) -> None:
    """HEAD says what GET says without the body; who has the bytes is told so; caches may keep them for a while."""
    for path in ("/pki/ca/root.crt", "/pki/crl/intermediate.crl", "/pki/"):
        whole = client.get(path)
        head = client.head(path)
        again = client.get(path, headers={"If-None-Match": f'W/"x", {whole.headers["etag"]}'})

        assert whole.status_code == head.status_code == 200
        assert head.content == again.content == b""
        for name in ("etag", "content-type", "content-length", "cache-control"):
            assert head.headers[name] == whole.headers[name]
        assert whole.headers["cache-control"].startswith("public, max-age=")
        assert whole.headers["x-content-type-options"] == "nosniff"
        assert (again.status_code, again.headers["etag"]) == (304, whole.headers["etag"])
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.get("/pki/crl/root.crl").headers["content-type"] == CRL_TYPE


def test_other_names_are_refused(client: TestClient) -> None:
    """A name that no authority has is not found, one that none can have is malformed."""
    cases = {"intermediate-9": 404, "ROOT": 422, "9root": 422, "a" * 40: 422}
    # With a slash in it, the latter names a list of an authority.
    for place, slashed in (("/pki/ca/{}.crt", 404), ("/pki/crl/{}.crl", 422)):
        for name, status in {**cases, "..%2froot": slashed}.items():
            assert client.get(place.format(name)).status_code == status
            assert client.head(place.format(name)).status_code == status
