"""What the routes of the public check share: who asks, for how much, and the one answer that all of them give."""

from __future__ import annotations

import re
from typing import Annotated, cast

from fastapi import Depends, Request

from app.answering import answer_digest, answer_identifier
from app.api.bounded_work import BoundedWork
from app.api.desk import CurrentContainer
from app.api.one_file import Arrivals
from app.api.unknown_checks import UnknownChecks, source_of
from app.container import Container
from app.kept_pictures import KeptPictures
from app.register_desk import register_desk
from app.verifying import InstallationTrust
from authenticity.answers import Answer
from authenticity.identifier import read_identifier
from documents.register.store import DocumentStore
from kernel.errors import MalformedInput

_PICTURES_BYTES = 32 << 20
# Files arrive more slowly than they are examined.
_ARRIVALS_FOR_EACH = 4
SHA_256 = "sha-256"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Counter:
    """What one process answers with: files, limits for strangers, and trust that is made once."""

    def __init__(self, container: Container) -> None:
        settings = container.settings.documents
        self.files: DocumentStore = register_desk(container).files
        self.trust = InstallationTrust(container)
        self.by_identifier = UnknownChecks(settings.unknown_checks_per_minute)
        # Apart, so that neighbours behind one address who guess identifiers keep nobody from checking a file.
        self.by_digest = UnknownChecks(settings.unknown_checks_per_minute)
        patience = container.settings.signing.verification_patience_seconds
        self.arrivals = Arrivals(settings.examinations * _ARRIVALS_FOR_EACH, patience)
        self.examining = BoundedWork(settings.examinations, patience, settings.examination_seconds)
        # Apart from examinations: whoever sends hard files does not take the pictures from those who compare.
        self.drawing = BoundedWork(settings.examinations, patience, settings.examination_seconds)
        self.pictures = KeptPictures(_PICTURES_BYTES)


def counter_of(request: Request, container: CurrentContainer) -> Counter:
    """The one of this process."""
    state = request.app.state
    if not hasattr(state, "document_counter"):
        state.document_counter = Counter(container)
    return cast(Counter, state.document_counter)


CurrentCounter = Annotated[Counter, Depends(counter_of)]


def asker_of(request: Request) -> str:
    """Whom the questions of this request count for."""
    return source_of(request.client.host) if request.client is not None else "unknown"


Asker = Annotated[str, Depends(asker_of)]


def ask_by_identifier(typed: str, asker: str, counter: Counter, container: Container) -> Answer:
    """Raises what ``read_identifier`` raises, which costs nothing, and TooManyChecks."""
    digits = read_identifier(typed)
    counter.by_identifier.take(asker)
    answer = answer_identifier(container, digits)
    if answer.registration is not None:
        counter.by_identifier.give_back(asker)
    return answer


def ask_by_digest(digest: str, asker: str, counter: Counter, container: Container) -> Answer:
    """Raises MalformedInput and TooManyChecks."""
    if _DIGEST.fullmatch(digest) is None:
        raise MalformedInput("a digest is 64 lower-case hexadecimal digits", expected=SHA_256)
    counter.by_digest.take(asker)
    answer = answer_digest(container, digest)
    if answer.registration is not None:
        counter.by_digest.give_back(asker)
    return answer
