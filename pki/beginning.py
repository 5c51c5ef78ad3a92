"""The beginning of an authority: root, intermediate, time-stamping and receipt certificates of one organisation."""

from __future__ import annotations

from pathlib import Path

from kernel.clock import Clock
from kernel.errors import Conflict
from pki.authority import build_intermediate, build_root, issue, make_request, new_serial
from pki.authority_folder import MARK, provider_of, write_certificate, write_file
from pki.installation import MAX_COMMON_NAME, Authority
from pki.issuers import NEEDED_SERVICES, SERVICES, first_description
from pki.key_provider import KeyProvider
from pki.keys import Cost
from pki.locations import Locations
from pki.names import DEMO_PREFIX, Subject
from pki.revocation_lists import build_crl, crl_profile


def initialise_authority(
    folder: Path,
    keys: KeyProvider | str,
    *,
    name: str,
    party: str,
    demo: bool,
    clock: Clock,
    base_url: str | None = None,
    cost: Cost | None = None,
    root_keys: KeyProvider | None = None,
) -> Authority:
    """Make root, intermediate, time-stamping and receipt certificates of the organisation ``name``.

    ``keys`` is where keys are made: a token, or the passphrase of encrypted files in the folder (``cost`` is theirs).
    With ``root_keys`` the root's key is made in that store, apart, and not needed any more afterwards; the first
    list of the root is kept in the folder. Raises Conflict if the folder holds anything already: an unfinished
    attempt is removed by hand, never continued.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise Conflict("the folder of the authority is not empty")
    (folder / "certificates").mkdir(parents=True, exist_ok=True)
    keys = provider_of(folder, keys, cost)
    now = clock.now()
    subjects = subjects_of(name, party, demo)
    root_key = (root_keys or keys).create("root", "P-384")
    root = build_root(root_key, subjects["root"], serial=new_serial(), now=now)
    intermediate_key = keys.create("intermediate", "P-384")
    intermediate = build_intermediate(
        make_request(intermediate_key, subjects["intermediate"]),
        subjects["intermediate"],
        root_key,
        root,
        serial=new_serial(),
        now=now,
        locations=Locations.below(base_url, "root"),
    )
    write_certificate(folder, "root", root)
    write_certificate(folder, "intermediate", intermediate)
    for service in NEEDED_SERVICES:
        profile, kind = SERVICES[service]
        certificate = issue(
            make_request(keys.create(service, kind), subjects[service]),
            profile,
            subjects[service],
            intermediate_key,
            intermediate,
            serial=new_serial(),
            now=now,
            locations=Locations.below(base_url, "intermediate"),
        )
        write_certificate(folder, service, certificate)
    if root_keys is not None:
        write_file(
            folder / "root.crl", build_crl(root_key, root, [], int(now.timestamp()), now, crl_profile("root"))
        )
    description = first_description(demo, base_url, "here" if root_keys is None else "apart")
    write_file(folder / MARK, description.to_bytes())
    return Authority(folder, keys, description)


def subjects_of(name: str, party: str, demo: bool) -> dict[str, Subject]:
    """How the authorities and services of an organisation are called."""
    prefix = DEMO_PREFIX if demo else ""
    roles = {
        "root": "Root CA",
        "intermediate": "Issuing CA",
        "tsa": "Time Stamping",
        "receipt": "Receipts",
    }
    return {
        key: Subject(f"{prefix}{name} {role}"[:MAX_COMMON_NAME], f"{party}-{key.upper()}", name)
        for key, role in roles.items()
    }
