"""The use case of an installation's own seal: one step, since the key is at hand."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from documents.prepared import GivenFile, SigningDesk
from kernel.canonical import sha256_hex
from kernel.ids import new_id
from pki.signed_data import Signer
from schemas.events import DOCUMENT_SEALED
from signing.ades import signed_data
from signing.two_step_making import Document, Wish, complete_document, prepare_document


def seal_documents(
    files: Sequence[GivenFile], wish: Wish, signer: Signer, *, by: str, desk: SigningDesk
) -> bytes:
    """The sealed document, recorded with the party that had it sealed; raises what both steps raise."""
    now, services = desk.clock.now(), desk.services()
    documents = [Document(each.name, BytesIO(each.content)) for each in files]
    prepared = prepare_document(documents, wish, signer.certificate, signer.chain, services, at=now)
    value = signed_data.sign(prepared.signed_data(), signer)
    sealed = complete_document(prepared, value, services, at=now)
    with desk.unit_of_work() as uow:
        told = {"by": by, "format": wish.format, "level": str(wish.level)}
        uow.emit(DOCUMENT_SEALED.name, new_id(), {**told, "digest": sha256_hex(sealed)})
        uow.commit()
    return sealed
