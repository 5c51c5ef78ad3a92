"""A PDF is prepared where it is kept, signed where the key is, and completed from what was stored."""

from __future__ import annotations

import json

import pytest

from kernel.clock import SystemClock
from paper import signature_stamp
from pki import algorithms
from pki.algorithms import AlgorithmRefused
from pki.signed_data import Signer
from signing.ades.services import Level, Services
from signing.errors import PreparedUnknown, SignatureTooLong
from signing.pdf.appearance import Appearance
from signing.pdf.fields import Lock, Place
from signing.pdf.signing import PreparedPdf, complete_pdf, prepare_pdf
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.pades import pyhanko_says
from tests.support.pdf_sources import classic_pdf
from tests.support.signing import services_of

SOURCE = classic_pdf("1.7")


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority(clock=SystemClock())


@pytest.fixture(scope="module")
def services(authority: MemoryAuthority) -> Services:
    return services_of(authority)


@pytest.fixture(scope="module")
def signer(authority: MemoryAuthority) -> Signer:
    return authority.person("IR-0012345678", "زهرا مرادی")


def prepared(signer: Signer, level: Level, services: Services, authority: MemoryAuthority) -> PreparedPdf:
    return prepare_pdf(
        SOURCE,
        signer.certificate,
        signer.chain,
        level,
        services,
        at=authority.now,
        reason="تأیید",
        appearance=Appearance(Place(0, (20, 20, 220, 90)), qr="https://example.org/1"),
        lock=Lock("All"),
    )


def parts(made: PreparedPdf) -> tuple[object, ...]:
    return made.pdf, made.to_state(), made.digest, made.signed_bytes


@pytest.mark.parametrize("kind", ["P-256", "RSA", "Ed25519"])
def test_what_was_stored_is_completed(kind: str, authority: MemoryAuthority, services: Services) -> None:
    """The state is small JSON beside the document; the signature value over the shown digest completes it."""
    signer = authority.person("IR-1", "Person", kind=kind)
    first = prepared(signer, Level.B_LTA, services, authority)
    state = json.dumps(first.to_state())
    assert len(state) < 8000
    kept = PreparedPdf.from_state(json.loads(state), first.pdf)
    assert parts(kept) == parts(first)
    value = algorithms.sign(signer.key, kept.signed_bytes)
    pdf = complete_pdf(kept, value, Level.B_LTA, services, at=authority.now)
    assert pyhanko_says(pdf, authority, archived=True) == "OK"
    assert pdf[: first.placed.start] == first.pdf[: first.placed.start]


def test_the_same_arguments_prepare_the_same_bytes(
    signer: Signer, authority: MemoryAuthority, services: Services
) -> None:
    """Nothing random and no clock: document, stamp, digest and state are the same again."""
    now = authority.now
    made = []
    for _ in range(2):
        signature_stamp._rendered.cache_clear()
        looks = Appearance(Place(0, (20, 20, 220, 90)), qr="https://example.org/1")
        made.append(prepare_pdf(SOURCE, signer.certificate, signer.chain, at=now, appearance=looks))
    assert parts(made[0]) == parts(made[1])
    assert made[0].document_digest == made[0].placed.digest("sha256")


def test_another_key_completes_nothing(
    signer: Signer, authority: MemoryAuthority, services: Services
) -> None:
    """A value by another key, or over another digest, is refused before a stamp is asked for."""
    kept = prepared(signer, Level.B_B, services, authority)
    other = authority.person("IR-2", "Other")
    for value in (algorithms.sign(other.key, kept.signed_bytes), algorithms.sign(signer.key, b"other"), b""):
        with pytest.raises(AlgorithmRefused):
            complete_pdf(kept, value, Level.B_B, services, at=authority.now)


def test_a_changed_document_is_not_the_one_that_was_kept(
    signer: Signer, authority: MemoryAuthority, services: Services
) -> None:
    """State and document belong together, byte for byte."""
    kept = prepared(signer, Level.B_B, services, authority)
    state = kept.to_state()
    changed = kept.pdf.replace(b"(Hello)", b"(Hallo)")
    for given, pdf in (
        (state, changed),
        ({**state, "start": state["start"] + 2}, kept.pdf),
        ({**state, "certificates": []}, kept.pdf),
        ({**state, "level": "B-X"}, kept.pdf),
        ({}, kept.pdf),
    ):
        with pytest.raises(PreparedUnknown):
            PreparedPdf.from_state(given, pdf)


def test_a_signature_that_outgrew_its_room_is_refused(
    signer: Signer, authority: MemoryAuthority, services: Services
) -> None:
    """A level that needs a stamp does not fit where none was expected."""
    kept = prepared(signer, Level.B_B, services, authority)
    value = algorithms.sign(signer.key, kept.signed_bytes)
    with pytest.raises(SignatureTooLong) as refused:
        complete_pdf(kept, value, Level.B_T, services, at=authority.now)
    assert refused.value.fields["needed"] > refused.value.fields["kept"] > 0
