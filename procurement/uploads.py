"""Uploads under way: to which declared blob the bytes belong, and why one cannot begin or go on."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.errors import DomainError

# A line that breaks before so many bytes leaves nothing; beyond, what arrived is kept to go on from.
RESUMABLE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class UploadPlace:
    """One declared blob of one submission, and whose it is."""

    bidder: str
    submission: str
    name: str


@dataclass(frozen=True, slots=True)
class PartialUpload:
    """What is kept of an upload that broke; of something that is no upload, both names are empty."""

    file: str
    submission: str
    name: str


class UploadInProgress(DomainError):
    """The same blob is arriving on another line; it is let go when that line breaks, or sends nothing for a while."""

    code = "upload-in-progress"


class UploadOffset(DomainError):
    """A part that does not begin where the kept part ends; `staged` says how many bytes are kept."""

    code = "upload-offset"


class UploadRestart(DomainError):
    """Kept and added parts do not make the declared blob; nothing of them was kept: send it whole."""

    code = "upload-restart"


class UploadBroken(DomainError):
    """The body ended or stood still before its end; what arrived may be gone on from."""

    code = "upload-broken"


class TooManyUploads(DomainError):
    """As many blobs of this bidder are arriving at once as the limit allows."""

    code = "too-many-uploads"
