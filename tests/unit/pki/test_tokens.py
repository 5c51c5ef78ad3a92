"""Keys in a SoftHSM token: they sign everything, never come out, and survive what happens to tokens."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pkcs11
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp

from kernel.errors import Conflict, MalformedInput, NotFound
from pki import algorithms
from pki.algorithms import PrivateKey
from pki.authority import build_root, make_request, new_serial
from pki.errors import KeyUnavailable, TokenMechanismMissing, TokenPinRefused, TokenUnavailable
from pki.key_provider import KeyProvider
from pki.keys import KeyStore
from pki.names import Subject
from pki.profiles import CRLS
from pki.revocation_lists import build_crl
from pki.signed_data import Signer, check_content, parse_signed_data, sign_data
from pki.token_module import find_module
from pki.token_pins import read_pin
from pki.tokens import TokenKeys
from tests.support.authority import START
from tests.support.registry import CHEAP
from tests.support.softhsm import MODULE, SoftToken, close_all_sessions, softhsm

DATA = b"to be signed"
SUBJECT = Subject("Token Root", "IRO-TOKEN")


@pytest.fixture
def token(tmp_path: Path) -> Iterator[SoftToken]:
    with softhsm(tmp_path / "softhsm") as token:
        yield token


@pytest.fixture
def keys(token: SoftToken) -> Iterator[TokenKeys]:
    keys = TokenKeys(MODULE, token.label, token.pin)
    yield keys
    keys.close()


def _signs(key: PrivateKey) -> None:
    signature = algorithms.sign(key, DATA)
    algorithms.verify(key.public_key(), algorithms.suite_for(key).identifier, "sha256", signature, DATA)


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA-2048", "RSA-4096"])
def test_signs_wherever_a_key_may_stand(keys: TokenKeys, kind: str) -> None:
    """A token's key signs requests, certificates, lists, OCSP answers and CMS, which verify with its public half."""
    key = keys.create("root", kind)
    request = x509.load_der_x509_csr(make_request(key, SUBJECT))
    root = build_root(key, SUBJECT, serial=new_serial(), now=START)
    crl = x509.load_der_x509_crl(build_crl(key, root, [], 1, START, CRLS["root"]))
    answer = _ocsp_answer(key, root)
    signed = parse_signed_data(sign_data(DATA, Signer(key, root)))

    root.verify_directly_issued_by(root)
    assert request.is_signature_valid
    assert crl.is_signature_valid(root.public_key())  # type: ignore[arg-type]
    assert answer.response_status == ocsp.OCSPResponseStatus.SUCCESSFUL
    check_content(signed, DATA)
    _signs(keys.load("root"))


def _ocsp_answer(key: PrivateKey, root: x509.Certificate) -> ocsp.OCSPResponse:
    builder = ocsp.OCSPResponseBuilder().responder_id(ocsp.OCSPResponderEncoding.HASH, root)
    builder = builder.add_response(
        root, root, hashes.SHA256(), ocsp.OCSPCertStatus.GOOD, START, None, None, None
    )
    return builder.sign(key, algorithms.certificate_hash(key))


def test_digests_of_all_lengths(keys: TokenKeys) -> None:
    """Digests longer than the curve, prehashed data and each RSA digest verify; PSS and SHA-1 are refused."""
    key, other = keys.create("ec"), keys.create("rsa", "RSA-2048")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(other, rsa.RSAPrivateKey)
    pkcs1 = padding.PKCS1v15()
    for digest in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        key.public_key().verify(key.sign(DATA, ec.ECDSA(digest)), DATA, ec.ECDSA(digest))
        other.public_key().verify(other.sign(DATA, pkcs1, digest), DATA, pkcs1, digest)
    with pytest.raises(InvalidSignature):
        key.public_key().verify(key.sign(DATA, ec.ECDSA(hashes.SHA256())), b"else", ec.ECDSA(hashes.SHA256()))
    ready = hashes.Hash(hashes.SHA256())
    ready.update(DATA)
    signature = key.sign(ready.finalize(), ec.ECDSA(Prehashed(hashes.SHA256())))
    key.public_key().verify(signature, DATA, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(TokenMechanismMissing):
        other.sign(DATA, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    with pytest.raises(TokenMechanismMissing):
        other.sign(DATA, pkcs1, hashes.SHA1())


def test_never_comes_out(keys: TokenKeys, token: SoftToken) -> None:
    """Keys are made in the token, sensitive and non-extractable for ever; neither copy nor export yields one."""
    for kind in ("P-384", "RSA-2048"):
        key = keys.create(kind, kind)
        with pytest.raises(KeyUnavailable):
            key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        assert copy.deepcopy(key) is key
    keys.close()
    with (
        pkcs11.lib(str(find_module(MODULE)))
        .get_token(token_label=token.label)
        .open(user_pin=token.pin) as session
    ):
        found = list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}))
        assert len(found) == 2
        for each in found:
            assert each[pkcs11.Attribute.NEVER_EXTRACTABLE]
            assert each[pkcs11.Attribute.ALWAYS_SENSITIVE]
            assert each[pkcs11.Attribute.LOCAL]
            secret = (
                pkcs11.Attribute.VALUE
                if each[pkcs11.Attribute.LABEL] == "P-384"
                else pkcs11.Attribute.PRIVATE_EXPONENT
            )
            with pytest.raises(pkcs11.AttributeSensitive):
                each[secret]
    pkcs11.lib(str(find_module(MODULE))).finalize()


def test_a_key_that_could_leave_is_not_used(keys: TokenKeys, token: SoftToken) -> None:
    """A key that somebody put into the token extractable is refused."""
    keys.close()
    library = pkcs11.lib(str(find_module(MODULE)))
    with library.get_token(token_label=token.label).open(rw=True, user_pin=token.pin) as session:
        loose = {pkcs11.Attribute.EXTRACTABLE: True}
        session.generate_keypair(pkcs11.KeyType.RSA, 2048, label="loose", store=True, private_template=loose)
    library.finalize()
    with pytest.raises(KeyUnavailable):
        keys.load("loose")


@pytest.mark.parametrize("where", ["files", "token"])
def test_one_interface(keys: TokenKeys, tmp_path: Path, where: str) -> None:
    """Files and tokens keep names, refuse a second key of a name, and delete for good, in the same way."""
    provider: KeyProvider = keys if where == "token" else KeyStore(tmp_path / "keys", "x" * 20, cost=CHEAP)
    made = provider.create("b")
    provider.create("a", "P-384")
    assert provider.names() == ["a", "b"]
    assert provider.load("b").public_key() == made.public_key()
    with pytest.raises(Conflict):
        provider.create("b")
    with pytest.raises(MalformedInput):
        provider.create("c", "DSA")
    with pytest.raises(MalformedInput):
        provider.create("../c")
    provider.delete("b")
    for act in (provider.load, provider.delete):
        with pytest.raises(KeyUnavailable):
            act("b")
    assert provider.names() == ["a"]


def test_wrong_pin_is_tried_once(token: SoftToken) -> None:
    """A refused PIN reaches the token once, whoever tries it again and however often; the right one still opens."""
    low = int(pkcs11.TokenFlag.USER_PIN_COUNT_LOW)
    for attempt in range(4):
        with pytest.raises(TokenPinRefused) as refused:
            TokenKeys(MODULE, token.label, "wrong-pin-4711")
        assert "wrong-pin" not in f"{refused.value!r} {refused.value.fields} {refused.value.__cause__!r}"
        # The right PIN takes the mark of a wrong attempt away; no second attempt sets it again.
        assert bool(token.flags() & low) is (attempt == 0)
        TokenKeys(MODULE, token.label, token.pin).close()


def test_pin_changed_meanwhile(keys: TokenKeys, token: SoftToken) -> None:
    """Where the PIN was changed while a login was lost, the old one is tried once and then no more."""
    key = keys.create("k")
    keys.close()
    library = pkcs11.lib(str(find_module(MODULE)))
    with library.get_token(token_label=token.label).open(rw=True, user_pin=token.pin) as session:
        session.set_pin(token.pin, "another-pin")
    library.finalize()
    for _ in range(2):
        with pytest.raises(TokenPinRefused):
            _signs(key)
    other = TokenKeys(MODULE, token.label, "another-pin")
    _signs(other.load("k"))
    other.close()


def test_absent(token: SoftToken, tmp_path: Path) -> None:
    """No such module, no such token and a token that is unplugged are told as such, and not as a crash."""
    with pytest.raises(TokenUnavailable):
        TokenKeys("libno-such-module.so", token.label, token.pin)
    with pytest.raises(MalformedInput):
        TokenKeys("folder/libsofthsm2.so", token.label, token.pin)
    with pytest.raises(TokenUnavailable):
        TokenKeys(MODULE, "another label", token.pin)
    (tmp_path / "text.so").write_text("no library", "utf-8")
    with pytest.raises(TokenUnavailable):
        TokenKeys(str(tmp_path / "text.so"), token.label, token.pin)


def test_unplugged_and_back(keys: TokenKeys, token: SoftToken) -> None:
    """Without its token a key signs nothing; with the token back it signs again, without anything started anew."""
    key = keys.create("k")
    with token.unplugged():
        for _ in range(2):
            with pytest.raises(TokenUnavailable):
                _signs(key)
    _signs(key)


def test_session_lost(keys: TokenKeys) -> None:
    """A login that was lost is made again, and whoever signs does not notice."""
    key = keys.create("k")
    for _ in range(3):
        _signs(key)
        close_all_sessions()
    _signs(key)
    close_all_sessions()
    assert keys.names() == ["k"]


def test_two_users_of_one_token(keys: TokenKeys, token: SoftToken) -> None:
    """Who closes a token does not log out another user of it in the same process."""
    other = TokenKeys(MODULE, token.label, token.pin)
    keys.create("k")
    keys.close()
    assert other.names() == ["k"]
    _signs(other.load("k"))
    other.close()


def test_key_gone(keys: TokenKeys) -> None:
    """A key that was deleted while it was in use is missing, not a lost session."""
    key = keys.create("k")
    _signs(key)
    keys.delete("k")
    with pytest.raises(KeyUnavailable):
        _signs(key)


def test_fork(keys: TokenKeys) -> None:
    """A forked child signs through sessions of its own, and its parent goes on with those it had."""
    key = keys.create("k")
    _signs(key)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _signs(key)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    _signs(key)


def test_threads(token: SoftToken) -> None:
    """Eight threads that sign at once with two keys over three sessions get signatures that hold, also after a loss."""
    keys = TokenKeys(MODULE, token.label, token.pin, max_sessions=3)
    chosen = [keys.create("one"), keys.create("two", "RSA-2048")]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(15):
                _signs(chosen[number % 2])
        except BaseException as error:
            failures.append(error)

    for _ in range(3):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        close_all_sessions()
    assert failures == []
    keys.close()


def test_busy(token: SoftToken) -> None:
    """Whoever gets no session in time is told so; he does not wait for ever."""
    keys = TokenKeys(MODULE, token.label, token.pin, max_sessions=1, patience_seconds=0.05)
    key = keys.create("k")
    with pytest.raises(TokenUnavailable):
        keys._connection.perform(lambda _: _signs(key))
    _signs(key)
    keys.close()


def test_pin_file(tmp_path: Path) -> None:
    """A PIN's file is one line that its owner alone may read."""
    file = tmp_path / "pin"
    with pytest.raises(NotFound):
        read_pin(file)
    for content, mode in (
        (b"1234\n", 0o640),
        (b"", 0o600),
        (b"12\n34", 0o600),
        (b"\xff", 0o600),
        (b"1" * 256, 0o600),
    ):
        file.write_bytes(content)
        file.chmod(mode)
        with pytest.raises(MalformedInput):
            read_pin(file)
    file.write_bytes(b"12 34\r\n")
    assert read_pin(file) == "12 34"
