"""The archive time stamp: its imprint by another parser's octets, and an index that names what is not there."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import pytest
from asn1crypto import cms, core, tsp

from pki.asn1 import ades
from signing.ades.archive_timestamp import archive_coverage, archive_imprint, index_of_token, make_index
from signing.ades.cades import extend, file_digest, sign_beside, sign_file
from signing.ades.cms_edit import SignedDataParts, SignerParts, read_parts
from signing.ades.services import Level
from signing.ades.tokens import read_token
from signing.validation.contents import NotCovered
from tests.support.authority import make_authority
from tests.support.signing import services_of

CONTENT = b"what was signed"
_FIELDS = ("version", "sid", "digest_algorithm", "signed_attrs", "signature_algorithm", "signature")


@pytest.fixture(scope="module", params=[False, True])
def archived(request: pytest.FixtureRequest) -> bytes:
    """One signer, detached or with the content inside."""
    authority = make_authority()
    signer = authority.person("IR-1", "زهرا مرادی", kind="Ed25519")
    return sign_file(
        io.BytesIO(CONTENT),
        signer,
        Level.B_LTA,
        services_of(authority),
        at=authority.now,
        enveloping=request.param,
    )


def _only(der: bytes) -> tuple[SignedDataParts, SignerParts, bytes]:
    parts = read_parts(der)
    (signer,) = parts.signers
    (token,) = signer.values(ades.ID_ARCHIVE_TIME_STAMP_V3)
    return parts, signer, token


def test_imprint_by_another_parser(archived: bytes) -> None:
    """EN 319 122-1 §5.5.3 with the octets of asn1crypto gives the imprint that was stamped, and so do we."""
    read = cms.ContentInfo.load(archived)["content"]
    (info,) = read["signer_infos"]
    (token,) = [
        each["values"][0] for each in info["unsigned_attrs"] if each["type"].dotted == "0.4.0.1733.2.4"
    ]
    stamp = cms.ContentInfo.load(token.dump())["content"]
    (index,) = [
        each["values"][0].dump()
        for each in stamp["signer_infos"][0]["unsigned_attrs"]
        if each["type"].dotted == "0.4.0.19122.1.5"
    ]
    expected = hashlib.sha512(read["encap_content_info"]["content_type"].dump())
    expected.update(hashlib.sha512(CONTENT).digest())
    for name in _FIELDS:
        expected.update(info[name].dump())
    expected.update(index)
    told = tsp.TSTInfo.load(stamp["encap_content_info"]["content"].parsed.dump())
    assert told["message_imprint"]["hashed_message"].native == expected.digest()

    parts, signer, der = _only(archived)
    content = None if parts.content is not None else file_digest(io.BytesIO(CONTENT))
    assert archive_imprint(parts, signer, index_of_token(der), content)("sha512") == expected.digest()


def test_index_names_all_that_was_there(archived: bytes) -> None:
    """Certificates, lists and the signature's stamp, each by the digest that asn1crypto's octets have."""
    parts, signer, token = _only(archived)
    index = index_of_token(token)
    coverage = archive_coverage(parts, signer, index)
    assert set(coverage.certificates) == set(parts.certificates)
    assert set(coverage.revocations) == set(parts.revocations)
    stamp = ades.ID_SIGNATURE_TIME_STAMP.dotted_string
    assert [type_ for type_, _ in coverage.unsigned] == [stamp]

    read = cms.ContentInfo.load(archived)["content"]
    algorithm, certificates, revocations, unsigned = core.SequenceOf(spec=core.Any).load(index)
    assert cms.DigestAlgorithm.load(algorithm.dump())["algorithm"].native == "sha512"
    for found, named in ((read["certificates"], certificates), (read["crls"], revocations)):
        inside = {hashlib.sha512(each.dump()).digest() for each in found}
        assert _octets(named) == inside
    values = [
        each["type"].dump() + each["values"][0].dump()
        for each in read["signer_infos"][0]["unsigned_attrs"]
        if each["type"].dotted == stamp
    ]
    assert _octets(unsigned) == {hashlib.sha512(each).digest() for each in values}


def _octets(found: core.Any) -> set[bytes]:
    return {each.native for each in core.SequenceOf.load(found.dump(), spec=core.OctetString)}


def test_what_is_missing_is_told(archived: bytes) -> None:
    """A certificate, list or attribute that the index names and that is gone or changed: NotCovered."""
    parts, signer, token = _only(archived)
    index = index_of_token(token)
    stamps = [each for each in signer.unsigned if each.type != ades.ID_SIGNATURE_TIME_STAMP.dotted_string]
    for changed, of in (
        (replace(parts, certificates=parts.certificates[:-1]), signer),
        (replace(parts, revocations=parts.revocations[:-1]), signer),
        (parts, replace(signer, unsigned=tuple(stamps))),
    ):
        with pytest.raises(NotCovered):
            archive_coverage(changed, of, index)


def test_broken_indexes(archived: bytes) -> None:
    """An index that is absent, doubled, cut or of an unknown digest is refused, never skipped."""
    parts, signer, token = _only(archived)
    bare = read_parts(token)
    (stamper,) = bare.signers
    without = bare.with_signer(stamper, replace(stamper, unsigned=())).write()
    twice = stamper.with_unsigned(ades.ID_ATS_HASH_INDEX_V3, b"\x30\x00")
    for each in (without, bare.with_signer(stamper, twice).write(), b"", token[:-1]):
        with pytest.raises(NotCovered):
            index_of_token(each)
    index = index_of_token(token)
    unknown = index.replace(bytes.fromhex("608648016503040203"), bytes.fromhex("608648016503040277"))
    for each in (index[:-1], unknown, b"\x30\x00", b"\x04\x00", b""):
        with pytest.raises(NotCovered):
            archive_coverage(parts, signer, each)
    detached = replace(parts, content=None)
    with pytest.raises(NotCovered, match="at hand"):
        archive_imprint(detached, signer, index, None)("sha512")


def test_of_several_signers_each_has_its_own() -> None:
    """What comes later, another signer with certificates and lists, leaves the first archive stamp as it was."""
    authority = make_authority()
    services = services_of(authority)
    first = authority.person("IR-1", "زهرا")
    der = sign_file(io.BytesIO(CONTENT), first, Level.B_LTA, services, at=authority.now)
    content = file_digest(io.BytesIO(CONTENT))
    second = authority.person("IR-2", "علی", kind="Ed25519")
    both = sign_beside(der, second, Level.B_B, services, content, at=authority.now)
    both = extend(both, Level.B_LTA, services, content, at=authority.now)
    parts = read_parts(both)
    for signer in parts.signers:
        (token,) = signer.values(ades.ID_ARCHIVE_TIME_STAMP_V3)
        index, read = index_of_token(token), read_token(token)
        archive_coverage(parts, signer, index)
        assert read.digest_name == signer.digest_name
        assert archive_imprint(parts, signer, index, content)(read.digest_name or "") == read.imprint
    one, other = parts.signers
    assert make_index(parts, one, "sha256") != make_index(parts, other, "sha256")
