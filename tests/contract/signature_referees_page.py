"""docs/signature-referees.md is made here: ``python -m tests.contract.signature_referees_page`` prints it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from signing.ades.services import Level
from tests.support.dss import running_dss
from tests.support.signature_referees import REFEREES, sitting_panel
from tests.support.signature_world import FORMATS, KINDS, make_world

# By format, level and kind of key: what each referee says.
Outcomes = Mapping[tuple[str, Level, str], Mapping[str, bool | None]]

_HEAD = """# Who accepts our signatures

Signed files of every format, level and kind of key, made by this project and shown to programs that share no code with
it. Kinds of keys: P-256, P-384, RSA (2048 bits) and Ed25519. A cell names the kinds that are accepted; a dash: such
files are nothing that this referee reads.

| referee | version | accepted means |
|---|---|---|
| DSS, the EU's Digital Signature Service | 6.4 (Maven) | TOTAL-PASSED at exactly this level, each time stamp passed; B-LT and B-LTA with nothing but the root given. Rules: its default |
| Bouncy Castle with PDFBox | 1.72, 2.0.27 (Debian) | digests, signature values and time stamps hold and chain to the root; it reads no lists and no archive time stamps |
| OpenSSL | 3.0 (Debian) | `cms -verify -cades` with the root alone, `-crl_check_all` by the lists inside a CMS of B-LT and B-LTA, `ts -verify` of each signature, document and container time stamp; not those of archive |
| pdfsig (poppler with NSS) | 22.12 (Debian) | valid and trusted; it names document time stamps and does not verify them, reads no lists and knows no levels |
| qpdf | 11.3 (Debian) | `--check` without error or warning: the file, not its signatures |

- **Ed25519**: the default rules of DSS leave EdDSA out, as its list of algorithms (TS 119 312) does; here they are
  the default ones with EdDSA taken in. OpenSSL 3.0 verifies no Ed25519 in a CMS, NSS does not either.
- **pdfsig** takes certificates for the purpose e-mail protection alone: of a certificate that has documentSigning
  (RFC 9336) alone it says *Unknown issue*. The certificates here have both.
- In a container OpenSSL and Bouncy Castle are shown the signature over its manifest; that the manifest's digests fit the
  files is compared beside. Archive time stamps of CAdES (ats-v3) are verified by DSS alone.
- Revocation is judged by lists; OCSP answers as evidence are not in this table.

This page is made by `python -m tests.contract.signature_referees_page`; tests/contract/test_signature_referees.py holds
it current, and holds that the same referees refuse each format when one byte is changed.

"""


def outcomes(folder: Path) -> Outcomes:
    """Every verdict, by referees that are started for it; ``folder`` is empty."""
    world = make_world()
    files, seats = folder / "dss", folder / "seats"
    files.mkdir()
    seats.mkdir()
    with running_dss(files) as dss, sitting_panel(world, dss, seats) as panel:
        return {(each.format, each.level, each.kind): panel.ask(each) for each in world.all_made()}


def page(found: Outcomes) -> str:
    """The whole page."""
    return _HEAD + "\n".join(_rows(found)) + "\n"


def _rows(found: Outcomes) -> Iterator[str]:
    yield f"| format | level | {' | '.join(REFEREES)} |"
    yield "|---" * (len(REFEREES) + 2) + "|"
    for format_ in FORMATS:
        for level in Level:
            cells = [_cell(found, format_, level, referee) for referee in REFEREES]
            yield f"| {format_} | {level} | {' | '.join(cells)} |"


def _cell(found: Outcomes, format_: str, level: Level, referee: str) -> str:
    said = {kind: found[format_, level, kind][referee] for kind in KINDS}
    if all(each is None for each in said.values()):
        return "-"
    accepted = [kind for kind, each in said.items() if each]
    return "all" if len(accepted) == len(KINDS) else ", ".join(accepted) or "none"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        sys.stdout.write(page(outcomes(Path(place))))
