"""What every refusal must look like over HTTP, and that nothing was half-written beside it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.api.problem_table import PROBLEMS
from client.receipts import Expected, await_inclusion, check_receipt
from client.session import PartySession
from kernel.canonical import canonical_bytes, from_base64, parse_canonical, sha256_hex, to_base64
from procurement.rules.regime_data import REGIMES
from signing.cms import sign_detached
from tests.support.databases import Snapshot, engine_of, snapshot_of, tables_of

MEDIA_TYPE = "application/problem+json"
JSON_TYPE = {"Content-Type": "application/json"}
# Workers fill these by themselves, from what was committed before.
_DERIVED = {"event_bus_states", "inbox", "log_checkpoints", "ocds_records", "ocds_releases"}
_INNER = (
    "Traceback",
    'File "',
    "sqlite",
    "psycopg",
    "SELECT ",
    "INSERT ",
    "sqlalchemy",
    "procurement/",
    "app/api",
    ".py",
)
_ARTICLES = {(rule.id, rule.article) for regime in REGIMES for rule in regime.rules}

Json = dict[str, Any]


@dataclass(frozen=True)
class Caller:
    """One party's raw requests; ``token`` None is nobody's."""

    url: str
    token: str | None = None

    @classmethod
    def of(cls, session: PartySession) -> Caller:
        """With a session of that party that holds now."""
        session.api.get("/auth/me")
        return cls(session.api.base_url, session.api.token)

    def send(
        self,
        method: str,
        path: str,
        content: bytes | Iterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """One request, sent once."""
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        with httpx.Client(base_url=self.url, timeout=60.0, trust_env=False, verify=False) as client:
            return client.request(method, path, content=content, headers=sent)

    def get(self, path: str) -> httpx.Response:
        return self.send("GET", path)

    def post(self, path: str, body: Any = None) -> httpx.Response:
        content = b"" if body is None else json.dumps(body).encode()
        return self.send("POST", path, content, JSON_TYPE)

    def put(self, path: str, content: bytes | Iterator[bytes]) -> httpx.Response:
        return self.send("PUT", path, content, {"Content-Type": "application/octet-stream"})


def refused(answer: httpx.Response, status: int, code: str, *, rule: str | None = None) -> Json:
    """Check form, status and code of a refusal, and that it cites the article of its rule; returns the problem."""
    assert (answer.status_code, answer.headers.get("content-type")) == (status, MEDIA_TYPE), answer.text
    problem: Json = answer.json()
    assert problem["code"] == code, problem
    assert problem["status"] == status == PROBLEMS[code].status
    assert problem["title"] == PROBLEMS[code].title
    assert problem["type"] == f"urn:mohr:problem:{code}"
    assert problem["detail"]
    shown = json.dumps({key: value for key, value in problem.items() if key != "receipt"})
    assert not any(inner in shown for inner in _INNER), shown
    assert len(shown) < 4000
    assert problem.get("rule") == rule, problem
    if rule is not None and code != "regime-unknown":
        assert (rule, problem.get("article")) in _ARTICLES, problem
    return problem


@dataclass(frozen=True)
class Recorded:
    """Every row that a use case writes, and every file of the object store."""

    rows: dict[str, list[Any]]
    files: list[str]

    @classmethod
    def of(cls, folder: Path) -> Recorded:
        """Read the database of an installation beside its server, without writing."""
        engine = engine_of(folder)
        names = sorted(tables_of(engine) - _DERIVED)
        engine.dispose()
        with snapshot_of(folder) as database:
            rows = {name: _rows(database, name) for name in names}
        objects = folder / "objects"
        files = sorted(str(path.relative_to(objects)) for path in objects.rglob("*") if path.is_file())
        return cls(rows, files)

    def changed(self, later: Recorded) -> dict[str, int]:
        """By table (and ``files``) how many are more than before; a table that changed otherwise counts 0."""
        both = {name: (rows, later.rows[name]) for name, rows in self.rows.items()}
        both["files"] = (self.files, later.files)
        return {name: len(after) - len(before) for name, (before, after) in both.items() if before != after}


def _rows(database: Snapshot, table: str) -> list[Any]:
    # The sequencer gives log entries their place, and the relay may mark what it has handed on.
    columns = "id" if table == "log_entries" else "seq" if table == "outbox" else "*"
    return sorted(map(repr, database.rows(f"SELECT {columns} FROM {table}")))


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Nothing at all is written inside."""
    before = Recorded.of(folder)
    yield
    assert before.changed(Recorded.of(folder)) == {}
    assert staging_empties(folder)


@contextmanager
def one_refusal_act(folder: Path) -> Iterator[None]:
    """Exactly one refusal is recorded inside, whole: act, event, log entry, and their two counters at most."""
    before = Recorded.of(folder)
    yield
    changed = before.changed(Recorded.of(folder))
    counters = changed.pop("event_sequences", 0)
    assert counters in (0, 1)
    assert changed == {"bidder_acts": 1, "outbox": 1, "log_entries": 1}
    assert staging_empties(folder)


def staging_empties(folder: Path, seconds: float = 5.0) -> bool:
    """Whether nothing half-received stays in the object store."""
    until = time.monotonic() + seconds
    while any((folder / "objects" / "staging").iterdir()):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def honoured(problem: Json, session: PartySession, bid: Json, digest: str) -> None:
    """The refusal's receipt is signed by the server, is about what was sent, and its leaf gets into the log."""
    expected = Expected(bid["tender"], bid["lot"], session.party, bid["submission_number"], "refusal", digest)
    receipt = check_receipt(problem["receipt"], expected, session.trust(), session)
    assert receipt.document["reason"] == problem["code"]
    await_inclusion(receipt, session)


@dataclass(frozen=True)
class Paper:
    """A document to be altered and signed by whom one likes."""

    value: Json

    def but(self, **changes: Any) -> Paper:
        """The same with other values."""
        return Paper({**self.value, **changes})

    def without(self, name: str) -> Paper:
        return Paper({key: item for key, item in self.value.items() if key != name})

    def signed(self, session: PartySession) -> Json:
        return signed_bytes(canonical_bytes(self.value), session)

    @property
    def digest(self) -> str:
        return sha256_hex(canonical_bytes(self.value))


def signed_bytes(document: bytes, session: PartySession) -> Json:
    """Whatever bytes, with a good signature over them."""
    signature = sign_detached(document, session.signer, at=session.clock.now())
    return {"document": to_base64(document), "signature": to_base64(signature)}


def paper_of(wire: Json) -> Paper:
    """The document of a wire form."""
    return Paper(parse_canonical(from_base64(wire["document"], max_bytes=32 << 20), max_bytes=32 << 20))


def malformed(paper: Paper) -> Iterator[tuple[str, Paper]]:
    """Each field left out, and each given a value of another kind; named for the reader of a failure."""
    yield "another field", paper.but(unknown=1)
    for name, value in paper.value.items():
        yield f"no {name}", paper.without(name)
        others: tuple[Any, ...] = (None, 7, True, "\u0000", {}, [{}])
        for wrong in others:
            if type(wrong) is not type(value) and not (wrong is None and value is None):
                yield f"{name} {wrong!r}", paper.but(**{name: wrong})


def tampered(wire: Json) -> Iterator[tuple[str, Json]]:
    """Wire forms that no server may take, whatever the document says."""
    signature = from_base64(wire["signature"])
    document = from_base64(wire["document"], max_bytes=32 << 20)
    yield "empty signature", {**wire, "signature": ""}
    yield "no CMS", {**wire, "signature": to_base64(b"\x30\x80" + b"x" * 40)}
    yield "cut", {**wire, "signature": to_base64(signature[:-7])}
    yield "one bit", {**wire, "signature": to_base64(signature[:-1] + bytes([signature[-1] ^ 1]))}
    yield "trailing", {**wire, "signature": to_base64(signature + b"\x00")}
    yield "not canonical", {**wire, "document": to_base64(document.replace(b'":', b'": ', 1))}
    yield "repeated key", {**wire, "document": to_base64(b'{"type":"x",' + document[1:])}
    yield "no JSON", {**wire, "document": to_base64(b"\xff\xfe{")}
    yield "empty document", {**wire, "document": ""}
    yield "deep", {**wire, "document": to_base64(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}")}
    yield "no base64", {**wire, "document": "****"}
    yield "base64 of three", {**wire, "document": "abc"}
    yield "no text", {**wire, "document": 7}
    yield "another member", {**wire, "more": "x"}
    yield "no signature", {"document": wire["document"]}
    yield "surrogate", {**wire, "document": "\ud800"}


def all_refused(
    cases: Iterator[tuple[str, Any]],
    send: Callable[[Any], httpx.Response],
    codes: dict[int, tuple[str, ...]],
) -> None:
    """Every case is refused with one of the statuses and codes."""
    for name, case in cases:
        answer = send(case)
        allowed = codes.get(answer.status_code, ())
        assert answer.json().get("code") in allowed, (name, answer.status_code, answer.text)
        problem = answer.json()
        refused(answer, answer.status_code, problem["code"], rule=problem.get("rule"))


FORM: dict[int, tuple[str, ...]] = {422: ("malformed-input",), 413: ("limit-exceeded",)}
FORM_OR_SIGNATURE: dict[int, tuple[str, ...]] = {
    422: ("malformed-input", "signature-invalid"),
    413: ("limit-exceeded",),
}
