"""PAdES signatures of any level in any PDF (EN 319 142-1), at once or in two steps for a key that is elsewhere.

``prepare_pdf`` writes the revision with room for the signature and says what is to be signed; ``complete_pdf`` puts the
signature in and brings the document to its level. Nothing is returned of a signature that did not reach its level. The
time that the signer claims stands in the dictionary, in whole seconds, and not in the CMS (EN 319 142-1 §6.3).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self, TypedDict, Unpack

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pyhanko.pdf_utils.generic import IndirectObject, pdf_name
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers import constants
from pyhanko.sign.signers.pdf_byterange import SignatureObject

from pki import algorithms
from pki.signed_data import Signer
from signing.ades import signed_data
from signing.ades.services import Level, Services
from signing.ades.tokens import stamped
from signing.errors import PreparedUnknown, SigningForbidden
from signing.pdf import fields
from signing.pdf.appearance import Appearance, draw
from signing.pdf.fields import Lock, Permission
from signing.pdf.long_term import check_level, reach
from signing.pdf.revision import Placed, Revision, reading
from signing.pdf.seed_values import check_seed_value

NOTHING = Services()
# Of a SignedData beside certificates, attributes and the signature value: lengths, algorithms, names, versions.
_FRAME_BYTES = 512


class Wishes(TypedDict, total=False):
    """What a signature is to be: its field, how it looks, what it locks, and what it says of itself.

    ``field`` names an empty field or a new one; ``appearance`` makes it visible; ``lock`` keeps fields as they are;
    ``certify`` makes it a certification, which only the first signature may be.
    """

    field: str | None
    appearance: Appearance | None
    lock: Lock | None
    certify: Permission | None
    reason: str | None
    location: str | None
    contact: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class PreparedPdf:
    """A document with room for one signature: ``digest`` is what the key signs, ``document_digest`` what it covers.

    ``to_state`` is small and is kept beside ``pdf``.
    """

    placed: Placed
    prepared: signed_data.Prepared
    document_digest: bytes
    level: Level
    field: str
    at: datetime

    @property
    def pdf(self) -> bytes:
        """The document with its room still empty."""
        return self.placed.pdf

    @property
    def digest(self) -> bytes:
        """What a token signs."""
        return self.prepared.digest

    @property
    def signed_bytes(self) -> bytes:
        """Whose digest that is; Ed25519 signs them themselves."""
        return self.prepared.signed_bytes

    def to_state(self) -> dict[str, Any]:
        """What ``from_state`` needs beside ``pdf``, as JSON: offsets, digest, certificates."""
        certificates = (self.prepared.certificate, *self.prepared.chain)
        return {
            "start": self.placed.start,
            "end": self.placed.end,
            "document_digest": self.document_digest.hex(),
            "level": self.level.value,
            "field": self.field,
            "at": self.at.isoformat(),
            "certificates": [b64encode(algorithms.der_of(each)).decode("ascii") for each in certificates],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], pdf: bytes) -> Self:
        """The same prepared document; raises PreparedUnknown when state and document do not belong together."""
        try:
            first, *chain = [
                x509.load_der_x509_certificate(b64decode(each)) for each in state["certificates"]
            ]
            placed = Placed(pdf, int(state["start"]), int(state["end"]))
            digest = placed.digest(signed_data.digest_for(first))
            level, at = Level(state["level"]), datetime.fromisoformat(state["at"])
            known, field = bytes.fromhex(state["document_digest"]), str(state["field"])
        except (KeyError, TypeError, ValueError) as error:
            raise PreparedUnknown("the state of a prepared document is damaged") from error
        if digest != known:
            raise PreparedUnknown("the prepared document is not the one that was kept")
        prepared = signed_data.prepare(digest, first, chain, signing_time=None)
        return cls(placed, prepared, digest, level, field, at)


def prepare_pdf(
    source: bytes,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate] = (),
    level: Level = Level.B_B,
    services: Services = NOTHING,
    *,
    at: datetime,
    **wishes: Unpack[Wishes],
) -> PreparedPdf:
    """The document with room for a signature of that level, and what is to be signed; the same for the same arguments.

    Raises DocumentUnreadable, DocumentEncrypted, DocumentTooComplex, SigningForbidden, LevelUnreachable and
    AlgorithmRefused.
    """
    return _prepared(source, certificate, chain, level, services, at, wishes)[0]


def complete_pdf(
    prepared: PreparedPdf, signature: bytes, level: Level, services: Services = NOTHING, *, at: datetime
) -> bytes:
    """The signed document at its level; ``at`` is when evidence has to hold.

    Raises AlgorithmRefused when the key of the certificate did not make that signature value, LevelUnreachable,
    TimestampUnavailable, EvidenceUnavailable and SignatureTooLong.
    """
    return _completed(prepared, signature, level, services, at, None)


def sign_pdf(
    source: bytes,
    signer: Signer,
    level: Level,
    services: Services = NOTHING,
    *,
    at: datetime,
    **wishes: Unpack[Wishes],
) -> bytes:
    """Both steps with a key at hand; raises what they raise."""
    prepared, revision = _prepared(source, signer.certificate, signer.chain, level, services, at, wishes)
    value = signed_data.sign(prepared.prepared, signer)
    return _completed(prepared, value, level, services, at, revision)


def _prepared(
    source: bytes,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    level: Level,
    services: Services,
    at: datetime,
    wishes: Wishes,
) -> tuple[PreparedPdf, Revision]:
    check_level(level, services)
    digest_name = signed_data.digest_for(certificate)
    at = at.astimezone(UTC).replace(microsecond=0)
    stamp = services.stamps.room if services.stamps is not None and level.rank >= Level.B_T.rank else 0
    revision = Revision.of(source)
    with reading():
        signature = _signature(at, wishes, _room(certificate, chain, stamp))
        name = _put_in(revision, signature, certificate, level, at, wishes)
        placed = revision.finished_with_room(signature)
    digest = placed.digest(digest_name)
    prepared = signed_data.prepare(digest, certificate, chain, signing_time=None)
    return PreparedPdf(placed, prepared, digest, level, name, at), revision


def _completed(
    prepared: PreparedPdf,
    signature: bytes,
    level: Level,
    services: Services,
    at: datetime,
    revision: Revision | None,
) -> bytes:
    """``revision`` is the one that was prepared just now, so that it needs not to be read again."""
    check_level(level, services)
    cms = signed_data.assemble(prepared.prepared, signature)
    if services.stamps is not None and level.rank >= Level.B_T.rank:
        name = prepared.prepared.digest_name
        token = stamped(services.stamps, name, signature)
        cms = signed_data.assemble(prepared.prepared, signature, token=token)
    pdf = prepared.placed.filled(cms)
    if level.rank < Level.B_LT.rank:
        return pdf
    following = Revision.of(pdf) if revision is None else revision.follow(pdf)
    return reach(following, pdf, [prepared.placed.value_of(cms)], level, services, at=at)


def _put_in(
    revision: Revision,
    signature: SignatureObject,
    certificate: x509.Certificate,
    level: Level,
    at: datetime,
    wishes: Wishes,
) -> str:
    known = fields.signature_fields(revision)
    name = wishes.get("field") or fields.free_name(revision, "Signature")
    appearance, permission = wishes.get("appearance"), wishes.get("certify")
    fields.check_references(revision, known)
    is_there = any(each.name == name for each in known)
    fields.check_permitted(revision, known, name, adds_look=appearance is not None and not is_there)
    if permission is not None and any(each.signed for each in known):
        raise SigningForbidden("only the first signature of a document certifies it", field=name)
    place = None if appearance is None else appearance.place
    field, is_new = fields.field_to_sign(revision, known, name, place)
    lock = _lock(revision, field, wishes.get("lock"), is_new=is_new)
    check_seed_value(field.get_object(), certificate, level, permission, wishes.get("reason"))
    reference = revision.add_object(signature)
    field.get_object()[pdf_name("/V")] = reference
    revision.mark_update(field)
    fields.mark_signed(revision)
    if permission is not None:
        fields.certify(revision, reference, permission)
    if lock is not None:
        fields.lock(revision, reference, lock)
    if appearance is not None:
        draw(revision, field, appearance, certificate, at, wishes.get("reason"), is_new=is_new)
    _announce(revision, certificate)
    return name


def _lock(revision: Revision, field: IndirectObject, wished: Lock | None, *, is_new: bool) -> Lock | None:
    """The lock that is written: the one asked for, which a new field announces, or the one the field demands."""
    demanded = fields.demanded_lock(field.get_object())
    if demanded is not None and wished not in (None, demanded):
        raise SigningForbidden("the field demands another lock")
    if is_new and wished is not None:
        field.get_object()[pdf_name("/Lock")] = revision.add_object(fields.lock_dictionary(wished))
    return wished if demanded is None else demanded


def _signature(at: datetime, wishes: Wishes, room: int) -> SignatureObject:
    signature = SignatureObject(timestamp=at, subfilter=SigSeedSubFilter.PADES, bytes_reserved=2 * room)
    for key in ("name", "location", "reason", "contact"):
        said = wishes.get(key)
        if said:
            entry = "/ContactInfo" if key == "contact" else f"/{key.capitalize()}"
            signature[pdf_name(entry)] = fields.text(str(said))
    return signature


def _announce(revision: Revision, certificate: x509.Certificate) -> None:
    """What goes beyond the version of the document, for those before PDF 2.0 and for Ed25519 (ISO/TS 32002)."""
    if revision.prev.input_version < (2, 0):
        revision.register_extension(constants.ESIC_EXTENSION_1)
    if isinstance(certificate.public_key(), ed25519.Ed25519PublicKey):
        revision.register_extension(constants.ISO32002)


def _room(certificate: x509.Certificate, chain: Sequence[x509.Certificate], stamp: int) -> int:
    """Bytes that the CMS never goes beyond; the issuer's name stands in it once more."""
    certificates = sum(len(algorithms.der_of(each)) for each in (certificate, *chain))
    issuer = len(algorithms.issuer_of(certificate))
    return _FRAME_BYTES + certificates + issuer + _signature_bytes(certificate) + stamp


def _signature_bytes(certificate: x509.Certificate) -> int:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size // 8
    if isinstance(key, ec.EllipticCurvePublicKey):
        return 2 * ((key.key_size + 7) // 8) + 16
    return 64
