"""The benchmarks run from end to end; how fast anything is, no test says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bench.replay import Replay, counted_in

ROOT = Path(__file__).resolve().parents[2]
FORM = {"name", "unit", "median", "baseline", "baseline_median", "ratio"}


def test_a_quick_run_writes_every_figure(tmp_path: Path) -> None:
    """Each figure is taken with its baseline on real databases, the file has its form, the table shows them all."""
    written = tmp_path / "bench.json"
    chosen = [f"--only={part}" for part in ("envelope", "submission", "pki", "signing", "documents")]
    done = run("--quick", *chosen, "--out", str(written))
    figures = json.loads(written.read_bytes())

    assert [each["name"] for each in figures] == [
        "envelope.seal",
        "envelope.receive",
        "envelope.receive.first",
        "envelope.open",
        "submission.commit.sqlite",
        "submission.commit.postgresql",
        "pki.build",
        "pki.build.linted",
        "pki.timestamp_p256",
        "pki.timestamp_rsa",
        "pki.crl_100k",
        "pki.crl_shard",
        "pki.crl_delta",
        "pki.ocsp_http",
        "pki.ocsp_http.openssl",
        "pki.chain.sqlite",
        "pki.chain.postgresql",
        "pki.issue_p256.sqlite",
        "pki.issue_p256_batch100.sqlite",
        "pki.issue_p256.postgresql",
        "pki.issue_p256_batch100.postgresql",
        "signing.pades_bb",
        "signing.pades_blta",
        "signing.verify_blta",
        "signing.verify_blta_crl10k",
        "signing.cades_1gb",
        "documents.check.identifier.100",
        "documents.check.digest.100",
    ]
    for each in figures:
        assert set(each) == FORM
        assert each["unit"] == "s"
        assert each["ratio"] == each["median"] / each["baseline_median"]
        assert each["median"] > 0
        assert each["baseline"] in done.stdout
        assert f"\n{each['name']}" in done.stdout


def test_the_replay_is_counted(tmp_path: Path) -> None:
    """A process counts its signatures where it is asked to, and the baseline does as many."""
    work = "from tests.support.authority import make_authority; a = make_authority(); a.stamp(b'x')"
    tally = {"MOHR_BENCH_TALLY": str(tmp_path), "PYTHONPATH": f"{ROOT / 'bench' / 'tally'}{os.pathsep}{ROOT}"}
    subprocess.run([sys.executable, "-c", work], env={**os.environ, **tally}, check=True, timeout=120)
    replay = Replay(None)
    replay.done = counted_in(tmp_path)
    replay.bare()

    assert replay.done["signed"] == 1
    assert replay.said().startswith("bare: 1 signatures, 0 verified")


def test_an_unknown_name_is_wrong_use(tmp_path: Path) -> None:
    """A selection that chooses nothing measures nothing and says what there is."""
    command = [sys.executable, "-m", "bench.run", "--only", "speed", "--out", str(tmp_path / "x.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 2
    assert "submission.commit.sqlite" in done.stdout
    assert not (tmp_path / "x.json").exists()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.run", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=280)
