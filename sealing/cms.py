"""The two CMS structures of an envelope: content under the wrapped key, and a share for one recipient.

All keys and nonces are arguments, so that an opened envelope can be written again and compared byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat import asn1 as hazmat_asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import GCM
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sealing import asn1
from sealing.errors import EnvelopeInvalid, ShareInvalid

KEK_IDENTIFIER = b"mohr-envelope-1"
_KEY_BYTES = 32
MAX_CMS_BYTES = 8 << 10
_NOT_DECRYPTED = "the content does not decrypt under the recovered key"


@dataclass(frozen=True, slots=True)
class ContentCms:
    """The parsed CMS of detached content."""

    wrapped_key: bytes = field(repr=False)
    nonce: bytes
    tag: bytes


@dataclass(frozen=True, slots=True)
class ShareCms:
    """The parsed CMS of a share: the ephemeral point, and what is encrypted under it."""

    point: bytes
    wrapped_key: bytes = field(repr=False)
    nonce: bytes
    tag: bytes
    ciphertext: bytes


class ContentWriter:
    """AES-256-GCM over content that comes in pieces; the ciphertext is as long as the content."""

    def __init__(self, content_key: bytes, nonce: bytes) -> None:
        self._encryptor = Cipher(AES256(content_key), GCM(nonce)).encryptor()

    def update(self, piece: bytes) -> bytes:
        return self._encryptor.update(piece)

    def tag(self) -> bytes:
        """After the last piece, once."""
        self._encryptor.finalize()
        return self._encryptor.tag


class ContentReader:
    """The way back. What ``update`` gives is nobody's plaintext before ``verify`` has returned."""

    def __init__(self, cms: ContentCms, kek: bytes) -> None:
        """Raises EnvelopeInvalid if the content key does not unwrap."""
        try:
            key = aes_key_unwrap(kek, cms.wrapped_key)
        except (InvalidUnwrap, ValueError) as error:
            raise EnvelopeInvalid(_NOT_DECRYPTED) from error
        self._decryptor = Cipher(AES256(key), GCM(cms.nonce, cms.tag)).decryptor()

    def update(self, piece: bytes) -> bytes:
        return self._decryptor.update(piece)

    def verify(self) -> None:
        """Raises EnvelopeInvalid unless the tag is that of everything that was read."""
        try:
            self._decryptor.finalize()
        except InvalidTag as error:
            raise EnvelopeInvalid(_NOT_DECRYPTED) from error


def write_content(kek: bytes, content_key: bytes, nonce: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
    """Encrypt; returns (CMS in DER, detached ciphertext)."""
    ciphertext, tag = _encrypt(content_key, nonce, plaintext)
    return content_structure(kek, content_key, nonce, tag), ciphertext


def content_structure(kek: bytes, content_key: bytes, nonce: bytes, tag: bytes) -> bytes:
    """The CMS (DER) beside a detached ciphertext."""
    recipient = asn1.KekRecipient(
        version=4,
        kekid=asn1.KekIdentifier(key_identifier=KEK_IDENTIFIER),
        algorithm=asn1.BareAlgorithm(algorithm=asn1.AES256_WRAP),
        encrypted_key=aes_key_wrap(kek, content_key),
    )
    return _write(asn1.tagged(recipient, asn1.KEK_TAG), nonce, None, tag)


def read_content(der: bytes) -> ContentCms:
    """Parse strictly; raises EnvelopeInvalid for anything but the one permitted form."""
    recipient_tlv, encrypted, tag = _read(der)
    recipient = asn1.untagged(asn1.KekRecipient, recipient_tlv, asn1.KEK_TAG)
    _require(
        recipient.version == 4
        and recipient.kekid.key_identifier == KEK_IDENTIFIER
        and recipient.algorithm.algorithm == asn1.AES256_WRAP
        and len(recipient.encrypted_key) == asn1.WRAPPED_KEY_BYTES
        and encrypted.content is None
    )
    return ContentCms(recipient.encrypted_key, encrypted.algorithm.parameters.nonce, tag)


def decrypt_content(cms: ContentCms, kek: bytes, ciphertext: bytes) -> tuple[bytes, bytes]:
    """Returns (plaintext, content key); nothing at all unless the tag verifies. Raises EnvelopeInvalid."""
    try:
        content_key = aes_key_unwrap(kek, cms.wrapped_key)
        plaintext = _decrypt(content_key, cms.nonce, ciphertext, cms.tag)
    except (InvalidUnwrap, InvalidTag, ValueError) as error:
        raise EnvelopeInvalid(_NOT_DECRYPTED) from error
    return plaintext, content_key


def write_share(
    recipient: ec.EllipticCurvePublicKey,
    identifier: bytes,
    ephemeral: ec.EllipticCurvePrivateKey,
    content_key: bytes,
    nonce: bytes,
    plaintext: bytes,
) -> bytes:
    """Encrypt a share to one P-256 key (ECDH with an ephemeral key, RFC 5753); returns the DER.

    ``identifier`` is the subject key identifier by which the recipient's tools find their key.
    """
    ciphertext, tag = _encrypt(content_key, nonce, plaintext)
    wrap = asn1.BareAlgorithm(algorithm=asn1.AES256_WRAP)
    originator = asn1.OriginatorPublicKey(
        algorithm=asn1.BareAlgorithm(algorithm=asn1.EC_PUBLIC_KEY),
        public_key=hazmat_asn1.BitString(point_of(ephemeral.public_key()), 0),
    )
    key = _wrapping_key(ephemeral.exchange(ec.ECDH(), recipient))
    entry = asn1.KeyAgreeRecipient(
        version=3,
        originator=asn1.tagged(originator, asn1.ORIGINATOR_KEY_TAG),
        algorithm=asn1.KeyAgreementAlgorithm(algorithm=asn1.ECDH_X963_SHA256, key_wrap=wrap),
        recipients=[
            asn1.RecipientEncryptedKey(
                rid=asn1.RecipientKeyIdentifier(subject_key_identifier=identifier),
                encrypted_key=aes_key_wrap(key, content_key),
            )
        ],
    )
    return _write(asn1.tagged(entry, asn1.KEY_AGREE_TAG), nonce, ciphertext, tag)


def read_share(der: bytes) -> ShareCms:
    """Parse strictly; raises EnvelopeInvalid for anything but the one permitted form."""
    recipient_tlv, encrypted, tag = _read(der)
    entry = asn1.untagged(asn1.KeyAgreeRecipient, recipient_tlv, asn1.KEY_AGREE_TAG)
    originator = asn1.untagged(asn1.OriginatorPublicKey, entry.originator, asn1.ORIGINATOR_KEY_TAG)
    point = originator.public_key.as_bytes()
    _require(
        entry.version == 3
        and originator.public_key.padding_bits() == 0
        and entry.algorithm.algorithm == asn1.ECDH_X963_SHA256
        and entry.algorithm.key_wrap.algorithm == asn1.AES256_WRAP
        and originator.algorithm.algorithm == asn1.EC_PUBLIC_KEY
        and len(point) == asn1.POINT_BYTES
        and len(entry.recipients) == 1
        and len(entry.recipients[0].encrypted_key) == asn1.WRAPPED_KEY_BYTES
        and encrypted.content is not None
    )
    return ShareCms(
        point,
        entry.recipients[0].encrypted_key,
        encrypted.algorithm.parameters.nonce,
        tag,
        encrypted.content or b"",
    )


def decrypt_share(cms: ShareCms, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The share's plaintext, only if the tag verifies; raises ShareInvalid."""
    try:
        peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), cms.point)
        content_key = aes_key_unwrap(_wrapping_key(key.exchange(ec.ECDH(), peer)), cms.wrapped_key)
        return _decrypt(content_key, cms.nonce, cms.ciphertext, cms.tag)
    except (InvalidUnwrap, InvalidTag, ValueError) as error:
        raise ShareInvalid("the share does not decrypt with this key") from error


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """The uncompressed point, 65 bytes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def key_identifier(key: ec.EllipticCurvePublicKey) -> bytes:
    """SHA-1 of the point (RFC 5280 §4.2.1.2, method 1): a name for the key, not a protection."""
    digest = hashes.Hash(hashes.SHA1())
    digest.update(point_of(key))
    return digest.finalize()


def _encrypt(key: bytes, nonce: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
    """(ciphertext, tag) of AES-256-GCM."""
    writer = ContentWriter(key, nonce)
    return writer.update(plaintext), writer.tag()


def _decrypt(key: bytes, nonce: bytes, ciphertext: bytes, tag: bytes) -> bytes:
    """The plaintext, only if the tag verifies; raises InvalidTag."""
    decryptor = Cipher(AES256(key), GCM(nonce, tag)).decryptor()
    return decryptor.update(ciphertext) + decryptor.finalize()


def _wrapping_key(shared: bytes) -> bytes:
    info = asn1.SharedInfo(
        key_info=asn1.BareAlgorithm(algorithm=asn1.AES256_WRAP), key_bits=(256).to_bytes(4, "big")
    )
    return X963KDF(algorithm=hashes.SHA256(), length=_KEY_BYTES, sharedinfo=asn1.encode(info)).derive(shared)


def _write(recipient: hazmat_asn1.TLV, nonce: bytes, content: bytes | None, tag: bytes) -> bytes:
    parameters = asn1.GcmParameters(nonce=nonce, tag_length=asn1.TAG_BYTES)
    encrypted = asn1.EncryptedContent(
        content_type=asn1.DATA,
        algorithm=asn1.GcmAlgorithm(algorithm=asn1.AES256_GCM, parameters=parameters),
        content=content,
    )
    data = asn1.AuthEnvelopedData(
        version=0, recipients=hazmat_asn1.SetOf([recipient]), encrypted=encrypted, mac=tag
    )
    return asn1.encode(asn1.ContentInfo(content_type=asn1.AUTH_ENVELOPED_DATA, content=data))


def _read(der: bytes) -> tuple[hazmat_asn1.TLV, asn1.EncryptedContent, bytes]:
    _require(len(der) <= MAX_CMS_BYTES)
    info = asn1.decode(asn1.ContentInfo, der)
    data = info.content
    recipients = data.recipients.as_list()
    parameters = data.encrypted.algorithm.parameters
    _require(
        info.content_type == asn1.AUTH_ENVELOPED_DATA
        and data.version == 0
        and len(recipients) == 1
        and data.encrypted.content_type == asn1.DATA
        and data.encrypted.algorithm.algorithm == asn1.AES256_GCM
        and len(parameters.nonce) == asn1.NONCE_BYTES
        and parameters.tag_length == asn1.TAG_BYTES
        and len(data.mac) == asn1.TAG_BYTES
    )
    return recipients[0], data.encrypted, data.mac


def _require(condition: bool) -> None:
    if not condition:
        raise EnvelopeInvalid("the CMS has not the one permitted form of mohr-envelope-1")
