"""Forgers at work on an audit folder: with no key, with the server's receipt key, and with every key of the server.

What only the server can say, and its receipt key may therefore say otherwise unnoticed:

- ``bundle.json``: when the folder was exported, and under which certificate of its own it is sealed;
- the newest revocation lists: an older one of the same authority in their place shows less;
- the end of the story: a whole folder of an earlier day, which an honest witness did cosign, is a true one;
- the publisher's name in the OCDS packages, if it is changed in every one of them.

Everything else is held by somebody else too: by a signer, by the log under the witness's cosignature, by the
custodian's journal, or by the receipt that a bidder keeps. The last tests show witness and receipt do it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.demo.cast import Cast
from app.demo.play import play
from app.demo.scripts import Script, own_scripts
from app.demo.stage import MOHR, Stage, staged
from audit.auditor import audit
from audit.report import Report
from client.folder import PartyFolder
from kernel.canonical import canonical_bytes, from_base64, parse_canonical, sha256_hex, to_base64
from kernel.clock import parse_utc
from paper.minutes import attached_source, render_minutes
from procurement.rules.award import award_document
from procurement.rules.notice import Notice
from signing.cms import sign_detached
from signing.pades import prepare, put_in, read_pdf
from tests.e2e.conftest import on_sqlite, quietly
from tests.support.databases import Databases
from tests.support.forgery import Forged, Json, ServerKeys, cosigned_at, flipped, paths_by_kind
from tests.support.forked_starts import Forked
from tests.support.openssl import run_openssl
from transparency.commitment import commitment_entry, disclosed_content, disclosed_leaf_hash
from transparency.ocds import evolve, record_for, release_for
from transparency.ocds_package import Publisher, from_bytes, record_package, release_package, to_bytes
from transparency.ocds_parts import TenderState
from transparency.tree import leaf_hash

pytestmark = on_sqlite


def _script() -> Script:
    """Every kind of file in one tender: something replaced, something withdrawn, something rejected at B."""
    two_stage = own_scripts()[2]
    first, second, rejected = two_stage.bids
    bids = (
        replace(first, replaces_first=True),
        second,
        rejected,
        replace(first, bidder="راه‌بین", withdraws=True),
    )
    return replace(two_stage, bids=bids)


@dataclass(frozen=True)
class Home:
    """What an auditor took home, what the bidders kept, and what the server's operator could use against it."""

    stage: Stage
    folder: Path
    anchors: bytes
    keys: ServerKeys

    def receipts(self) -> list[Path]:
        return sorted(self.stage.parties.glob("IRO-*/receipts/*.json"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Home:
    """One small tender with everything in it, played to its end; nothing changes it afterwards."""
    root = tmp_path_factory.mktemp("forgers")
    with (
        staged(root, databases.init_options(), launch=Forked) as stage,
        closing(Cast.open(stage.parties, stage.registrar_folder, stage.clock)) as cast,
    ):
        (running,) = play([_script()], cast, stage.clock, quietly)
        assert running.agrees
        cast.auditor().api.download("/audit/bundle.tar", root / "bundle.tar")
    shutil.unpack_archive(root / "bundle.tar", root / "audit", filter="data")
    anchors = json.dumps(stage.anchors).encode()
    return Home(stage, root / "audit", anchors, ServerKeys.of(stage.folder))


@pytest.fixture
def forged(home: Home, tmp_path: Path) -> Forged:
    """A copy to work on."""
    return Forged(home.folder, tmp_path / "copy", home.keys)


def judged(forged: Forged, home: Home, *receipts: Path) -> Report:
    return audit(forged.root, home.anchors, [path.read_bytes() for path in receipts])


def first_finding(report: Report) -> str:
    assert not report.ok
    assert report.first_finding is not None
    return f"{report.first_finding.name}: {report.first_finding.detail}"


def test_an_honest_folder_passes_sealed_anew_too(home: Home, forged: Forged) -> None:
    """The folder with every receipt passes, and what the forgers use to seal it again changes nothing by itself."""
    assert judged(forged, home, *home.receipts()).first_finding is None
    forged.seal()
    assert judged(forged, home, *home.receipts()).first_finding is None
    assert len(paths_by_kind(home.folder)) > 50


def test_a_flipped_bit_in_any_kind_of_file_is_found(home: Home, forged: Forged) -> None:
    """A bit of a file of every kind, at its beginning, inside or at its end in turn: never ok, never a crash."""
    unnoticed = []
    for turn, (kind, paths) in enumerate(paths_by_kind(home.folder).items()):
        original = forged.read(paths[-1])
        position = (0, len(original) // 2, len(original) - 1)[turn % 3]
        forged.write(paths[-1], flipped(original, position))
        if judged(forged, home).ok:
            unnoticed.append((kind, position))
        forged.write(paths[-1], original)
    assert unnoticed == []


def test_a_missing_or_added_file_of_any_kind_is_found(home: Home, forged: Forged) -> None:
    """A file of every kind taken away: never ok, never a crash; nor with a file that nobody lists."""
    unnoticed = []
    for kind, paths in paths_by_kind(home.folder).items():
        original = forged.read(paths[0])
        (forged.root / paths[0]).unlink()
        if judged(forged, home).ok:
            unnoticed.append(kind)
        forged.write(paths[0], original)
    forged.write("tenders/more.txt", b"")
    assert "more.txt" in first_finding(judged(forged, home))
    assert unnoticed == []


def test_files_of_any_kind_missing_from_a_sealed_folder_are_found(home: Home, forged: Forged) -> None:
    """A file of every kind taken away, and the list of files sealed again by the server: found all the same."""
    unnoticed = []
    for kind, paths in paths_by_kind(home.folder).items():
        if kind.startswith("bundle.json"):
            continue
        original = forged.read(paths[0])
        (forged.root / paths[0]).unlink()
        forged.seal()
        if judged(forged, home).ok:
            unnoticed.append(kind)
        forged.write(paths[0], original)
    assert unnoticed == []


def _other(value: Any) -> Any:
    """Another value of the same kind that keeps to its form."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if value is None:
        return "x"
    if isinstance(value, str):
        if value.endswith("Z") and value[-2:-1].isdigit():
            return f"{value[:-2]}{(int(value[-2]) + 1) % 10}Z"
        return value[:-1] + ("0" if value[-1:] != "0" else "1")
    if isinstance(value, list):
        return value[:-1] if value else ["x"]
    return {**value, "x": 1}


def test_fields_that_the_server_says_otherwise_are_found(home: Home, forged: Forged) -> None:
    """Fields of a document of every kind altered by the holder of the receipt key, who signs again what is his,
    renames what is named by its digest, alters every document that names it, and seals the folder."""
    unnoticed = []
    for kind, paths in paths_by_kind(home.folder).items():
        if not kind.endswith(".json") or not kind.startswith("tenders/"):
            continue
        names = sorted(set(forged.document(paths[-1])) - {"type", "tender"})
        for name in {names[0], names[-1]}:
            forged.change(paths[-1], lambda value, name=name: value.update({name: _other(value[name])}))  # type: ignore[misc]
            forged.seal()
            if judged(forged, home).ok:
                unnoticed.append((kind, name))
            forged.restore()
    assert unnoticed == []


def test_any_other_file_that_the_server_exchanges_is_found(home: Home, forged: Forged) -> None:
    """Signatures, blobs, certificates, keys, logs and OCDS packages altered, and the folder sealed again."""
    unnoticed = []
    for kind, paths in paths_by_kind(home.folder).items():
        if kind.startswith("bundle.json") or (kind.endswith(".json") and not kind.startswith("ocds/")):
            continue
        original = forged.read(paths[-1])
        forged.put(paths[-1], flipped(original, len(original) // 2))
        forged.seal()
        if judged(forged, home).ok:
            unnoticed.append(kind)
        forged.restore()
    for path in [path for path in forged.paths() if path.endswith("/1.json") or "/records/" in path]:
        package = from_bytes(forged.read(path))
        for name in package:
            forged.write(path, to_bytes({**package, name: _other(package[name])}))
            forged.seal()
            if judged(forged, home).ok:
                unnoticed.append(f"{path} {name}")
        forged.restore()
    assert unnoticed == []


def test_a_bidders_seal_is_not_the_servers(home: Home, forged: Forged) -> None:
    """A bidder who seals the folder, or forges a receipt for a bid that he never sent, convinces nobody: his
    organisation's certificate signs like a service's, but is not the server's."""
    bidder = PartyFolder(home.receipts()[0].parent.parent)
    wire = json.loads(home.receipts()[0].read_bytes())
    document = parse_canonical(from_base64(wire["document"]))
    content = {**document["content"], "digest": "0" * 64}
    claimed = {
        **document,
        "digest": "0" * 64,
        "content": content,
        "leaf_hash": disclosed_leaf_hash(content, document["salt"]),
    }
    data = canonical_bytes(claimed)
    signature = sign_detached(data, bidder.signer(), at=parse_utc(document["received_at"]))
    accusation = {"document": to_base64(data), "signature": to_base64(signature)}
    report = audit(home.folder, home.anchors, [json.dumps(accusation).encode()])
    assert "not one of this server's" in first_finding(report)
    bundle = forged.document("bundle.json")
    (forged.root / f"bundle.json.{home.keys.receipt.party}.p7s").unlink()
    sealed = sign_detached(forged.read("bundle.json"), bidder.signer(), at=parse_utc(bundle["exported_at"]))
    forged.write(f"bundle.json.{bidder.party}.p7s", sealed)
    assert "only the service may sign" in first_finding(judged(forged, home))


# The folder without one bid, by somebody who holds every key of the server.


def _without(forged: Forged, home: Home) -> Path:
    """Rewrite log, closing list, receipts, award and OCDS as if the winner had never bid; returns his receipt."""
    (tender,) = {path.split("/")[1] for path in forged.paths() if path.startswith("tenders/")}
    base = f"tenders/{tender}"
    winner = forged.document(f"{base}/award.json")["lots"][0]["winner"]
    closing = forged.document(f"{base}/closing-list.json")
    dropped = [act for act in closing["submissions"] if act["bidder"] == winner]
    manifests = {act["manifest_digest"] for act in dropped}
    leaves = {act["leaf_hash"] for act in dropped}
    entries = {_leaf(each): each for each in forged.entries() if _leaf(each) not in leaves}
    for act in dropped:
        shutil.rmtree(forged.root / base / "submissions" / act["manifest_digest"], ignore_errors=True)
        for path in (forged.root / base / "receipts").glob(f"{act['leaf_hash']}.*"):
            path.unlink()
    kept = [act for act in closing["submissions"] if act["bidder"] != winner]
    for counter, act in enumerate(kept, start=1):
        _renumber(forged, f"{base}/receipts", act, counter, entries)
    digests = _put(forged, f"{base}/closing-list.json", {**closing, "submissions": kept})
    for stage in "ABC":
        digests |= _thin(forged, f"{base}/openings/{stage}", manifests, digests)
    award = forged.document(f"{base}/award.json")
    notice = Notice.parse(forged.document(f"{base}/notice.json"))
    record = forged.document(f"{base}/openings/C/record.json")
    bids = {
        result["manifest_digest"]: forged.document(
            f"{base}/submissions/{result['manifest_digest']}/bid-C.json"
        )
        for result in record["results"]
        if result["outcome"] == "opened"
    }
    stamps = {act["manifest_digest"]: act["received_at"] for act in kept if act["act"] == "submission"}
    again = award_document(
        notice,
        record_digest=sha256_hex(forged.read(f"{base}/openings/C/record.json")),
        record=record,
        bids=bids,
        sealed_at=stamps,
        decided_at=award["decided_at"],
    )
    assert again["lots"][0]["winner"] != winner
    digests |= _put(forged, f"{base}/award.json", again)
    forged.put_entries([_renamed(each, digests, winner) for each in entries.values()], None)
    _publish(forged, home)
    forged.seal()
    (receipt,) = (
        path
        for path in home.receipts()
        if path.parent.parent.name == winner and path.stem == sorted(_last(dropped))[0]
    )
    return receipt


def _renumber(forged: Forged, place: str, act: Json, counter: int, entries: dict[str, bytes]) -> None:
    """An act under another counter: another leaf in its place of the log, another receipt."""
    content = disclosed_content(
        act=act["act"],
        tender=place.split("/")[1],
        digest=act["digest"],
        received_at=act["received_at"],
        counter=counter,
        counter_salt=act["counter_salt"],
    )
    was, now = act["leaf_hash"], disclosed_leaf_hash(content, act["salt"])
    entries[was] = commitment_entry(content, bytes.fromhex(act["salt"]))
    act |= {"counter": counter, "leaf_hash": now}
    receipt = {**forged.document(f"{place}/{was}.json"), "content": content, "leaf_hash": now}
    _put(forged, f"{place}/{was}.json", receipt)
    for path in sorted((forged.root / place).glob(f"{was}.*")):
        path.rename(path.with_name(path.name.replace(was, now)))


def _last(acts: list[Json]) -> list[str]:
    return [str(act["manifest_digest"]) for act in acts if act["state"] == "listed"]


def _leaf(entry: bytes) -> str:
    return leaf_hash(entry).hex()


def _put(forged: Forged, path: str, value: Json) -> dict[str, str]:
    """Write a document under the server's signature where it has one; its old and new digest."""
    old = sha256_hex(forged.read(path))
    forged.write(path, canonical_bytes(value))
    forged.sign(path)
    return {old: sha256_hex(forged.read(path))}


def _thin(forged: Forged, place: str, manifests: set[str], digests: dict[str, str]) -> dict[str, str]:
    """Session, batches, release, record and decision of a stage without some manifests."""
    made: dict[str, str] = {}
    names = ("session", *sorted(path.stem for path in (forged.root / place).glob("batch-*.json")))
    for name in (*names, "release", "record", "decision"):
        path = f"{place}/{name}.json"
        if not (forged.root / path).exists():
            continue
        value = forged.document(path)
        for field in ("manifests", "shares", "releases", "results"):
            if field in value:
                value[field] = [
                    each
                    for each in value[field]
                    if (each if isinstance(each, str) else each["manifest_digest"]) not in manifests
                ]
        text = canonical_bytes(value)
        for old, new in {**digests, **made}.items():
            text = text.replace(old.encode(), new.encode())
        made |= _put(forged, path, parse_canonical(text))
    return made


def _renamed(entry: bytes, digests: dict[str, str], winner: str) -> bytes:
    """A log entry that names the new documents, and the bidder no more."""
    for old, new in digests.items():
        entry = entry.replace(old.encode(), new.encode())
    value = parse_canonical(entry)
    data = value.get("data", {})
    if value["type"].endswith("submission-closed.v1"):
        for name in ("submissions", "tenderers"):
            data[name] = [each for each in data[name] if winner not in each.values()]
    return canonical_bytes(value)


def _publish(forged: Forged, home: Home) -> None:
    """OCDS again from the rewritten log."""
    shown = from_bytes(forged.read(next(p for p in forged.paths() if p.startswith("ocds/records/"))))
    path = next(p for p in forged.paths() if p.startswith("ocds/records/"))
    base_uri = shown["uri"].removesuffix(f"/{path}")
    named = shown["publisher"]
    publisher = Publisher(named["name"].removeprefix("DEMO - "), base_uri, True, uid=named.get("uid"))
    states: dict[str, TenderState] = {}
    releases = []
    for entry in forged.entries():
        event = from_bytes(entry)
        if "subject" not in event:
            continue
        states[event["subject"]] = evolve(states.get(event["subject"], TenderState()), event)
        release = release_for(event, states[event["subject"]], base_uri)
        if release is not None:
            releases.append(release)
    for number, release in enumerate(releases, start=1):
        package = release_package(release, number, publisher)
        forged.write(f"ocds/releases/{release['ocid']}/{number}.json", to_bytes(package))
    forged.write(path, to_bytes(record_package(record_for(releases), publisher)))


def test_a_dropped_bid_needs_the_witness(home: Home, forged: Forged) -> None:
    """Everything rewritten with all keys of the server: without the witness's cosignature no audit believes the log."""
    _without(forged, home)
    assert first_finding(judged(forged, home)).startswith(
        "log: log/checkpoint: no known witness has cosigned"
    )
    true_note = (home.folder / "log" / "checkpoint").read_bytes()
    forged.write("log/checkpoint", true_note)
    forged.seal()
    assert first_finding(judged(forged, home)).startswith("log: ")


def test_a_dropped_bid_is_in_its_bidders_receipt(home: Home, forged: Forged) -> None:
    """Even if the witness colludes and cosigns the rewritten log, the bidder's receipt shows what was dropped; and
    the commission's and the custodian's signatures do not fit without them colluding too."""
    when = cosigned_at(forged.read("log/checkpoint").decode())
    receipt = _without(forged, home)
    forged.put_entries(forged.entries(), when)
    forged.seal()
    report = judged(forged, home, receipt)
    by_name = {check.name: check for check in report.checks}
    assert by_name["log"].ok
    assert by_name["folder"].ok
    assert by_name["ocds"].ok, by_name["ocds"]
    assert by_name["closing-list"].ok, by_name["closing-list"]
    assert by_name["receipts"].ok, by_name["receipts"]
    assert not by_name["openings"].ok
    assert not by_name["end"].ok
    assert "it was dropped" in by_name["receipt"].detail


def test_an_older_cosigned_checkpoint_does_not_hide_what_came_after(home: Home, forged: Forged) -> None:
    """A log cut back to an earlier length that a witness cosigned: documents without their events are found, and
    so are receipts whose leaves came later."""
    entries = forged.entries()
    first = next(n for n, each in enumerate(entries) if b"mohr/commitment/v1" in each)
    when = cosigned_at(forged.read("log/checkpoint").decode())
    forged.put_entries(entries[:first], when - timedelta(days=1))
    forged.seal()
    report = judged(forged, home, *home.receipts())
    assert not report.ok
    assert sum("it was dropped" in check.detail for check in report.checks) == len(home.receipts())


# The minutes.


def minutes_of(forged: Forged) -> str:
    return next(path for path in forged.paths() if "/minutes/" in path).rpartition("/")[0]


def test_minutes_that_the_server_makes_otherwise_are_found(home: Home, forged: Forged) -> None:
    """Signatures taken off or put in another order, pages exchanged or added, an update behind, another's minutes:
    each sealed again by the server, each found by the check of the minutes."""
    place = minutes_of(forged)
    true = {stage: forged.read(f"{place}/{stage}.pdf") for stage in ("A", "B", "C", "decision")}
    base, revisions = read_pdf(true["A"])
    swapped, room = (
        prepare(base, revisions[1].update.party, revisions[1].update.signed_at),
        revisions[1].update.cms,
    )
    more = json.loads(attached_source(base))
    more["envelopes"] = more["envelopes"] * 20
    cases = {
        "no signature": {"A": base},
        "the last one off": {"A": revisions[-2].pdf},
        "another order": {"A": put_in(swapped, room)},
        "an empty room": {"A": prepare(true["A"], "IR-1", revisions[0].update.signed_at).pdf},
        "an update behind": {"A": true["A"] + b"\n%%EOF"},
        "a page more": {"A": render_minutes(canonical_bytes(more)) + true["A"][len(base) :]},
        "a changed page": {"A": true["A"].replace(b"/MediaBox[0 0 595", b"/MediaBox[0 0 295", 1)},
        "exchanged": {"A": true["B"], "B": true["A"]},
        "another stage's": {"C": true["B"]},
        "none": {"decision": b""},
    }
    for name, files in cases.items():
        for stage, pdf in files.items():
            forged.write(f"{place}/{stage}.pdf", pdf)
        forged.seal()
        report = judged(forged, home)
        assert not {check.name: check for check in report.checks}["minutes"].ok, name
        forged.restore()


def test_pages_of_another_renderer_are_not_judged(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that another version made are not laid out again; that is said by name and held against nobody."""
    monkeypatch.setattr("audit.minutes.RENDERER", "typst 99, minutes 1")
    report = audit(home.folder, home.anchors, [])
    assert report.ok
    (pages,) = (check for check in report.checks if check.name == "minutes-pages")
    assert pages.count == 0
    assert sum("minutes-pages" in note and "not made for" in note for note in report.notes) == 4


def test_stock_tools_accept_the_minutes(home: Home, tmp_path: Path) -> None:
    """pdfsig finds three valid signatures in each, the last over the whole file; openssl takes each CMS by the root."""
    found = sorted(home.folder.glob("tenders/*/minutes/*.pdf"))
    assert len(found) == 4
    shutil.copy(home.folder / "trust" / "root.pem", tmp_path / "root.pem")
    verify = ["cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "c.p7s", "-content", "m.bin"]
    verify += ["-CAfile", "root.pem", "-purpose", "any", "-no_check_time", "-out", "out.bin"]
    for path in found:
        said = subprocess.run(["pdfsig", "-nocert", str(path)], capture_output=True, timeout=60, check=True)
        assert said.stdout.count(b"Signature is Valid.") == 3
        assert b"  - Total document signed" in said.stdout.split(b"Signature #3")[1]
        for revision in read_pdf(path.read_bytes())[1]:
            (tmp_path / "c.p7s").write_bytes(revision.update.cms)
            (tmp_path / "m.bin").write_bytes(revision.covered)
            agreed, said_by_openssl = run_openssl(tmp_path, *verify)
            assert agreed, said_by_openssl


# The command.


def mohr_audit(*arguments: object) -> tuple[int, str]:
    done = subprocess.run(
        [*MOHR, "audit", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def test_the_command_says_0_1_or_2(home: Home, tmp_path: Path) -> None:
    """0 for an honest folder; 1 for whatever is damaged, an empty folder and cut files included; 2 for wrong use."""
    anchors = tmp_path / "anchors.json"
    anchors.write_bytes(home.anchors)
    assert mohr_audit(home.folder, "--trust", anchors, "--receipt", home.receipts()[0])[0] == 0
    (tmp_path / "empty").mkdir()
    assert mohr_audit(tmp_path / "empty", "--trust", anchors)[0] == 1
    cut = tmp_path / "cut"
    shutil.copytree(home.folder, cut)
    for path in [each for each in cut.rglob("*") if each.is_file()]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert mohr_audit(cut, "--trust", anchors)[0] == 1
    nonsense = tmp_path / "nonsense.json"
    nonsense.write_bytes(b"\xff{")
    assert mohr_audit(home.folder, "--trust", nonsense)[0] == 1
    assert mohr_audit(home.folder, "--trust", anchors, "--receipt", nonsense)[0] == 1
    for wrong in (
        (home.folder,),
        (tmp_path / "nowhere", "--trust", anchors),
        (home.folder, "--trust", tmp_path / "no"),
    ):
        assert mohr_audit(*wrong)[0] == 2


def test_anchors_inside_the_folder_prove_nothing(home: Home, tmp_path: Path) -> None:
    """Anchors that came with what they are to judge are used, and called self-asserted."""
    inside = tmp_path / "inside"
    shutil.copytree(home.folder, inside)
    (inside / "anchors.json").write_bytes(home.anchors)
    for arguments in ((inside,), (inside, "--trust", inside / "anchors.json")):
        code, said = mohr_audit(*arguments)
        assert code == 1
        assert "self-asserted" in said
