"""Manifests of an ASiC-E container: the members that a signature or time stamp covers, by digest.

``META-INF/ASiCManifest*.xml`` for signatures, ``META-INF/*ASiCArchiveManifest*.xml`` for archive time stamps (ETSI EN
319 162-1 §A.4 and §A.7). Written in one way only; read without entities and document types, within limits.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote
from xml.sax.saxutils import quoteattr

from lxml import etree

from signing.ades.zip_members import MAX_MEMBERS, is_safe_name, too_complex, unreadable

SIGNATURE_TYPE = "application/pkcs7-signature"
TOKEN_TYPE = "application/vnd.etsi.timestamp-token"
ASIC = "http://uri.etsi.org/02918/v1.2.1#"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
DIGEST_URIS = {
    "sha1": "http://www.w3.org/2000/09/xmldsig#sha1",
    "sha256": "http://www.w3.org/2001/04/xmlenc#sha256",
    "sha384": "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "sha512": "http://www.w3.org/2001/04/xmlenc#sha512",
    "sha3_256": "http://www.w3.org/2007/05/xmldsig-more#sha3-256",
    "sha3_384": "http://www.w3.org/2007/05/xmldsig-more#sha3-384",
    "sha3_512": "http://www.w3.org/2007/05/xmldsig-more#sha3-512",
}
MAX_MANIFEST_BYTES = 4 << 20
MAX_DEPTH = 32
_DIGEST_NAMES = {uri: name for name, uri in DIGEST_URIS.items()}
# Without the plus sign, which some readers take for a space.
_SAFE_IN_URI = "/-._~!$&'()*,;=@"
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(;[ -~]{1,200})?")


@dataclass(frozen=True, slots=True)
class Reference:
    """One covered member. ``digest_name`` is as in hashlib; ``root`` marks the archive manifest before this one."""

    name: str
    media_type: str | None
    digest_name: str
    digest: bytes
    root: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """``signed_by`` is the member with the signature or token over these bytes."""

    signed_by: str
    references: tuple[Reference, ...]
    signed_by_type: str | None = None


def write_manifest(manifest: Manifest) -> bytes:
    """The XML, in UTF-8; equal manifests are equal bytes."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<asic:ASiCManifest xmlns:asic="{ASIC}" xmlns:ds="{DSIG}">',
        f"<asic:SigReference{_attributes(manifest.signed_by, manifest.signed_by_type)}/>",
        *(_reference(each) for each in manifest.references),
        "</asic:ASiCManifest>",
    ]
    return "\n".join(lines).encode() + b"\n"


def read_manifest(data: bytes) -> Manifest:
    """Raises DocumentUnreadable or DocumentTooComplex; what the XML says beside references is not looked at."""
    root = _parse(data)
    if root.tag != f"{{{ASIC}}}ASiCManifest":
        raise unreadable("the manifest is of another kind")
    signed_by = root.findall(f"{{{ASIC}}}SigReference")
    if len(signed_by) != 1:
        raise unreadable("a manifest names one signature")
    references = tuple(_read_reference(each) for each in root.findall(f"{{{ASIC}}}DataObjectReference"))
    if not 0 < len(references) <= MAX_MEMBERS:
        raise too_complex("the manifest covers nothing, or too much", "references", MAX_MEMBERS)
    if len({each.name for each in references}) != len(references):
        raise unreadable("the manifest names a member twice")
    return Manifest(_name(signed_by[0]), references, signed_by[0].get("MimeType"))


def is_media_type(text: str) -> bool:
    """Whether a text has the form of a media type (RFC 6838 §4.2)."""
    return _MEDIA_TYPE.fullmatch(text) is not None


def _reference(reference: Reference) -> str:
    root = ' Rootfile="true"' if reference.root else ""
    return (
        f"<asic:DataObjectReference{_attributes(reference.name, reference.media_type)}{root}>"
        f'<ds:DigestMethod Algorithm="{DIGEST_URIS[reference.digest_name]}"/>'
        f"<ds:DigestValue>{base64.b64encode(reference.digest).decode()}</ds:DigestValue>"
        "</asic:DataObjectReference>"
    )


def _attributes(name: str, media_type: str | None) -> str:
    uri = f" URI={quoteattr(quote(name, safe=_SAFE_IN_URI))}"
    return uri if media_type is None else f"{uri} MimeType={quoteattr(media_type)}"


def _parse(data: bytes) -> etree._Element:
    if len(data) > MAX_MANIFEST_BYTES:
        raise too_complex("the manifest is too long", "manifest-bytes", MAX_MANIFEST_BYTES)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise unreadable("the manifest is not well-formed XML") from error
    if root.getroottree().docinfo.doctype or root.getroottree().docinfo.internalDTD is not None:
        raise unreadable("a manifest has no document type")
    if _depth(root) > MAX_DEPTH:
        raise too_complex("the manifest is nested too deeply", "depth", MAX_DEPTH)
    return root


def _depth(root: etree._Element) -> int:
    deepest = depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        deepest = max(deepest, depth)
    return deepest


def _read_reference(element: etree._Element) -> Reference:
    method = element.findall(f"{{{DSIG}}}DigestMethod")
    value = element.findall(f"{{{DSIG}}}DigestValue")
    if len(method) != 1 or len(value) != 1 or len(value[0]) or len(method[0]):
        raise unreadable("a reference has one digest")
    digest_name = _DIGEST_NAMES.get(method[0].get("Algorithm", ""))
    if digest_name is None:
        raise unreadable(
            "the digest of a reference is not known", algorithm=method[0].get("Algorithm", "")[:200]
        )
    try:
        digest = base64.b64decode("".join((value[0].text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise unreadable("the digest of a reference is not Base64") from error
    root = element.get("Rootfile", "false") in ("true", "1")
    return Reference(_name(element), element.get("MimeType"), digest_name, digest, root)


def _name(element: etree._Element) -> str:
    try:
        name = unquote(element.get("URI", ""), errors="strict")
    except UnicodeDecodeError as error:
        raise unreadable("the address of a reference is not UTF-8") from error
    if not name or not is_safe_name(name):
        raise unreadable("a reference names no member of a container", name=ascii(name)[:200])
    return name
