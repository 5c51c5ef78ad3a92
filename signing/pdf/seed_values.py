"""What an empty field demands of its signature (ISO 32000-2 table 237): obeyed, or refused."""

from __future__ import annotations

from cryptography import x509
from pyhanko.pdf_utils import generic

from signing.ades import signed_data
from signing.ades.services import Level
from signing.errors import SigningForbidden
from signing.pdf.fields import Permission
from signing.pdf.revision import dictionary_in, entry

# The bits of /Ff and the entries that they make binding.
_BINDING = {
    1: "/Filter",
    2: "/SubFilter",
    4: "/V",
    8: "/Reasons",
    16: "/LegalAttestation",
    32: "/AddRevInfo",
    64: "/DigestMethod",
    128: "/LockDocument",
    256: "/AppearanceFilter",
}
_KNOWN = 3  # the version of seed values that is known here


def check_seed_value(
    field: generic.DictionaryObject,
    certificate: x509.Certificate,
    level: Level,
    permission: Permission | None,
    reason: str | None,
) -> None:
    """Raises SigningForbidden naming the entry that the signature would not obey."""
    seed = dictionary_in(field, "/SV")
    if seed is None:
        return
    _check_mdp(seed, permission)
    _check_stamp(seed, level)
    certificate_wish = dictionary_in(seed, "/Cert")
    if certificate_wish is not None and int(entry(certificate_wish, "/Ff") or 0):
        _refuse("/Cert")
    flags = int(entry(seed, "/Ff") or 0)
    if flags >> len(_BINDING):
        _refuse("/Ff")
    for bit, name in _BINDING.items():
        if flags & bit and not _obeys(name, seed, certificate, reason):
            _refuse(name)


def _obeys(
    name: str, seed: generic.DictionaryObject, certificate: x509.Certificate, reason: str | None
) -> bool:
    wanted = entry(seed, name)
    if name == "/Filter":
        return wanted in (None, "/Adobe.PPKLite")
    if name == "/SubFilter":
        return wanted is None or "/ETSI.CAdES.detached" in wanted
    if name == "/V":
        return wanted is None or float(wanted) <= _KNOWN
    if name == "/DigestMethod":
        return wanted is None or signed_data.digest_for(certificate) in {
            str(each).strip("/").lower() for each in wanted
        }
    if name == "/Reasons":
        reasons = [] if wanted is None else [str(each) for each in wanted]
        return not reason if reasons in ([], ["."]) else reason in reasons
    return False


def _check_mdp(seed: generic.DictionaryObject, permission: Permission | None) -> None:
    """P of 0 wants no certification, any other that one."""
    wanted = dictionary_in(seed, "/MDP")
    if wanted is not None and int(entry(wanted, "/P") or 0) != (permission or 0):
        _refuse("/MDP")


def _check_stamp(seed: generic.DictionaryObject, level: Level) -> None:
    wanted = dictionary_in(seed, "/TimeStamp")
    if wanted is not None and int(entry(wanted, "/Ff") or 0) and level.rank < Level.B_T.rank:
        _refuse("/TimeStamp")


def _refuse(name: str) -> None:
    raise SigningForbidden("the field demands what the signature would not be", entry=name)
