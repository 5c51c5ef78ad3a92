"""Certificate profiles as data: one TOML file for each, beside this module.

The extensions that follow from a profile are built in authority.py (RFC 5280 §4.2). End certificates for
signing carry the extended key usage documentSigning (RFC 9336); a time-stamping certificate carries
timeStamping alone, critical (RFC 3161 §2.3). An installation may replace or add files (``adopt_profiles``).
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from kernel.errors import MalformedInput
from pki.profiles.model import CrlProfile, Profile
from pki.profiles.purposes import DOCUMENT_SIGNING, OCSP_SIGNING, SERVICE_SEALING, TIME_STAMPING
from pki.profiles.reading import read_profiles

__all__ = [
    "BACKDATED",
    "CRLS",
    "DOCUMENT_SIGNING",
    "INTERMEDIATE",
    "MEMBER_ENCRYPTION",
    "OCSP_RESPONDER",
    "OCSP_SIGNING",
    "ORGANISATION_SEAL",
    "PERSON_ENCRYPTION",
    "PERSON_SIGNING",
    "PROFILES",
    "ROOT",
    "SERVICE_SEAL",
    "SERVICE_SEALING",
    "TIME_STAMPING",
    "TLS_CLIENT",
    "TLS_SERVER",
    "TSA",
    "CrlProfile",
    "Profile",
    "adopt_profiles",
    "profile_named",
]

BACKDATED = timedelta(minutes=5)

PROFILES = read_profiles(Path(__file__).parent)

ROOT = PROFILES["root"]
INTERMEDIATE = PROFILES["intermediate"]
PERSON_SIGNING = PROFILES["person-signing"]
PERSON_ENCRYPTION = PROFILES["person-encryption"]
ORGANISATION_SEAL = PROFILES["organisation-seal"]
MEMBER_ENCRYPTION = PROFILES["member-encryption"]
SERVICE_SEAL = PROFILES["service-seal"]
TLS_CLIENT = PROFILES["tls-client"]
TLS_SERVER = PROFILES["tls-server"]
OCSP_RESPONDER = PROFILES["ocsp-responder"]
TSA = PROFILES["tsa"]

CRLS = {"root": CrlProfile(timedelta(days=90)), "intermediate": CrlProfile(timedelta(days=7))}


def profile_named(name: str) -> Profile:
    """Raises MalformedInput for a name that is not in the table."""
    if name not in PROFILES:
        raise MalformedInput("no such profile", profile=str(name)[:64])
    return PROFILES[name]


def adopt_profiles(folder: Path) -> list[str]:
    """Let the files of ``folder`` replace or add profiles for the rest of this process; their names.

    All are read before the first one counts; raises MalformedInput. They hold for whoever asks by name
    (``profile_named``), as every request does; the names of this module stay what was shipped.
    """
    if not folder.is_dir():
        raise MalformedInput("the folder of profiles does not exist", folder=str(folder))
    own = read_profiles(folder)
    PROFILES.update(own)
    return sorted(own)
