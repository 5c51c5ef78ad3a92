"""``mohr init``: a new installation, from the root key to the first two registrars. ``mohr.toml`` is written last.

```
mohr.toml                    settings; only a finished installation has it
secrets/                     passphrase (demo), custodian.token; mode 0600
authority/, keys/            the authority with its keys; the key of the log
mohr.sqlite3, objects/       database (unless it is PostgreSQL), blobs
documents/                   files of the register, once there are any
witness/, custodian/         each a folder of its own, with its own keys; move them to other machines
demo-clock                   demo only: seconds ahead of the machine's clock
anchors.json                 mohr/anchors/v1, for the folders of all parties
registrar/, registrar-2/     the folders of the first two registrars, unless they are put elsewhere
```
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import inspect

from app.authority_keys import open_token
from app.bootstrap import LOG_KEY, build_container, database_url
from app.container import Container
from app.migrations.runner import migrate
from app.settings import SETTINGS_FILE, KafkaSettings, Settings, build_settings, write_settings
from app.witness_setup import initialise_witness, serve_log, write_secret
from client.folder import PartyFolder
from custodian.setup import access_token, custodian_vkey, initialise_custodian, install_certificate
from identity.use_cases.register_party import INSTALLER, register_first_registrar
from kernel.clock import Clock, DemoClock, SystemClock, write_demo_clock
from kernel.database import make_engine
from kernel.errors import Conflict, MalformedInput, NotFound
from kernel.postgresql import require_suitable
from pki.authority import pem_of
from pki.beginning import initialise_authority
from pki.ceremonies.transcript import verify_history
from pki.installation import Authority, open_authority
from pki.issuance import issue_approved, record_authority
from pki.key_provider import KeyProvider
from pki.keys import RANDOM_SECRET, Cost, KeyStore
from pki.names import Subject
from pki.profiles import PERSON_SIGNING
from pki.registration import EnterRequest, admit_at_installation, enter_request
from transparency.notes import NoteSigner

if TYPE_CHECKING:
    from pki.tokens import TokenKeys


@dataclass(frozen=True)
class Plan:
    """What is to be made. ``passphrase_file`` is needed unless it is a demo, whose passphrase is random.

    ``root_keys``: a store of its own for the root's key, which may then be taken away.
    """

    folder: Path
    demo: bool
    registrar_party: str
    registrar_name: str
    registrar_folder: Path
    second_registrar_party: str = "IR-0000000002"
    second_registrar_name: str = "Second Registrar"
    second_registrar_folder: Path | None = None
    organisation: str = "Mohr"
    organisation_party: str = "IRO-00000000000"
    host: str = "127.0.0.1"
    port: int = 8400
    witness_port: int = 8401
    custodian_port: int = 8402
    base_url: str | None = None
    passphrase_file: Path | None = None
    database_url: str | None = None
    database_password_file: Path | None = None
    root_keys: Path | None = None
    root_passphrase_file: Path | None = None
    kafka: str | None = None
    kafka_topic_prefix: str | None = None
    pkcs11_module: str | None = None
    pkcs11_token: str | None = None
    pkcs11_pin_file: Path | None = None

    @property
    def registrars(self) -> tuple[tuple[str, str, Path], ...]:
        """Party, name and folder of the two: nobody approves what he entered, so one alone could enrol nobody."""
        folder = self.registrar_folder
        second = self.second_registrar_folder or folder.with_name(f"{folder.name}-2")
        return (
            (self.registrar_party, self.registrar_name, folder),
            (self.second_registrar_party, self.second_registrar_name, second),
        )

    @property
    def public_url(self) -> str:
        return (self.base_url or f"http://{self.host}:{self.port}").rstrip("/")


@dataclass(frozen=True)
class Installed:
    """What was made."""

    settings: Settings
    registrar_folders: tuple[Path, ...]
    anchors: dict[str, Any]


def initialise(plan: Plan) -> Installed:
    """Make everything; raises Conflict if folder or database are in use, NotFound or MalformedInput for the passphrase.

    An authority that ceremonies made in ``folder/authority`` is taken as it is. A PostgreSQL database must exist and
    be empty; raises DatabaseUnavailable or DatabaseUnsuitable otherwise. So must a token, unless ceremonies filled it:
    TokenUnavailable, TokenPinRefused or Conflict.
    """
    if plan.folder.exists() and {each.name for each in plan.folder.iterdir()} - {"authority"}:
        raise Conflict(
            "the folder is not empty; an installation starts in an empty one", path=str(plan.folder)
        )
    if plan.registrar_party == plan.second_registrar_party:
        raise MalformedInput("the two registrars are two people", party=plan.registrar_party)
    for _party, _name, registrar in plan.registrars:
        if (registrar / "party.json").exists():
            raise Conflict("the registrar's folder is in use", path=str(registrar))
    passphrase = _passphrase(plan)
    build_settings(plan.folder, {"events": _events_of(plan)})
    _check_database(plan)
    with _token(plan) as token:
        return _initialise(plan, passphrase, token)


def _initialise(plan: Plan, passphrase: str, token: TokenKeys | None) -> Installed:
    folder = plan.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    values = _settings_of(plan)
    if plan.demo:
        write_secret(folder / "secrets" / "passphrase", passphrase)
        write_demo_clock(folder / "demo-clock", 0)
    clock: Clock = DemoClock(folder / "demo-clock") if plan.demo else SystemClock()
    cost = RANDOM_SECRET if plan.demo else None
    keys = passphrase if token is None else token
    begun = (folder / "authority").is_dir()
    authority = _taken(plan, keys) if begun else _make_authority(plan, keys, clock, cost)
    authority.add_rsa_timestamps(clock=clock)
    authority.add_seal(clock=clock)
    log_vkey = _make_log_key(folder, passphrase, cost, values["log"]["origin"])
    values["witness"]["vkey"] = initialise_witness(
        folder / "witness", _named(plan, "witness"), demo=plan.demo
    )
    values["custodian"]["vkey"] = _make_custodian(plan, values, log_vkey, authority, clock)
    for vkey in (log_vkey, values["custodian"]["vkey"]):
        serve_log(folder / "witness", vkey)
    settings = build_settings(folder, values)
    anchors = _anchors(authority, settings, log_vkey)
    _fill_database(plan, settings, anchors)
    _write_anchors(folder, anchors)
    write_settings(folder / SETTINGS_FILE, values)
    return Installed(settings, tuple(folder for _party, _name, folder in plan.registrars), anchors)


def _taken(plan: Plan, keys: KeyProvider | str) -> Authority:
    """What ceremonies made; raises NotFound if they did not finish, Conflict if it is for another installation."""
    authority = open_authority(plan.folder / "authority", keys)
    if authority.demo is not plan.demo or authority.base_url != plan.public_url:
        raise Conflict("the authority was made for another address", base_url=authority.base_url or "none")
    verify_history(authority.folder)
    return authority


def _make_authority(plan: Plan, keys: KeyProvider | str, clock: Clock, cost: Cost | None) -> Authority:
    """In one go, by whoever makes the installation; a city holds ceremonies instead."""
    root_keys = None
    if plan.root_keys is not None:
        root_keys = KeyStore(plan.root_keys, _read_passphrase(plan.root_passphrase_file))
    return initialise_authority(
        plan.folder / "authority",
        keys,
        name=plan.organisation,
        party=plan.organisation_party,
        demo=plan.demo,
        clock=clock,
        base_url=plan.public_url,
        cost=cost,
        root_keys=root_keys,
    )


def _passphrase(plan: Plan) -> str:
    if plan.demo:
        return secrets.token_urlsafe(32)
    return _read_passphrase(plan.passphrase_file)


def _read_passphrase(path: Path | None) -> str:
    if path is None:
        raise MalformedInput("name the file of the passphrase: --passphrase-file or MOHR_PASSPHRASE_FILE")
    try:
        passphrase = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound("the passphrase file cannot be read", path=str(path)) from error
    if len(passphrase) < 16:
        raise MalformedInput("a passphrase has at least 16 characters")
    return passphrase


def _check_database(plan: Plan) -> None:
    """Before anything is made: PostgreSQL answers, would keep what it is given, and holds nothing yet."""
    if plan.database_url is None:
        return
    if urlsplit(plan.database_url).password is not None:
        raise MalformedInput("the address would be written down: name a --database-password-file instead")
    engine = make_engine(database_url(build_settings(plan.folder, {"database": _database_of(plan)})))
    try:
        require_suitable(engine)
        if inspect(engine).get_table_names():
            raise Conflict("the database is not empty; an installation starts in an empty one")
    finally:
        engine.dispose()


@contextmanager
def _token(plan: Plan) -> Iterator[TokenKeys | None]:
    """The token while the authority is made; raises Conflict if keys of another authority are in it."""
    token = open_token(build_settings(plan.folder, {"pki": _pki_of(plan)}))
    if token is None:
        yield None
        return
    try:
        if token.names() and not (plan.folder / "authority").is_dir():
            raise Conflict(
                "there are keys in the token; an installation starts with an empty one", token=token.token
            )
        yield token
    finally:
        token.close()


def _pki_of(plan: Plan) -> dict[str, Any]:
    """A clock that nobody synchronises is in doubt, except in a demo."""
    values: dict[str, Any] = {"timestamps": {"require_synchronised_clock": not plan.demo}}
    named = {"pkcs11_module": plan.pkcs11_module, "pkcs11_token": plan.pkcs11_token}
    keys = {name: value for name, value in named.items() if value is not None}
    if plan.pkcs11_pin_file is not None:
        keys["pkcs11_pin_file"] = str(plan.pkcs11_pin_file.absolute())
    return {**values, "keys": keys} if keys else values


def _database_of(plan: Plan) -> dict[str, Any]:
    if plan.database_url is None:
        return {}
    file = plan.database_password_file
    password = {} if file is None else {"password_file": str(file.absolute())}
    return {"url": plan.database_url, **password}


def _events_of(plan: Plan) -> dict[str, Any]:
    """A demo shares its broker with other demos, so its topics have a name of its own, and one replica."""
    if plan.kafka is None:
        return {}
    prefix = plan.kafka_topic_prefix or (f"demo-{secrets.token_hex(4)}" if plan.demo else None)
    defaults = KafkaSettings()
    kafka = {
        "bootstrap_servers": plan.kafka,
        "topic_prefix": prefix or defaults.topic_prefix,
        "partitions": defaults.partitions,
        "replication_factor": 1 if plan.demo else defaults.replication_factor,
    }
    return {"bus": "kafka", "kafka": kafka}


def _named(plan: Plan, what: str) -> str:
    """A name for a note key: the public host, then what it is."""
    return f"{urlsplit(plan.public_url).netloc.lower()}/{what}"


def _settings_of(plan: Plan) -> dict[str, Any]:
    values: dict[str, Any] = {"demo": plan.demo}
    if plan.demo:
        values["clock_file"] = "demo-clock"
        values["passphrase_file"] = "secrets/passphrase"
    else:
        values["passphrase_file"] = str(plan.passphrase_file and plan.passphrase_file.absolute())
    values["api"] = {"host": plan.host, "port": plan.port, "base_url": plan.public_url}
    if plan.database_url is not None:
        values["database"] = _database_of(plan)
    values["log"] = {"origin": _named(plan, "log")}
    values["witness"] = {
        "host": plan.host,
        "port": plan.witness_port,
        "url": f"http://{plan.host}:{plan.witness_port}",
        "folder": "witness",
    }
    values["custodian"] = {
        "host": plan.host,
        "port": plan.custodian_port,
        "url": f"http://{plan.host}:{plan.custodian_port}",
        "folder": "custodian",
        "token_file": "secrets/custodian.token",
    }
    if plan.kafka is not None:
        values["events"] = _events_of(plan)
    values["pki"] = _pki_of(plan)
    values["publisher"] = {"party": plan.organisation_party, "name": plan.organisation}
    return values


def _make_log_key(folder: Path, passphrase: str, cost: Cost | None, origin: str) -> str:
    key = KeyStore(folder / "keys", passphrase, cost=cost).create(LOG_KEY, "Ed25519")
    assert isinstance(key, Ed25519PrivateKey)
    return NoteSigner(origin, key).vkey


def _make_custodian(
    plan: Plan, values: dict[str, Any], log_vkey: str, authority: Authority, clock: Clock
) -> str:
    """Its keys are made in its own folder; only the request comes out and the certificate goes in."""
    folder = plan.folder / "custodian"
    party = f"{plan.organisation_party}-CUSTODIAN"
    name = f"{plan.organisation} Custodian"[:64]
    request = initialise_custodian(
        folder,
        party,
        name=name,
        origin=_named(plan, "custodian"),
        log_vkey=log_vkey,
        witness_url=values["witness"]["url"],
        witness_vkey=values["witness"]["vkey"],
    )
    certificate = authority.certify_service(request, party, name, clock=clock)
    install_certificate(folder, certificate, authority.chain, authority.anchor.certificate)
    write_secret(plan.folder / "secrets" / "custodian.token", access_token(folder))
    return custodian_vkey(folder)


def _anchors(authority: Authority, settings: Settings, log_vkey: str) -> dict[str, Any]:
    return {
        "type": "mohr/anchors/v1",
        "root": pem_of([authority.anchor.certificate]).decode("ascii"),
        "log": log_vkey,
        "witnesses": [settings.witness.vkey],
        "custodian": settings.custodian.vkey,
        "demo": settings.demo,
    }


def _fill_database(plan: Plan, settings: Settings, anchors: dict[str, Any]) -> None:
    engine = make_engine(database_url(settings), statement_seconds=None)
    migrate(engine)
    engine.dispose()
    container = build_container(settings)
    try:
        record_authority(container.authority, unit_of_work=container.unit_of_work, clock=container.clock)
        container.responders.refresh()
        container.trust.refresh()
        for party, name, folder in plan.registrars:
            register_first_registrar(party, name, office=container.office)
            _equip_registrar(party, name, folder, container, anchors)
    finally:
        container.close()


def _equip_registrar(
    party: str, name: str, place: Path, container: Container, anchors: dict[str, Any]
) -> None:
    """A registrar's key is made in his own folder; he is certified now, because nobody else could do it."""
    folder = PartyFolder.create(
        place, party=party, name=name, base_url=container.settings.api.base_url, anchors=anchors
    )
    folder.make_key("signing")
    request = enter_request(
        EnterRequest(PERSON_SIGNING.name, folder.certificate_request("signing")),
        unit_of_work=container.unit_of_work,
        clock=container.clock,
    )
    admit_at_installation(
        request.id, Subject(name, party), unit_of_work=container.unit_of_work, clock=container.clock
    )
    (issued,) = issue_approved(
        [request.id],
        by=INSTALLER,
        unit_of_work=container.unit_of_work,
        clock=container.clock,
        authority=container.authority,
    )
    chain = [pem_of([each]) for each in container.authority.chain]
    folder.install("signing", pem_of([issued.certificate]), chain)


def _write_anchors(folder: Path, anchors: dict[str, Any]) -> None:
    (folder / "anchors.json").write_text(json.dumps(anchors, indent=1) + "\n", "utf-8")
