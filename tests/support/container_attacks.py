"""Attacks on ASiC-E containers, by the ZIP module of Python."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Callable

FILE, MANIFEST, SIGNATURE = "contract.pdf", "META-INF/ASiCManifest001.xml", "META-INF/signature001.p7s"
Members = dict[str, bytes]


def members_of(container: bytes) -> Members:
    """Every member, in order."""
    archive = zipfile.ZipFile(io.BytesIO(container))
    return {name: archive.read(name) for name in archive.namelist()}


def packed(members: Members) -> bytes:
    """A container of these."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def file_changed(members: Members) -> Members:
    """The signed file is another."""
    return {**members, FILE: members[FILE].replace(b"1,000", b"9,000")}


def file_and_manifest_changed(members: Members) -> Members:
    """The file is another, and the manifest has its digest."""
    changed = file_changed(members)
    old, new = (base64.b64encode(hashlib.sha256(each[FILE]).digest()) for each in (members, changed))
    assert old in members[MANIFEST]
    return {**changed, MANIFEST: members[MANIFEST].replace(old, new)}


def file_missing(members: Members) -> Members:
    """The signed file is not there."""
    return {name: content for name, content in members.items() if name != FILE}


def file_added(members: Members) -> Members:
    """A file that nobody signed lies beside."""
    return {**members, "annex.txt": b"To pay: 9,000"}


def manifest_missing(members: Members) -> Members:
    """What the signature is over is not there."""
    return {name: content for name, content in members.items() if name != MANIFEST}


ON_CONTAINER: dict[str, Callable[[Members], Members]] = {
    each.__name__: each
    for each in (file_changed, file_and_manifest_changed, file_missing, file_added, manifest_missing)
}
