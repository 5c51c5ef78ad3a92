"""``mohr init`` and ``mohr serve`` as real processes: API, sequencer, relay, witness, custodian."""

from __future__ import annotations

import json
import signal
import subprocess
from datetime import timedelta

import httpx

from client.enrolment import collect_certificates, request_certificates, request_digests
from client.folder import PartyFolder
from client.login import open_api
from client.registrar import Registrar, RegistrationOffice
from kernel.canonical import from_base64, parse_json
from kernel.clock import DemoClock
from pki.names import Subject
from tests.integration.conftest import Server, Start, answers, end, is_alive, mohr, until
from transparency.notes import Checkpoint, NoteVerifier, open_note, split_note
from transparency.proof import verify_proof
from transparency.tree import leaf_hash


def get(server: Server, path: str) -> httpx.Response:
    return httpx.get(server.url + path, timeout=10.0, trust_env=False, verify=False)


def test_a_tree_of_processes_starts_and_ends_cleanly(serve: Start) -> None:
    """By the command line: ready means that all three answer; SIGTERM ends all of them, with exit code 0 and nobody
    left."""
    server = serve(launch=subprocess.Popen)
    settings = json.loads(mohr("config", "--json", "--folder", str(server.folder)).stdout)
    children = server.children()

    health = get(server, "/health").json()
    assert (health["status"], health["demo"]) == ("ok", True)
    assert set(children) == {"witness", "custodian"}
    assert answers(f"{settings['witness']['url']}/health")
    assert answers(f"{settings['custodian']['url']}/health")

    server.process.send_signal(signal.SIGTERM)
    _, errors = server.process.communicate(timeout=30)

    assert server.process.returncode == 0, errors
    assert [name for name, pid in children.items() if is_alive(pid)] == []
    assert not answers(f"{server.url}/health")
    assert "Traceback" not in errors
    assert "the custodian runs beside the server" in errors


def test_what_is_done_is_in_the_cosigned_log(serve: Start) -> None:
    """A party that a registrar enters is in the log, proven under a checkpoint that the witness cosigned."""
    server = serve()
    folder = PartyFolder(server.folder / "registrar")
    clock = DemoClock(server.folder / "demo-clock")
    with open_api(folder, clock) as api:
        Registrar(api, folder.signer(), DemoClock(server.folder / "demo-clock")).register_party(
            "IR-2", "Two", kind="person", roles=["buyer"]
        )
        assert api.get("/auth/me")["roles"] == ["registrar"]
    log, witnesses = folder.anchors.log, folder.anchors.witnesses

    entries: list[bytes] = []

    def is_logged() -> bool:
        page = get(server, f"/log/entries?start={len(entries)}&end={len(entries) + 100}").json()
        entries.extend(from_base64(each) for each in page["entries"])
        return any(parse_json(entry).get("subject") == "IR-2" for entry in entries)

    until(is_logged, "the entry to be in the log")
    (entry,) = [each for each in entries if parse_json(each).get("subject") == "IR-2"]
    leaf = leaf_hash(entry).hex()
    until(lambda: get(server, f"/log/proof?leaf_hash={leaf}").status_code == 200, "a cosigned proof")

    proof = get(server, f"/log/proof?leaf_hash={leaf}").json()
    assert verify_proof(proof, log, witnesses, entry=entry).index == entries.index(entry)
    checkpoint = get(server, "/log/checkpoint").text
    _, signatures = open_note(checkpoint, [NoteVerifier.parse(each) for each in (log, *witnesses)])
    assert len(signatures) == 2
    size = Checkpoint.parse(split_note(checkpoint)[0]).size
    steps = get(server, f"/log/consistency?first=1&second={size}").json()["consistency"]
    assert len(steps) > 0


def test_a_party_enrols_and_signs_in(serve: Start) -> None:
    """From an empty folder to a session: key, request, certificate, challenge, token."""
    server = serve()
    clock = DemoClock(server.folder / "demo-clock")
    registrar = PartyFolder(server.folder / "registrar")
    member = PartyFolder.create(
        server.folder / "member",
        party="IR-3",
        name="Three",
        base_url=server.url,
        anchors=registrar.anchors.to_json(),
    )
    second = PartyFolder(server.folder / "registrar-2")
    with (
        open_api(registrar, clock) as one_api,
        open_api(second, clock) as other_api,
        open_api(member, clock) as api,
    ):
        one = Registrar(one_api, registrar.signer(), clock)
        other = Registrar(other_api, second.signer(), clock)
        one.register_party("IR-3", "Three", kind="person", roles=["member"])
        request_certificates(member, api, {"signing": "person-signing", "encryption": "member-encryption"})
        assert sorted(collect_certificates(member, api)) == ["encryption", "signing"]
        RegistrationOffice(one, other).certify(
            request_digests(member), Subject("Three", "IR-3"), [one.seen("passport", "P-3", b"scan")]
        )
        assert collect_certificates(member, api) == []
        assert api.get("/auth/me")["party"] == "IR-3"

        clock.advance(timedelta(days=40))

        assert api.get("/auth/me")["party"] == "IR-3"


def test_a_child_that_dies_is_started_again(serve: Start) -> None:
    """A killed witness comes back, goes on from its memory, and the log is cosigned as before."""
    server = serve()
    witness = server.children()["witness"]
    until(lambda: get(server, "/log/checkpoint").status_code == 200, "a first checkpoint")
    before = Checkpoint.parse(split_note(get(server, "/log/checkpoint").text)[0]).size

    end(witness)
    until(lambda: not is_alive(witness), "the witness to be gone")
    until(lambda: server.children().get("witness", witness) != witness, "another witness")
    clock = DemoClock(server.folder / "demo-clock")
    registrar = PartyFolder(server.folder / "registrar")
    with open_api(registrar, clock) as api:
        Registrar(api, registrar.signer(), clock).register_party("IR-4", "Four", kind="person", roles=[])

    def has_grown() -> bool:
        return Checkpoint.parse(split_note(get(server, "/log/checkpoint").text)[0]).size > before

    until(has_grown, "a larger cosigned tree")


def test_children_do_not_outlive_their_parent(serve: Start) -> None:
    """When the server is killed without a chance to say goodbye, its children end by themselves."""
    server = serve()
    children = server.children()
    assert len(children) == 2

    end(server.process.pid)

    until(lambda: not any(is_alive(pid) for pid in children.values()), "the children to end")


def test_a_server_starts_again_where_it_was_killed(serve: Start) -> None:
    """After a kill the same folder serves again, with the same log and nothing lost."""
    first = serve()
    until(lambda: get(first, "/log/checkpoint").status_code == 200, "a first checkpoint")
    before = get(first, "/log/checkpoint").text
    children = first.children()
    end(first.process.pid)
    until(lambda: not any(is_alive(pid) for pid in children.values()), "the children to end")

    second = serve()
    until(lambda: get(second, "/log/checkpoint").status_code == 200, "a checkpoint again")

    sizes = [Checkpoint.parse(split_note(note)[0]) for note in (before, get(second, "/log/checkpoint").text)]
    assert sizes[0].size <= sizes[1].size
    assert sizes[0].origin == sizes[1].origin


def test_two_servers_do_not_share_a_folder(serve: Start) -> None:
    """A second server on the same folder says why it can't start, and the first one goes on."""
    server = serve()

    second = mohr("serve", "--folder", str(server.folder))

    assert second.returncode == 2
    assert "conflict: another server serves this folder" in second.stderr
    assert answers(f"{server.url}/health")
