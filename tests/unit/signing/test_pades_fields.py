"""Fields of a PDF: used, made, locked and certified; what a document forbids or demands is obeyed or refused."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from kernel.clock import SystemClock
from pki.signed_data import Signer
from signing.ades.services import Level, Services
from signing.errors import SigningForbidden
from signing.pdf.appearance import Appearance
from signing.pdf.fields import Lock, Permission, Place
from signing.pdf.long_term import extend_pdf
from signing.pdf.signing import Wishes, sign_pdf
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.pades import pdfsig_says, pyhanko_says, qpdf_accepts
from tests.support.pdf_sources import classic_pdf, form_pdf
from tests.support.signing import services_of

EMPTY = b"/FT /Sig /Rect [10 100 210 160]"
TEXT = b"/FT /Tx /Rect [10 10 100 30]"
SEEDS = {
    "/Ff 1 /Filter /Other": False,
    "/Ff 1 /Filter /Adobe.PPKLite": True,
    "/Ff 2 /SubFilter [/adbe.pkcs7.detached]": False,
    "/Ff 2 /SubFilter [/adbe.pkcs7.detached /ETSI.CAdES.detached]": True,
    "/SubFilter [/adbe.pkcs7.detached]": True,
    "/Ff 4 /V 4": False,
    "/Ff 8 /Reasons [(approved) (seen)]": True,
    "/Ff 8 /Reasons [(refused)]": False,
    "/Ff 8 /Reasons [(.)]": False,
    "/Ff 16 /LegalAttestation [(x)]": False,
    "/Ff 32 /AddRevInfo true": False,
    "/Ff 64 /DigestMethod [/SHA256]": True,
    "/Ff 64 /DigestMethod [/SHA512]": False,
    "/Ff 4096": False,
    "/MDP << /P 0 >>": True,
    "/MDP << /P 2 >>": False,
    "/TimeStamp << /URL (https://tsa.invalid) /Ff 1 >>": False,
    "/TimeStamp << /URL (https://tsa.invalid) /Ff 0 >>": True,
    "/Cert << /Ff 2 >>": False,
}


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority(clock=SystemClock())


@pytest.fixture(scope="module")
def services(authority: MemoryAuthority) -> Services:
    return services_of(authority)


@pytest.fixture(scope="module")
def signer(authority: MemoryAuthority) -> Signer:
    return authority.person("IR-0012345678", "زهرا مرادی")


def test_an_empty_field_is_signed_where_it_stands(
    signer: Signer, authority: MemoryAuthority, services: Services, tmp_path: Path
) -> None:
    """The field of the form gets the signature, its look and the lock that it demands; the others stay."""
    lock = b" /Lock << /Type /SigFieldLock /Action /Include /Fields [(text)] >>"
    source = form_pdf({"text": TEXT, "chair": EMPTY + lock})
    pdf = sign_pdf(
        source, signer, Level.B_LTA, services, at=authority.now, field="chair", appearance=Appearance(qr="x")
    )
    assert pyhanko_says(pdf, authority, archived=True) == "OK"
    path = tmp_path / "signed.pdf"
    path.write_bytes(pdf)
    assert "Signature Field Name: chair" in pdfsig_says(path)
    assert qpdf_accepts(path)
    root = PdfFileReader(io.BytesIO(pdf)).root
    names = [str(each.get_object()["/T"]) for each in root["/AcroForm"]["/Fields"]]
    assert names == ["text", "chair", "Timestamp1"]
    value = root["/AcroForm"]["/Fields"][1].get_object()["/V"]
    parameters = value["/Reference"][0]["/TransformParams"]
    assert (parameters["/Action"], list(parameters["/Fields"])) == ("/Include", ["text"])


def test_a_certification_permits_what_it_says(
    signer: Signer, authority: MemoryAuthority, services: Services
) -> None:
    """The first signature certifies; without changes nobody signs any more, but evidence may still be added."""
    source = form_pdf({"text": TEXT, "chair": EMPTY})
    for permission in Permission:
        certified = sign_pdf(source, signer, Level.B_B, at=authority.now, certify=permission)
        root = PdfFileReader(io.BytesIO(certified)).root
        reference = root["/Perms"]["/DocMDP"]["/Reference"][0]
        assert int(reference["/TransformParams"]["/P"]) == permission
        assert pyhanko_says(certified, authority) == "OK"
        archived = extend_pdf(certified, Level.B_LTA, services, at=authority.now)
        assert pyhanko_says(archived, authority) == "OK"
        if permission == Permission.NO_CHANGES:
            with pytest.raises(SigningForbidden):
                sign_pdf(certified, signer, Level.B_B, at=authority.now, field="chair")
        else:
            both = sign_pdf(certified, signer, Level.B_LTA, services, at=authority.now, field="chair")
            assert pyhanko_says(both, authority, 1, archived=True) == "OK"
        with pytest.raises(SigningForbidden):
            sign_pdf(archived, signer, Level.B_B, at=authority.now, certify=Permission.ANNOTATE)


@pytest.mark.parametrize(
    ("lock", "locked", "free"),
    [
        (Lock("Include", ("a", "b.c")), ["a"], ["d", "other"]),
        (Lock("Exclude", ("a",)), ["b", "other"], ["a"]),
        (Lock("All"), ["a", "other"], []),
    ],
)
def test_what_a_signature_locks_is_not_signed_later(
    lock: Lock,
    locked: list[str],
    free: list[str],
    signer: Signer,
    authority: MemoryAuthority,
    services: Services,
) -> None:
    """A locked field is refused, whether it is there or would be new; another one is signed, and pyHanko agrees."""
    source = form_pdf(dict.fromkeys(("a", "b", "d"), EMPTY))
    first = sign_pdf(source, signer, Level.B_T, services, at=authority.now, lock=lock)
    for name in locked:
        with pytest.raises(SigningForbidden, match="locked"):
            sign_pdf(first, signer, Level.B_B, at=authority.now, field=name)
    for name in free:
        both = sign_pdf(first, signer, Level.B_LTA, services, at=authority.now, field=name)
        assert [pyhanko_says(both, authority, n, archived=True) for n in range(2)] == ["OK", "OK"]


@pytest.mark.parametrize(("seed", "obeyed"), SEEDS.items())
def test_a_seed_value_is_obeyed_or_refused(
    seed: str, obeyed: bool, signer: Signer, authority: MemoryAuthority
) -> None:
    """What is binding and not known, or would not be met, is named in the refusal."""
    source = form_pdf({"chair": EMPTY + b" /SV << /Type /SV %b >>" % seed.encode("ascii")})
    wishes: Wishes = {"field": "chair", "reason": "approved"}
    if obeyed:
        assert (
            pyhanko_says(sign_pdf(source, signer, Level.B_B, at=authority.now, **wishes), authority) == "OK"
        )
        return
    with pytest.raises(SigningForbidden) as refused:
        sign_pdf(source, signer, Level.B_B, at=authority.now, **wishes)
    assert refused.value.fields["entry"] in (*seed.split(), "/Ff")


FORBIDDEN: dict[str, Wishes] = {
    "a signed field": {"field": "signed"},
    "a field of another kind": {"field": "text"},
    "a new name with periods": {"field": "a.b"},
    "an endless name": {"field": "x" * 2000},
    "a page that is not there": {"appearance": Appearance(Place(7, (0, 0, 100, 50)))},
    "another place for a field": {"field": "chair", "appearance": Appearance(Place(0, (0, 0, 100, 50)))},
    "a look without a place": {"appearance": Appearance()},
    "a place beside the page": {"appearance": Appearance(Place(0, (590, 0, 690, 50)))},
    "a look too small to read": {"appearance": Appearance(Place(0, (0, 0, 10, 10)))},
    "another lock than demanded": {"field": "chair", "lock": Lock("All")},
    "a demanded lock of the document": {"field": "whole"},
    "an endless reason": {"reason": "x" * 2000},
    "a certification that is not the first": {"certify": Permission.FILL_FORMS},
}


@pytest.mark.parametrize("case", FORBIDDEN)
def test_what_cannot_be_is_refused(case: str, signer: Signer, authority: MemoryAuthority) -> None:
    """Each wish that the document has no place for is refused by its code."""
    lock = b" /Lock << /Type /SigFieldLock /Action /Include /Fields [(text)] %b >>"
    source = form_pdf(
        {"text": TEXT, "signed": EMPTY, "chair": EMPTY + lock % b"", "whole": EMPTY + lock % b"/P 1"}
    )
    signed = sign_pdf(source, signer, Level.B_B, at=authority.now, field="signed")
    with pytest.raises(SigningForbidden):
        sign_pdf(signed, signer, Level.B_B, at=authority.now, **FORBIDDEN[case])


def test_a_place_and_a_lock_are_sound() -> None:
    """A rectangle has an area on a page; a lock names fields, unless it takes all."""
    for page, rectangle in (
        (0, (0, 0, 0, 10)),
        (0, (10, 0, 0, 10)),
        (-1, (0, 0, 9, 9)),
        (0, (0, 0, float("nan"), 9)),
    ):
        with pytest.raises(SigningForbidden):
            Place(page, rectangle)
    for action, names in (("All", ("a",)), ("Include", ())):
        with pytest.raises(SigningForbidden):
            Lock(action, names)  # type: ignore[arg-type]


def test_a_signature_says_what_it_was_given(signer: Signer, authority: MemoryAuthority) -> None:
    """Reason, place, contact and name stand in the dictionary, Persian among them."""
    said: Wishes = {"reason": "تأیید", "location": "تهران", "contact": "a@example.org", "name": "زهرا مرادی"}
    pdf = sign_pdf(classic_pdf(), signer, Level.B_B, at=authority.now, **said)
    dictionary = PdfFileReader(io.BytesIO(pdf)).embedded_signatures[0].sig_object
    found = [dictionary[key] for key in ("/Reason", "/Location", "/ContactInfo", "/Name")]
    assert found == list(said.values())
