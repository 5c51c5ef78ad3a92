"""A folder of trust: anchors with dates and uses, and what lies beside."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from signing.errors import TrustFolderInvalid
from signing.validation.trust import USES, Trust
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.judged_cases import PARTY, answer_about


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority()


@pytest.fixture
def folder(authority: MemoryAuthority, tmp_path: Path) -> Path:
    """A root as PEM; an intermediate, lists in both encodings and an answer beside."""
    (tmp_path / "intermediates").mkdir()
    (tmp_path / "root.pem").write_bytes(authority.root.public_bytes(Encoding.PEM))
    (tmp_path / "intermediates" / "ca.crt").write_bytes(authority.intermediate.public_bytes(Encoding.DER))
    lists = authority.crls()
    (tmp_path / "ca.crl").write_bytes(lists[0])
    (tmp_path / "lists").mkdir()
    pem = b"-----BEGIN X509 CRL-----\n" + _base64(lists[1]) + b"-----END X509 CRL-----\n"
    (tmp_path / "lists" / "root.crl").write_bytes(pem)
    (tmp_path / "person.ors").write_bytes(answer_about(authority, authority.person(PARTY).certificate))
    return tmp_path


def test_certificates_of_a_folder_are_anchors(authority: MemoryAuthority, folder: Path) -> None:
    """Those in the folder itself are trusted for everything at any time; those of a folder inside only help."""
    trust = Trust.from_folder(folder)
    assert [each.certificate for each in trust.anchors] == [authority.root]
    assert trust.anchors[0].uses == USES
    assert trust.intermediates == (authority.intermediate,)
    assert (len(trust.evidence.crls), len(trust.evidence.ocsps)) == (2, 1)


def test_a_table_names_anchors_with_dates_and_uses(authority: MemoryAuthority, folder: Path) -> None:
    """With trust.toml nothing is an anchor that it does not name."""
    (folder / "trust.toml").write_text(
        'name = "Tehran"\n[[anchors]]\nfile = "intermediates/ca.crt"\nuses = ["timestamps"]\n'
        "since = 2020-01-01\nuntil = 2030-06-01T12:00:00+03:30\n"
    )
    trust = Trust.from_folder(folder)
    (anchor,) = trust.anchors
    assert (trust.name, anchor.certificate, anchor.uses) == (
        "Tehran",
        authority.intermediate,
        frozenset({"timestamps"}),
    )
    assert anchor.since == datetime(2020, 1, 1, tzinfo=UTC)
    assert anchor.until == datetime(2030, 6, 1, 8, 30, tzinfo=UTC)
    assert trust.intermediates == (authority.root,)
    assert trust.anchors_for("signatures") == ()


def test_the_digest_of_a_trust_tells_trusts_apart(folder: Path) -> None:
    """The same folder has the same digest; another date, use or list another one."""
    table = folder / "trust.toml"
    digests = []
    for text in ("", 'uses = ["ocsp"]', "until = 2030-01-01", "since = 2020-01-01"):
        table.write_text(f'[[anchors]]\nfile = "root.pem"\n{text}\n')
        digests.append(Trust.from_folder(folder).sha256)
        assert Trust.from_folder(folder).sha256 == digests[-1]
    (folder / "ca.crl").unlink()
    digests.append(Trust.from_folder(folder).sha256)
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    ("name", "data", "named"),
    [
        ("other.pem", b"no certificate", "other.pem"),
        ("other.crl", b"no list", "other.crl"),
        ("other.ors", b"no answer", "other.ors"),
        ("trust.toml", b"anchors", "trust.toml"),
        ("trust.toml", b'name = "x"\n', "trust.toml"),
        ("trust.toml", b"anchors = []\n", ""),
        ("trust.toml", b'[[anchors]]\nfile = "none.pem"\n', "none.pem"),
        ("trust.toml", b'[[anchors]]\nfile = "../root.pem"\n', "trust.toml"),
        ("trust.toml", b'[[anchors]]\nfile = "root.pem"\nuses = ["all"]\n', "trust.toml"),
        ("trust.toml", b'[[anchors]]\nfile = "root.pem"\nuses = []\n', "trust.toml"),
        ("trust.toml", b'[[anchors]]\nfile = "root.pem"\nfrom = 2020-01-01\n', "trust.toml"),
        ("trust.toml", b'[[anchors]]\nfile = "root.pem"\nuntil = 2020-01-01T00:00:00\n', "trust.toml"),
        (
            "trust.toml",
            b'[[anchors]]\nfile = "root.pem"\nsince = 2021-01-01\nuntil = 2020-01-01\n',
            "trust.toml",
        ),
        ("trust.toml", b'name = 1\n[[anchors]]\nfile = "root.pem"\n', "trust.toml"),
        ("trust.toml", b"anchors = " + b"[" * 20_000, "trust.toml"),
        ("trust.toml", b'[[anchors]]\nfile = "root.pem"\nuntil = 9999-12-31T23:59:59-12:00\n', "trust.toml"),
        ("Trust.TOML", b"anchors = []\n", ""),
        ("OTHER.CRL", b"no list", "OTHER.CRL"),
    ],
)
def test_what_cannot_be_read_is_refused(folder: Path, name: str, data: bytes, named: str) -> None:
    """Nothing in a folder of trust is passed over in silence: path and problem are named."""
    (folder / name).write_bytes(data)
    with pytest.raises(TrustFolderInvalid) as refused:
        Trust.from_folder(folder)
    assert refused.value.fields["path"] == str(folder / named if named else folder)
    assert refused.value.fields["problem"]


@pytest.mark.parametrize("name", ["trust.toml", "newer.crl", "newer.ors", "root-2.pem"])
def test_a_link_that_leads_nowhere_is_refused(folder: Path, name: str) -> None:
    """A table or list behind a broken link is missed, instead of everything being trusted, or an older list."""
    (folder / name).symlink_to(folder / "gone")
    with pytest.raises(TrustFolderInvalid) as refused:
        Trust.from_folder(folder)
    assert refused.value.fields["path"] == str(folder / name)


def test_a_folder_behind_a_link_is_read_once(
    authority: MemoryAuthority, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Lists that are kept elsewhere count, by whatever letters they end; a link in a circle has an end."""
    elsewhere = tmp_path_factory.mktemp("lists")
    before = len(Trust.from_folder(folder).evidence.crls)
    newer = authority.crls()
    (elsewhere / "NEWER.CRL").write_bytes(newer[0])
    (elsewhere / "back").symlink_to(folder)
    (folder / "more").symlink_to(elsewhere)
    assert len(Trust.from_folder(folder).evidence.crls) == before + 1


def test_several_lists_in_one_file_are_refused(authority: MemoryAuthority, folder: Path) -> None:
    """Of two lists in one file in PEM none is left out in silence."""
    both = [x509.load_der_x509_crl(each).public_bytes(Encoding.PEM) for each in authority.crls()]
    (folder / "both.crl").write_bytes(b"".join(both))
    with pytest.raises(TrustFolderInvalid, match="can't be used") as refused:
        Trust.from_folder(folder)
    assert "several" in refused.value.fields["problem"]


def test_a_folder_without_anchors_is_refused(tmp_path: Path) -> None:
    """Neither an empty folder nor one that is not there trusts nobody in silence."""
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(TrustFolderInvalid):
            Trust.from_folder(path)


def _base64(data: bytes) -> bytes:
    return base64.encodebytes(data)
