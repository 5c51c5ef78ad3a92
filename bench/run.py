"""``make bench``: measures, prints a table, and writes build/bench.json."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.commits import commit_figure
from bench.documents_check import FILLED, check_figures
from bench.documents_check import NAMES as CHECKS
from bench.envelopes import envelope_figures
from bench.figure import Result, take
from bench.pki_building import building_figures
from bench.pki_chain import chain_figure
from bench.pki_crl import crl_figures
from bench.pki_issuing import issuing_figure
from bench.pki_ocsp import NAMES as OCSP_NAMES
from bench.pki_ocsp import ocsp_figures
from bench.pki_timestamp import NAMES as TIMESTAMPS
from bench.pki_timestamp import timestamp_figure
from bench.replay import replay_figure
from bench.scene import Scene
from bench.signing_cades import NAME as CADES
from bench.signing_cades import cades_figure
from bench.signing_pades import NAMES as SIGNING_PADES
from bench.signing_pades import signing_figures
from bench.signing_verify import NAMES as SIGNING_VERIFY
from bench.signing_verify import verifying_figures
from tests.support.postgresql import Cluster

ROOT = Path(__file__).resolve().parents[1]
ISSUING = {
    f"pki.issue_p256{kind}.{backend}": (backend, kind != "")
    for backend in ("sqlite", "postgresql")
    for kind in ("", "_batch100")
}
NAMES = (
    "envelope.seal",
    "envelope.receive",
    "envelope.receive.first",
    "envelope.open",
    "submission.commit.sqlite",
    "submission.commit.postgresql",
    "pki.build",
    "pki.build.linted",
    *TIMESTAMPS,
    "pki.crl_100k",
    "pki.crl_shard",
    "pki.crl_delta",
    *OCSP_NAMES,
    "pki.chain.sqlite",
    "pki.chain.postgresql",
    *ISSUING,
    *SIGNING_PADES,
    *SIGNING_VERIFY,
    CADES,
    *CHECKS,
    "demo.replay",
)
_ROUNDS = 200
_BATCHES = 20
_REPLAYS = 1
_CHAIN_ROUNDS = 40
_VERIFICATIONS = 20
_SIGNATURES = 60


def main(arguments: list[str] | None = None) -> int:
    """Exit 0 when every chosen figure was taken, 2 when none is chosen."""
    options = _parser().parse_args(arguments)
    chosen = [name for name in NAMES if not options.only or any(part in name for part in options.only)]
    if not chosen:
        print(f"no figure of that name; there are: {', '.join(NAMES)}")
        return 2
    options.out.parent.mkdir(parents=True, exist_ok=True)
    results = []
    for result in _results(chosen, options):
        results.append(result)
        print(f"{result.figure.name}: done", flush=True)
    options.out.write_text(json.dumps([each.to_json() for each in results], indent=1) + "\n", "utf-8")
    print(table(results))
    print(f"written to {options.out}")
    return 0


def table(results: list[Result]) -> str:
    """One line for each figure, and below it what its baseline is."""
    lines = [f"{'figure':<40}{'median':>12}{'10%..90%':>24}{'baseline':>12}{'ratio':>8}{'n':>6}"]
    for result in results:
        told = result.to_json()
        low, high = result.spread
        lines.append(
            f"{told['name']:<40}{_time(told['median']):>12}{_time(low) + ' .. ' + _time(high):>24}"
            f"{_time(told['baseline_median']):>12}{told['ratio']:>8.2f}{len(result.measured):>6}"
        )
        lines.append(f"    {told['baseline']}")
    return "\n".join(lines)


def _results(chosen: list[str], options: argparse.Namespace) -> Iterator[Result]:
    quick: bool = options.quick
    folder: Path = options.out.parent
    fillings: list[int] | None = options.certificates
    scene = Scene()
    for figure in envelope_figures(scene, _ROUNDS):
        if figure.name in chosen:
            yield take(figure, quick=quick)
    for backend in ("sqlite", "postgresql"):
        if f"submission.commit.{backend}" in chosen:
            with (
                tempfile.TemporaryDirectory(dir=folder) as place,
                commit_figure(backend, Path(place), scene, _ROUNDS) as figure,
            ):
                yield take(figure, quick=quick)
    for figure in building_figures(_BATCHES):
        if figure.name in chosen:
            yield take(figure, quick=quick)
    for name in TIMESTAMPS:
        if name in chosen:
            with (
                tempfile.TemporaryDirectory(dir=folder) as place,
                timestamp_figure(name, Path(place), _ROUNDS) as figure,
            ):
                yield take(figure, quick=quick)
    for figure in crl_figures(chosen, quick=quick):
        yield take(figure, quick=quick)
    if any(name in chosen for name in OCSP_NAMES):
        with tempfile.TemporaryDirectory(dir=folder) as place, ocsp_figures(Path(place)) as figures:
            for figure in figures:
                if figure.name in chosen:
                    yield take(figure, quick=quick)
    for backend in ("sqlite", "postgresql"):
        if f"pki.chain.{backend}" in chosen:
            with (
                tempfile.TemporaryDirectory(dir=folder) as place,
                chain_figure(backend, Path(place), _CHAIN_ROUNDS) as figure,
            ):
                yield take(figure, quick=quick)
    for name, (backend, batch) in ISSUING.items():
        if name in chosen:
            for filled in fillings or (0,):
                with (
                    tempfile.TemporaryDirectory(dir=folder) as place,
                    issuing_figure(
                        backend, Path(place), 20 if batch else _ROUNDS, batch=batch, filled=filled
                    ) as figure,
                ):
                    yield take(figure, quick=quick)
    for figure in signing_figures(chosen, _SIGNATURES):
        yield take(figure, quick=quick)
    for figure in verifying_figures(chosen, _VERIFICATIONS):
        yield take(figure, quick=quick)
    if CADES in chosen:
        with (
            tempfile.TemporaryDirectory(dir=folder) as place,
            cades_figure(Path(place), quick=quick) as figure,
        ):
            yield take(figure, quick=quick)
    if any(name in chosen for name in CHECKS):
        yield from _checks(chosen, options)
    if "demo.replay" in chosen:
        yield take(replay_figure(_REPLAYS, quick=quick), quick=quick)


def _checks(chosen: list[str], options: argparse.Namespace) -> Iterator[Result]:
    fillings = options.documents or ((100,) if options.quick else FILLED)
    cluster = Cluster.create()
    try:
        with (
            tempfile.TemporaryDirectory(dir=options.out.parent) as place,
            check_figures(
                Path(place), cluster.new_database(), [each for each in CHECKS if each in chosen], fillings
            ) as figures,
        ):
            for figure in figures:
                yield take(figure, quick=options.quick)
    finally:
        cluster.remove()


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3f} ms"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", metavar="PART", help="figures whose name holds this; repeatable"
    )
    parser.add_argument(
        "--quick", action="store_true", help="two rounds and our own tenders: only to see that it runs"
    )
    parser.add_argument(
        "--certificates",
        action="append",
        type=int,
        metavar="COUNT",
        help="how many certificates are there before issuing is measured; repeatable",
    )
    parser.add_argument(
        "--documents",
        action="append",
        type=int,
        metavar="COUNT",
        help="how many documents are registered when a check is measured; repeatable",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench.json")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
