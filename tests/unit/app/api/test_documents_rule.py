"""The rule of documents over HTTP: the same demands for programs and, in both languages, for people."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from authenticity.rule import DatedRule


def test_for_programs(client: TestClient) -> None:
    """The version in force with all its kinds, and each demand with its clause."""
    told = client.get("/documents/rule").json()
    shipped = DatedRule.default().versions[-1]
    assert (told["version"], told["from_day"]) == (shipped.version, "2026-03-21")
    kinds = {each["kind"]: each for each in told["kinds"]}
    assert set(kinds) == set(shipped.kinds)
    assert kinds["award"]["basis"]["formats"]["en"] == "Electronic Commerce Law 1382 Art. 8"
    assert [each["kind"] for each in told["excluded"]] == ["title-deed"]


@pytest.mark.parametrize(("language", "direction"), [("fa", "rtl"), ("en", "ltr")])
def test_for_people(client: TestClient, language: str, direction: str) -> None:
    """A page in the language asked for names every kind and every clause, and loads nothing from elsewhere."""
    answer = client.get("/documents/rule", params={"lang": language}, headers={"Accept": "text/html"})
    page = answer.text
    assert f'<html lang="{language}" dir="{direction}">' in page
    for kind in DatedRule.default().versions[-1].kinds.values():
        assert getattr(kind.name, language) in page
        assert all(getattr(clause, language) in page for clause in kind.basis.values())
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert all(each.startswith("/") for each in re.findall(r'(?:src|href)="([^"]*)"', page))


def test_a_version_that_is_not_there(client: TestClient) -> None:
    """Another version than those that exist is refused by name."""
    answer = client.get("/documents/rule", params={"version": "city-1300-1"})
    assert (answer.status_code, answer.json()["code"]) == (422, "document-kind-unknown")
