"""Parts of broken uploads go when nothing can come after them."""

from __future__ import annotations

from kernel.errors import NotFound
from procurement.ports import Desk, Repositories
from procurement.rules.errors import SubmissionLate
from procurement.rules.submission import check_upload_time
from procurement.uploads import PartialUpload


def discard_stale_uploads(desk: Desk) -> int:
    """Remove what is kept for submissions that take no more bytes; returns how many. Safe to repeat."""
    kept = desk.objects.partial_uploads()
    if not kept:
        return 0
    with desk.reading() as session:
        repositories = desk.repositories(session)
        stale = [each for each in kept if not _goes_on(each, repositories, desk)]
    for each in stale:
        desk.objects.discard(each)
    return len(stale)


def _goes_on(partial: PartialUpload, repositories: Repositories, desk: Desk) -> bool:
    """Whether the blob is still awaited: declared, not received, its submission standing, within the grace."""
    blob = repositories.submissions.blob(partial.submission, partial.name)
    if blob is None or blob.received:
        return False
    try:
        stored = repositories.submissions.get(partial.submission)
        check_upload_time(repositories.tenders.load(stored.tender), desk.clock.now())
    except (NotFound, SubmissionLate):
        return False
    return stored.state == "receiving"
