"""Attacks on signed files: what each is judged as here, and what DSS and pdfsig make of it.

Nothing that was changed passes here. DSS's default rules only warn of most changes behind a PDF signature; pdfsig says
that the signature is valid and that it does not cover the whole file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from signing.ades.services import Level
from signing.pdf.fields import Permission
from signing.pdf.signing import sign_pdf
from signing.validation.report import Indication, SignatureReport
from tests.support import cms_forgery, container_attacks, pdf_attacks
from tests.support.authority import after
from tests.support.dss import Dss, SignatureVerdict
from tests.support.pdf_referees import Pdfsig
from tests.support.signature_cases import CASES, Case, signed_by, weakened
from tests.support.signature_world import World, make_world
from tests.support.small_pdf import plain_pdf

FAILED, PASSED, OPEN = "TOTAL-FAILED", "TOTAL-PASSED", "INDETERMINATE"


@dataclass(frozen=True, slots=True)
class Expected:
    """``here``: the sub-indication of the failure; ``named``: codes of the changes or findings among those reported.

    ``dss``: its words, or None where it finds no signature; ``warns``: that it names what was changed all the same.
    ``valid``: whether pdfsig calls the signature valid.
    """

    here: str
    named: frozenset[str]
    dss: tuple[str, str | None] | None
    warns: bool = False
    valid: bool = False


def _failed(sub: str, *named: str, dss: tuple[str, str | None] | None) -> Expected:
    return Expected(sub, frozenset(named), dss)


def _appended(*named: str, dss: tuple[str, str | None] = (PASSED, None), warns: bool = True) -> Expected:
    return Expected("FORMAT_FAILURE", frozenset(named), dss, warns, valid=True)


HASH = (FAILED, "HASH_FAILURE")
FORMAT = (FAILED, "FORMAT_FAILURE")
PDF_ATTACKS = {
    "amount_changed": _failed("HASH_FAILURE", dss=HASH),
    "byte_range_removed": _failed("FORMAT_FAILURE", "byte-range-missing", dss=None),
    "byte_range_empty": _failed("FORMAT_FAILURE", "byte-range-overlap", dss=FORMAT),
    "byte_range_negative": _failed("FORMAT_FAILURE", "byte-range-negative", dss=FORMAT),
    "contents_null": _failed("FORMAT_FAILURE", "contents-not-hexadecimal", dss=None),
    "contents_zero": _failed("FORMAT_FAILURE", "cms-unreadable", dss=None),
    "wrapped": _failed("FORMAT_FAILURE", "byte-range-gap", dss=FORMAT),
    "content_replaced": _appended("page-content-changed"),
    "content_replaced_without_table": _appended("object-unreferenced", warns=False),
    "content_replaced_with_signature_copied": _appended("byte-range-gap"),
    "page_appended": _appended("page-added", dss=FORMAT),
    "page_content_added": _appended("page-content-changed"),
    "font_replaced": _appended("font-changed"),
    "annotation_added": _appended("annotation-added"),
    "sneaky_signature": _appended("annotation-added"),
    "sneaky_signature_in_a_crowd": _appended("annotation-added"),
    "action_added": _appended("catalog-changed"),
    "comment_appended": _appended("bytes-appended", warns=False),
}
SHADOWS = {
    "shadow_hide": _appended("page-content-changed"),
    "shadow_replace": _appended("form-appearance-changed"),
    "shadow_hide_and_replace": _appended("object-revealed", "page-content-changed"),
}
# Where the certification permits annotations, DSS has nothing to say of one that lies over the text.
ON_CERTIFIED = ("annotation_added", "sneaky_signature", "content_replaced")


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


@pytest.fixture(scope="module")
def pdfsig(world: World, tmp_path_factory: pytest.TempPathFactory) -> Pdfsig:
    return Pdfsig(tmp_path_factory.mktemp("nss"), [world.authority.root])


@pytest.fixture(scope="module")
def signed(world: World) -> bytes:
    return world.made("PAdES", Level.B_T).signed


def sign(world: World, source: bytes, kind: str = "P-256", certify: Permission | None = None) -> bytes:
    return sign_pdf(source, world.signers[kind], Level.B_T, world.services, at=world.at, certify=certify)


def dss_of(dss: Dss, world: World, signed: bytes) -> tuple[SignatureVerdict, ...]:
    root = [world.authority.root]
    return dss.validate(signed, trust=root, crls=world.crls, at=world.judged_at).signatures


def check(expected: Expected, attacked: bytes, world: World, dss: Dss, pdfsig: Pdfsig) -> None:
    """Judged as expected by all three, here as the strictest."""
    report = world.judged(attacked)
    assert report.indication is Indication.TOTAL_FAILED
    (found,) = report.signatures
    assert found.sub_indication == expected.here, found.detail
    assert expected.named <= codes_of(found)

    said = dss_of(dss, world, attacked)
    assert [each.words for each in said] == ([] if expected.dss is None else [expected.dss])
    if expected.warns:
        assert all(each.modifications for each in said)
    assert pdfsig.verify(attacked)[0].holds is expected.valid
    assert not expected.valid or not pdfsig.verify(attacked)[0].whole


def codes_of(found: SignatureReport) -> set[str]:
    return {each.code for each in found.findings} | {each.code for each in found.changes if not each.allowed}


@pytest.mark.parametrize("name", PDF_ATTACKS)
def test_attacks_on_a_signed_pdf(name: str, signed: bytes, world: World, dss: Dss, pdfsig: Pdfsig) -> None:
    """Universal forgery, incremental saving and wrapping: each fails here, and what was done is named."""
    check(PDF_ATTACKS[name], pdf_attacks.ON_SIGNED[name](signed), world, dss, pdfsig)


@pytest.mark.parametrize("name", SHADOWS)
def test_shadow_attacks(name: str, world: World, dss: Dss, pdfsig: Pdfsig) -> None:
    """A file that was prepared before it was signed passes, and fails once its hidden part is shown."""
    prepare, attack = pdf_attacks.SHADOWS[name]
    signed = sign(world, prepare())
    assert world.judged(signed).passed
    check(SHADOWS[name], attack(signed), world, dss, pdfsig)


@pytest.mark.parametrize("permission", Permission)
def test_attacks_on_a_certified_pdf(permission: Permission, world: World, dss: Dss) -> None:
    """Evil annotation and sneaky signature fail whatever the certification permits; DSS warns of what it forbids."""
    certified = sign(world, plain_pdf(), certify=permission)
    assert world.judged(certified).passed
    for name in ON_CERTIFIED:
        attacked = pdf_attacks.ON_SIGNED[name](certified)
        report = world.judged(attacked)
        assert (report.indication, report.signatures[0].sub_indication) == FORMAT, name
        (said,) = dss_of(dss, world, attacked)
        forbidden = permission < Permission.ANNOTATE or name == "content_replaced"
        assert any("DocMDP" in each for each in said.warnings) is forbidden


def test_padding_behind_a_signature_is_named(signed: bytes, world: World, dss: Dss, pdfsig: Pdfsig) -> None:
    """What stands behind the CMS in /Contents is signed by nobody: the signature holds, and it is said."""
    changed = pdf_attacks.padding_changed(signed)
    report = world.judged(changed)
    assert report.passed
    assert codes_of(report.signatures[0]) == {"contents-padding"}
    assert [each.words for each in dss_of(dss, world, changed)] == [(PASSED, None)]
    assert pdfsig.verify(changed)[0].holds


def test_exchanged_and_borrowed_signatures(signed: bytes, world: World, dss: Dss) -> None:
    """Two signatures in each other's place, and one of another file: the content is not what they signed."""
    two = sign(world, signed, "RSA")
    assert world.judged(two).passed
    borrowed = pdf_attacks.with_contents_of(signed, sign(world, plain_pdf(["Another"])))
    for attacked in (pdf_attacks.exchanged(two), borrowed):
        ours = [(each.indication, each.sub_indication) for each in world.judged(attacked).signatures]
        assert ours
        assert set(ours) == {HASH}
        assert [each.words for each in dss_of(dss, world, attacked)] == ours


# By attack on a container: what it is judged as here; what is named; what DSS says where it says something else.
CONTAINERS: dict[str, tuple[tuple[str, str | None], str | None, tuple[str, str | None] | None]] = {
    "file_changed": (HASH, None, None),
    "file_and_manifest_changed": (HASH, None, None),
    "file_missing": ((OPEN, "SIGNED_DATA_NOT_FOUND"), None, FORMAT),
    "file_added": ((PASSED, None), "member-unsigned", None),
    "manifest_missing": (FORMAT, "manifest-missing", None),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_attacks_on_a_container(name: str, world: World, dss: Dss) -> None:
    """Changed or missing files and manifests fail; a file that nobody signed is named and never counted as signed."""
    words, named, otherwise = CONTAINERS[name]
    members = container_attacks.members_of(world.made("ASiC-E", Level.B_T).signed)
    attacked = container_attacks.packed(container_attacks.ON_CONTAINER[name](members))
    (found,) = world.judged(attacked).signatures
    assert (found.indication, found.sub_indication) == words
    assert named is None or (named in codes_of(found) and not found.whole)
    assert [each.words for each in dss_of(dss, world, attacked)] == [otherwise or words]


# By case of signature_cases: what it is judged as, here and by DSS.
SIGNATURES = {
    "another certificate of the key": (OPEN, "NO_SIGNING_CERTIFICATE_FOUND"),
    "reference to another": (OPEN, "NO_SIGNING_CERTIFICATE_FOUND"),
    "same issuer and serial": (OPEN, "NO_CERTIFICATE_CHAIN_FOUND"),
    "double beside the right one": (PASSED, None),
    "untrusted root": (OPEN, "NO_CERTIFICATE_CHAIN_FOUND"),
    "content of another": HASH,
    "content missing": (OPEN, "SIGNED_DATA_NOT_FOUND"),
    "signature value changed": (FAILED, "SIG_CRYPTO_FAILURE"),
    "stamp of another": (PASSED, None),
    "SHA-1": (OPEN, "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"),
    "MD5": (OPEN, "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"),
    "RSA-1024": (OPEN, "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"),
    "expired, stamped before": (PASSED, None),
    "expired, not stamped": (OPEN, "OUT_OF_BOUNDS_NOT_REVOKED"),
}
# It takes the first certificate of that issuer and number, whoever made it; here the signed reference decides.
OTHERWISE = {"double beside the right one": (OPEN, "NO_SIGNING_CERTIFICATE_FOUND")}


@pytest.mark.parametrize("name", CASES)
def test_signatures_that_are_not_what_they_seem(name: str, world: World, dss: Dss) -> None:
    """Confused certificates, another's content, weak algorithms, an expired chain: the same words as DSS's."""
    compare(CASES[name](world), SIGNATURES[name], world, dss, OTHERWISE.get(name))


@pytest.mark.parametrize(
    ("months", "with_stamp", "words"),
    [
        (0, False, (PASSED, None)),
        (2, True, (PASSED, None)),
        (2, False, (OPEN, "CRYPTO_CONSTRAINTS_FAILURE_NO_POE")),
    ],
    ids=["before", "after, stamped before", "after"],
)
@pytest.mark.parametrize(
    ("digest", "bits", "end"),
    [("sha1", 2048, datetime(2012, 8, 1, tzinfo=UTC)), ("sha256", 1024, datetime(2019, 10, 1, tzinfo=UTC))],
    ids=["SHA-1", "RSA-1024"],
)
def test_an_algorithm_counts_until_its_date(
    digest: str,
    bits: int,
    end: datetime,
    months: int,
    with_stamp: bool,
    words: tuple[str, str | None],
    dss: Dss,
) -> None:
    """A weak digest or key counts before its date, and later only where a time stamp proves that it was before."""
    world, case = weakened(digest, bits, end, months=months, with_stamp=with_stamp)
    compare(case, words, world, dss)


def test_a_stamp_of_another_proves_no_time(world: World) -> None:
    """A time stamp over another signature fails, and neither level nor time of the signature rests on it."""
    case = CASES["stamp of another"](world)
    (found,) = world.judged(case.signed, case.content).signatures
    assert [(each.indication, each.sub_indication) for each in found.timestamps] == [HASH]
    assert (found.level, found.best_time) == ("B-B", None)


@pytest.fixture(scope="module")
def revoked_after() -> tuple[World, bytes]:
    """Stamped, and an hour later the key is revoked; lists of one hour after that."""
    return _revoked(timedelta(hours=1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda signed: signed, (PASSED, None)),
        (cms_forgery.stripped, (OPEN, "REVOKED_NO_POE")),
    ],
    ids=["stamped before", "stamp stripped"],
)
def test_a_revoked_signer(
    change: Callable[[bytes], bytes],
    words: tuple[str, str | None],
    revoked_after: tuple[World, bytes],
    dss: Dss,
) -> None:
    """What was stamped before the revocation holds; without its stamp nothing proves that it was there."""
    world, signed = revoked_after
    _compare_later(change(signed), words, world, dss)


def test_a_signer_revoked_before_the_stamp(dss: Dss) -> None:
    """A stamp of a time after the revocation proves nothing."""
    world, signed = _revoked(timedelta(minutes=-30))
    _compare_later(signed, (OPEN, "REVOKED_NO_POE"), world, dss)


def _revoked(delay: timedelta) -> tuple[World, bytes]:
    world = make_world()
    signer = world.signers["P-256"]
    signed = signed_by(world, signer)
    world.authority.revoke(signer.certificate, at=world.at + delay)
    after(world.authority, timedelta(hours=2))
    return world, signed


def _compare_later(signed: bytes, words: tuple[str, str | None], world: World, dss: Dss) -> None:
    at, crls = world.at + timedelta(hours=1), tuple(world.authority.crls())
    compare(Case(signed, b"To pay: 1,000", at, crls), words, world, dss)


def compare(
    case: Case,
    words: tuple[str, str | None],
    world: World,
    dss: Dss,
    otherwise: tuple[str, str | None] | None = None,
) -> None:
    """The same words here and by DSS, for the same trust, lists and time."""
    report = world.judged(case.signed, case.content, at=case.at, crls=case.crls)
    assert [(each.indication, each.sub_indication) for each in report.signatures] == [words]
    root = [world.authority.root]
    verdict = dss.validate(case.signed, content=case.content, trust=root, crls=case.crls, at=case.at)
    assert verdict.signature.words == (otherwise or words)
