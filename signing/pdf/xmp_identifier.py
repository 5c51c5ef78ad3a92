"""``xmp:Identifier`` in what a document says of itself (XMP, ISO 16684-1 §8.4).

PDF/A takes it without an extension schema, unlike a property of our own.
"""

from __future__ import annotations

from lxml import etree

from signing.errors import SigningForbidden

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XMP = "http://ns.adobe.com/xap/1.0/"
_META = "adobe:ns:meta/"
_PDFA = "http://www.aiim.org/pdfa/ns/id/"
_MAX_BYTES = 4 << 20
_EMPTY = (
    f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="{_META}">'
    f'<rdf:RDF xmlns:rdf="{_RDF}"><rdf:Description rdf:about=""/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
).encode()


def with_identifier(packet: bytes | None, identifier: str) -> tuple[bytes, str | None]:
    """The packet, or a new one, with one more identifier; and which part of PDF/A it claims, such as ``2``.

    Raises SigningForbidden for a packet that cannot be read.
    """
    root = _read(_EMPTY if packet is None else packet)
    rdf = root if root.tag == f"{{{_RDF}}}RDF" else root.find(f"{{{_RDF}}}RDF")
    if rdf is None:
        raise SigningForbidden("what the document says of itself has no description")
    described = rdf.findall(f"{{{_RDF}}}Description")
    bag = next(
        (each for one in described for each in one.iterfind(f"{{{_XMP}}}Identifier/{{{_RDF}}}Bag")), None
    )
    if bag is None:
        about = described[0].get(f"{{{_RDF}}}about", "") if described else ""
        description = etree.SubElement(
            rdf, f"{{{_RDF}}}Description", {f"{{{_RDF}}}about": about}, {"xmp": _XMP}
        )
        bag = etree.SubElement(etree.SubElement(description, f"{{{_XMP}}}Identifier"), f"{{{_RDF}}}Bag")
    etree.SubElement(bag, f"{{{_RDF}}}li").text = identifier
    return etree.tostring(root.getroottree(), encoding="utf-8", xml_declaration=False), _part(described)


def _read(packet: bytes) -> etree._Element:
    if len(packet) > _MAX_BYTES:
        raise SigningForbidden("what the document says of itself is too long", most=_MAX_BYTES)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(packet.strip(b"\0 \r\n\t"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SigningForbidden("what the document says of itself cannot be read") from error
    if root.getroottree().docinfo.doctype:
        raise SigningForbidden("what the document says of itself declares entities")
    return root


def _part(described: list[etree._Element]) -> str | None:
    name = f"{{{_PDFA}}}part"
    found = [each.get(name) or each.findtext(name) for each in described]
    return next((each.strip() for each in found if each), None)
