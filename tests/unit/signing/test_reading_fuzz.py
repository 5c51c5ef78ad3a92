"""Whatever is done to the bytes of a signed file, its reader gives a document or refuses by a code, and comes back.

The examples are the same in every run. MOHR_FUZZ_EXAMPLES=N looks for others, that many for each kind of file.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signing.ades.cades import sign_file
from signing.ades.services import Level
from signing.errors import DocumentUnreadable
from signing.pdf.signing import sign_pdf
from signing.validation.contents import FoundDocument, NotCovered
from signing.validation.reading import read_document
from signing.validation.reading_cms import read_cms
from tests.support.authority import make_authority
from tests.support.pdf_files import make_pdf, plain_objects
from tests.support.signing import services_of

EXAMPLES = os.environ.get("MOHR_FUZZ_EXAMPLES")
EVERYWHERE = settings(
    max_examples=int(EXAMPLES or 150),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Where a parser looks for something, other things of that kind are put.
PIECES = [
    b"\x30\x80",
    b"\x00\x00",
    b"\xa0\x84\xff\xff\xff\xff",
    b"<<",
    b">>",
    b"[",
    b"]",
    b"endobj",
    b"stream\n",
]
PIECES += [
    b"/ByteRange[0 0 0 0]",
    b"/Contents<30>",
    b"99999999999",
    b"-1",
    b"null",
    b"1 0 R",
    b"9 0 R",
    b"%%EOF",
]
Mutation = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One valid file of each kind, with all that a signature can hold."""
    authority = make_authority()
    signer, services = authority.person("IR-0012345678"), services_of(authority)
    content = tmp_path_factory.mktemp("fuzz") / "content"
    content.write_bytes(b"content")
    pdf = sign_pdf(make_pdf(plain_objects()), signer, Level.B_LTA, services, at=authority.now)
    return {
        "pdf": sign_pdf(pdf, signer, Level.B_B, at=authority.now),
        "cms": sign_file(content, signer, Level.B_LTA, services, at=authority.now),
    }


@st.composite
def mutations(draw: st.DrawFn) -> Mutation:
    """A few flips, cuts, copies and pieces put in, at places given as parts of the whole."""
    part = st.floats(0, 1, exclude_max=True)
    kinds = st.sampled_from(["flip", "byte", "cut", "copy", "put", "end"])
    steps = draw(st.lists(st.tuples(kinds, part, part, st.integers(0, 255)), min_size=1, max_size=4))

    def mutate(data: bytes) -> bytes:
        for kind, first, second, number in steps:
            data = _mutated(data, kind, int(first * len(data)), int(second * len(data)), number)
        return data

    return mutate


def _mutated(data: bytes, kind: str, at: int, other: int, number: int) -> bytes:
    if kind == "flip" and data:
        return data[:at] + bytes([data[at] ^ (1 << number % 8)]) + data[at + 1 :]
    if kind == "byte":
        return data[:at] + bytes([number]) + data[at + 1 :]
    if kind == "cut":
        return data[:at] + data[at + number :]
    if kind == "copy":
        return data[:at] + data[other : other + 4 * number] + data[at:]
    if kind == "put":
        return data[:at] + PIECES[number % len(PIECES)] + data[at + number % 3 :]
    return data[: max(at, len(data) - number)]


def looked_through(found: FoundDocument) -> None:
    """Everything that is read only when asked for is asked for."""
    for signature in found.signatures:
        for digest in (signature.content, *(each.imprint for each in signature.timestamps)):
            try:
                assert digest is None or len(digest("sha256")) == 32
            except NotCovered:
                continue
    for stamp in found.timestamps:
        try:
            assert len(stamp.imprint("sha256")) == 32
        except NotCovered:
            continue


@pytest.mark.parametrize("kind", ["pdf", "cms"])
def test_a_changed_file_is_read_or_refused(kind: str, files: dict[str, bytes]) -> None:
    """Flips, cuts and splices of a PDF and of a CAdES signature end in a document or a refusal, never otherwise."""

    @EVERYWHERE
    @given(mutations())
    def check(mutate: Mutation) -> None:
        try:
            looked_through(read_document(mutate(files[kind]), content=b"content"))
        except DocumentUnreadable:
            return

    check()


def test_bytes_of_any_kind_are_read_or_refused() -> None:
    """What merely begins like a signed file is no trouble either."""

    @EVERYWHERE
    @given(
        st.sampled_from([b"", b"%PDF-1.7\n", b"\x30\x80", b"PK\x03\x04", b"-----BEGIN CMS-----\n"]),
        st.binary(),
    )
    def check(head: bytes, tail: bytes) -> None:
        for read in (read_document, read_cms):
            try:
                read(head + tail)
            except DocumentUnreadable:
                continue

    check()
