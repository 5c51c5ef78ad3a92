"""docs/signature-referees.md is made here: ``python -m tests.contract.signature_referees_page`` prints it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from signing.ades.services import Level
from tests.support.dss import running_dss
from tests.support.foreign_signatures import NAMES, Makers, OpenSsl
from tests.support.signature_referees import REFEREES, Panel, sitting_panel
from tests.support.signature_world import FORMATS, KINDS, make_world

Words = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of a file by others: the levels that DSS sees and those seen here, its words and ours, one for each signature."""

    levels: tuple[str, ...]
    levels_here: tuple[str, ...]
    dss: tuple[Words, ...]
    here: tuple[Words, ...]


Judgements = Mapping[str, Judgement]
# By format, level and kind of key: what each referee says.
Outcomes = Mapping[tuple[str, Level, str], Mapping[str, bool | None]]

_HEAD = """# Who accepts our signatures, and how we judge those of others

Signed files of every format, level and kind of key, made by this project and shown to programs that share no code with
it. Kinds of keys: P-256, P-384, RSA (2048 bits) and Ed25519. A cell names the kinds that are accepted; a dash: such
files are nothing that this referee reads.

| referee | accepted means |
|---|---|
| DSS 6.4, the EU's Digital Signature Service | TOTAL-PASSED at exactly this level, each time stamp passed |
| Bouncy Castle 1.72 with PDFBox 2.0.27 | digests, signature values and time stamps hold and chain to the root |
| OpenSSL 3.0 | `cms -verify -cades` by the root; `ts -verify` of the time stamps |
| pdfsig 22.12 (poppler with NSS) | valid, and the certificate is trusted |
| qpdf 11.3 | `--check` without error or warning: the file, not its signatures |

- **DSS** has nothing but the root to judge B-LT and B-LTA by; for the lower levels it is given the lists. Its rules are
  the default ones.
- **Ed25519**: the default rules of DSS leave EdDSA out, as its list of algorithms (TS 119 312) does; here they are
  the default ones with EdDSA taken in. OpenSSL 3.0 verifies no Ed25519 in a CMS, NSS does not either.
- **Bouncy Castle** is asked for no lists, **OpenSSL** uses those inside a CMS (`-crl_check_all`). The archive time
  stamps of CAdES (ats-v3) are verified by DSS alone.
- **pdfsig** names document time stamps and does not verify them, reads no lists and knows no levels. It takes
  certificates for the purpose e-mail protection alone: of one that has documentSigning (RFC 9336) alone it says
  *Unknown issue*. The certificates here have both.
- In a **container** OpenSSL and Bouncy Castle are shown the signature over its manifest; that the manifest's digests
  fit the files is compared beside.
- Revocation is judged by lists. With OCSP answers as evidence inside, DSS passes B-LT and B-LTA of each format too
  (a test of its own holds that); the other referees read no answers.

This page is made by `python -m tests.contract.signature_referees_page`; tests/contract/test_signature_referees.py holds
it current, and holds that the same referees refuse each format when one byte is changed.

## Ours, judged by others

"""
_FOREIGN_HEAD = """
## Those of others, judged here

Made by OpenSSL, pyHanko 0.38 and DSS 6.4, and judged by DSS and here by the same trust, lists
and time; of B-LT and B-LTA by the lists inside. Where the words differ, ours are the stricter ones: a signature
without the signed reference to its certificate (EN 319 122-1 §5.2.2) is one that DSS passes.

| made by | level that DSS sees | DSS | here |
|---|---|---|---|
"""


def ask_all(panel: Panel) -> Outcomes:
    """Every verdict on what is made here."""
    made = panel.world.all_made()
    return {(each.format, each.level, each.kind): panel.ask(each) for each in made}


def judge_all(makers: Makers) -> Judgements:
    """Every verdict on what others made."""
    return {name: judge_one(makers, name) for name in NAMES}


def judge_one(makers: Makers, name: str) -> Judgement:
    """Of one of NAMES."""
    world, made = makers.world, makers.make(name)
    crls = () if name.endswith(("B-LT", "B-LTA")) else tuple(world.crls)
    verdict = makers.dss.validate(
        made.signed,
        content=made.content,
        trust=[world.authority.root],
        # One of them has no certificates inside.
        certificates=[world.authority.intermediate],
        crls=crls,
        at=world.judged_at,
    )
    report = world.judged(made.signed, made.content, crls=crls)
    return Judgement(
        tuple(each.level for each in verdict.signatures),
        tuple(str(each.level) for each in report.signatures),
        tuple(each.words for each in verdict.signatures),
        tuple((each.indication.value, each.sub_indication) for each in report.signatures),
    )


def both(folder: Path) -> tuple[Outcomes, Judgements]:
    """By referees that are started for it; ``folder`` is empty."""
    world = make_world()
    files, seats, commands = folder / "dss", folder / "seats", folder / "openssl"
    for place in (files, seats, commands):
        place.mkdir()
    with running_dss(files) as dss, sitting_panel(world, dss, seats) as panel:
        return ask_all(panel), judge_all(Makers(world, dss, OpenSsl(world, commands)))


def page(found: Outcomes, foreign: Judgements) -> str:
    """The whole page."""
    return _HEAD + "\n".join([*_rows(found), _FOREIGN_HEAD]) + "\n".join(_foreign_rows(foreign)) + "\n"


def _foreign_rows(foreign: Judgements) -> Iterator[str]:
    for name, each in foreign.items():
        level = ", ".join(dict.fromkeys(each.levels))
        yield f"| {name} | {level} | {_words(each.dss)} | {_words(each.here)} |"


def _words(found: Sequence[Words]) -> str:
    said = (indication if sub is None else f"{indication} / {sub}" for indication, sub in found)
    return ", ".join(dict.fromkeys(said))


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
        sys.stdout.write(page(*both(Path(place))))
