"""Building certificates beside the bare builder of ``cryptography``, which knows no profile and checks nothing.

Both make person-signing certificates of nine extensions on P-256 from keys that are parsed already, 100 in a round.
``pki.build`` leaves the linter out; ``pki.build.linted`` has a throwaway signature, the linter, the signature and the
comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from bench.bare_builder import bare_certificate, require_alike
from bench.figure import Figure
from pki.authority import build, build_intermediate, build_root, issue, make_request, new_serial
from pki.locations import Locations
from pki.names import Subject
from pki.profiles import PERSON_SIGNING
from pki.requests import check_csr

_BATCH = 100
_SUBJECT = Subject("زهرا مرادی", "IR-0012345678", "شهرداری تهران")
_STARTS = datetime(2026, 11, 24, 8, tzinfo=UTC)


class _Works:
    """A root, an intermediate on P-256 and one request, asked again and again."""

    def __init__(self) -> None:
        root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root = build_root(root_key, Subject("Root", "IRO-1-ROOT"), serial=new_serial(), now=_STARTS)
        above = Subject("Tehran Issuing CA", "IRO-14000000001-CA")
        self.certificate = build_intermediate(
            make_request(self.key, above), above, root_key, root, serial=new_serial(), now=_STARTS
        )
        self.public = ec.generate_private_key(ec.SECP256R1())
        self.request = check_csr(make_request(self.public, _SUBJECT), PERSON_SIGNING)
        self.locations = Locations.below("http://pki.tehran.ir", "intermediate")
        require_alike(self.build(), self.bare())

    def build(self) -> x509.Certificate:
        return build(
            self.request,
            PERSON_SIGNING,
            _SUBJECT,
            self.key,
            self.certificate,
            serial=new_serial(),
            now=_STARTS,
            locations=self.locations,
        )

    def issue(self) -> x509.Certificate:
        return issue(
            self.request,
            PERSON_SIGNING,
            _SUBJECT,
            self.key,
            self.certificate,
            serial=new_serial(),
            now=_STARTS,
            locations=self.locations,
        )

    def bare(self) -> x509.Certificate:
        return bare_certificate(self.public.public_key(), self.key, self.certificate.subject, _STARTS)


def building_figures(rounds: int) -> Iterator[Figure]:
    """``pki.build`` and ``pki.build.linted``, for one certificate."""
    works = _Works()
    for name, measured in (("pki.build", works.build), ("pki.build.linted", works.issue)):
        yield Figure(
            name=name,
            baseline="one certificate of nine extensions by the bare builder, signed once",
            prepare=lambda number: None,
            measured=_batch_of(measured),
            bare=_batch_of(works.bare),
            rounds=rounds,
            per=_BATCH,
        )


def _batch_of(work: Callable[[], object]) -> Callable[[None], None]:
    def batch(_given: None) -> None:
        for _ in range(_BATCH):
            work()

    return batch
