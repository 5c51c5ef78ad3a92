"""Settings of one installation: ``mohr.toml`` in its folder, overridden by environment variables ``MOHR_*``.

Nested names are joined with two underscores: ``MOHR_API__PORT``. No secret stands in here, only the files
that hold one; there is no default for any of them.
"""

from __future__ import annotations

import os
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from kernel.errors import MalformedInput, NotFound
from pki.renewal import RenewalRules
from transparency.ocds_package import PUBLIC_DOMAIN

SETTINGS_FILE = "mohr.toml"
_MAX_SETTINGS_BYTES = 64 << 10


class Part(BaseModel):
    """A section of the settings; unknown names are refused, so a typing error is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiSettings(Part):
    """Where the API listens, and under which address clients and certificates name it.

    ``workers`` is the number of processes that answer; more than one needs PostgreSQL.
    """

    host: str = "127.0.0.1"
    port: int = Field(8400, ge=1, le=65535)
    base_url: str = "http://127.0.0.1:8400"
    workers: int = Field(1, ge=1, le=64)


class DatabaseSettings(Part):
    """``url`` empty: SQLite in the folder of the installation; otherwise ``postgresql://...``, version 15 or newer.

    The password stands in a file of its own, or is not needed on a local socket. A statement that takes longer than
    ``statement_timeout_seconds`` is given up, by PostgreSQL or, where that does not answer, five seconds later here.
    """

    url: str | None = None
    password_file: Path | None = None
    statement_timeout_seconds: float = Field(15.0, ge=0.5, le=300)


class SessionSettings(Part):
    """Signing in: how long a session and a challenge live, and how many challenges may wait at once."""

    session_life_seconds: int = Field(8 * 3600, ge=60)
    challenge_life_seconds: int = Field(120, ge=5, le=3600)
    max_outstanding_challenges: int = Field(100_000, ge=1)
    max_outstanding_challenges_per_source: int = Field(1_000, ge=1)


class LimitSettings(Part):
    """What a request may weigh. Streams are counted while they arrive, whatever they announced.

    ``max_blob_bytes`` bounds what a notice may allow an envelope. An upload that sends nothing for
    ``upload_stall_seconds`` is over. A body that is read into memory arrives within ``body_patience_seconds``, and a
    second more for each ``min_body_bytes_per_second`` of it; all of them together hold ``max_held_bytes``.
    """

    max_document_bytes: int = Field(1 << 20, ge=1024)
    max_body_bytes: int = Field(24 << 20, ge=1024)
    max_blob_bytes: int = Field(256 << 20, ge=1024, lt=1 << 31)
    max_partial_uploads_per_bidder: int = Field(8, ge=1, le=1000)
    upload_stall_seconds: float = Field(30.0, gt=0, le=3600)
    body_patience_seconds: float = Field(30.0, gt=0, le=3600)
    min_body_bytes_per_second: int = Field(32 << 10, ge=1)
    max_held_bytes: int = Field(256 << 20, ge=1 << 20)
    max_headers: int = Field(64, ge=8)
    max_header_bytes: int = Field(16 << 10, ge=1024)


class LogSettings(Part):
    """``origin`` is the name of the log in checkpoints; it is part of the key that others pin."""

    origin: str = "mohr.invalid/log"
    interval_seconds: float = Field(0.05, gt=0, le=60)


class OcspSettings(Part):
    """From thisUpdate to nextUpdate; how long a cache may keep an answer to GET; how many answers a process keeps.

    An answer is signed anew at half of its life. What a cache keeps is how late a revocation may reach who asks it.
    """

    answer_life_seconds: int = Field(3600, ge=60, le=7 * 24 * 3600)
    cache_seconds: int = Field(60, ge=0, le=24 * 3600)
    max_answers: int = Field(100_000, ge=1, le=10_000_000)


class WorkerSettings(Part):
    """How often the timed steps look for work, and how long a stop may take."""

    deadlines_interval_seconds: float = Field(0.5, gt=0, le=60)
    stop_timeout_seconds: float = Field(10.0, gt=0, le=300)


class WitnessSettings(Part):
    """The witness: where it answers, its folder if it runs here, and the key that is pinned."""

    host: str = "127.0.0.1"
    port: int = Field(8401, ge=1, le=65535)
    url: str = "http://127.0.0.1:8401"
    folder: Path | None = None
    vkey: str = ""
    timeout_seconds: float = Field(5.0, gt=0, le=60)


class CustodianSettings(Part):
    """The custodian: where it answers, its folder if it runs here, its journal's key, the access token."""

    host: str = "127.0.0.1"
    port: int = Field(8402, ge=1, le=65535)
    url: str = "http://127.0.0.1:8402"
    folder: Path | None = None
    vkey: str = ""
    token_file: Path | None = None
    timeout_seconds: float = Field(30.0, gt=0, le=300)


class KafkaSettings(Part):
    """The brokers, the form of our topics (fixed when ``mohr kafka init`` makes them), and how long a client waits.

    ``bootstrap_servers``: ``host:port``, several with commas. ``block_timeout_seconds``: to find a broker or a topic.
    """

    bootstrap_servers: str = Field("127.0.0.1:9092", pattern=r"^[^\s,:]+:\d{1,5}(,[^\s,:]+:\d{1,5})*$")
    topic_prefix: str = Field("ir.tehran", pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$", max_length=100)
    partitions: int = Field(6, ge=1, le=1000)
    replication_factor: int = Field(3, ge=1, le=10)
    block_timeout_seconds: float = Field(2.0, ge=0.1, le=30)
    request_timeout_seconds: float = Field(3.0, ge=1, le=60)
    delivery_timeout_seconds: float = Field(6.0, ge=1, le=120)


class EventsSettings(Part):
    """How events get from the outbox to the consumers: by calls in the server, or through Kafka."""

    bus: Literal["in-process", "kafka"] = "in-process"
    kafka: KafkaSettings = KafkaSettings()


class KeySettings(Part):
    """The token that holds the authority's keys; without one they are encrypted files.

    ``pkcs11_module`` is a path or a file name such as ``libsofthsm2.so``, ``pkcs11_token`` the token's label. Each
    process has at most ``pkcs11_sessions`` sessions, and waits ``pkcs11_patience_seconds`` for a free one.
    """

    pkcs11_module: str | None = None
    pkcs11_token: str | None = None
    pkcs11_pin_file: Path | None = None
    pkcs11_sessions: int = Field(8, ge=1, le=1000)
    pkcs11_patience_seconds: float = Field(10.0, gt=0, le=300)

    @model_validator(mode="after")
    def _both(self) -> KeySettings:
        if (self.pkcs11_module is None) is not (self.pkcs11_token is None):
            raise ValueError("a token is named by its module and its label together")
        return self


class TimestampSettings(Part):
    """Time stamps: their policy (the project's own, if it is not named), the accuracy that they state, their doubts.

    No stamp is made once the machine's clock leaps by more than the accuracy, nor, where that is required, while the
    kernel does not say that its clock is synchronised.
    """

    policy: str | None = Field(None, pattern=r"^[0-2](\.(0|[1-9]\d{0,38})){1,31}$")
    accuracy_milliseconds: int = Field(1000, ge=1, le=60_000)
    require_synchronised_clock: bool = False


class PkiSettings(Part):
    """The certificate authority.

    ``profiles_folder``: certificate profiles (``*.toml``) that replace or add to those of this version.
    ``crl_shards``: a power of two up to 256; the low bits of its serial say which shard a certificate names.
    """

    profiles_folder: Path | None = None
    crl_shards: int = Field(1, ge=1, le=256)
    keys: KeySettings = KeySettings()
    timestamps: TimestampSettings = TimestampSettings()

    @field_validator("crl_shards")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        if value & (value - 1):
            raise ValueError("a power of two")
        return value


class PublisherSettings(Part):
    """Who publishes: the organisation of the authority, and the publisher in OCDS."""

    party: str = "IRO-00000000000"
    name: str = "Mohr"
    ocid_prefix: str = Field("ocds-mohr00", pattern=r"^ocds-[a-z0-9]{6}$")
    licence_url: str = Field(PUBLIC_DOMAIN, pattern=r"^https?://\S{1,500}$")
    policy_url: str | None = Field(None, pattern=r"^https?://\S{1,500}$")


class SigningSettings(Part):
    """Documents that are signed, extended and verified here.

    ``prepared_life_seconds``: how long a prepared document waits for its signature value; ``prepared_kept_seconds``:
    how long a signed one can be fetched again; ``max_prepared_per_party`` wait at once, and no more of its signed ones
    are kept. ``signings`` and ``verifications`` run at a time in each process; one that finds no room for its
    ``..._patience_seconds``, or takes longer than its ``..._seconds``, is refused. ``trust_folder``: anchors beside
    those of this installation.
    """

    prepared_life_seconds: int = Field(900, ge=10, le=7 * 24 * 3600)
    prepared_kept_seconds: int = Field(24 * 3600, ge=0, le=30 * 24 * 3600)
    max_prepared_per_party: int = Field(20, ge=1, le=10_000)
    max_document_bytes: int = Field(16 << 20, ge=1024, le=64 << 20)
    signings: int = Field(4, ge=1, le=32)
    signing_patience_seconds: float = Field(10.0, ge=0, le=60)
    signing_seconds: float = Field(60.0, gt=0, le=600)
    verifications: int = Field(2, ge=1, le=64)
    verification_patience_seconds: float = Field(5.0, ge=0, le=60)
    verification_seconds: float = Field(30.0, gt=0, le=600)
    trust_folder: Path | None = None


class DocumentSettings(Part):
    """The register of documents.

    ``max_document_bytes``: of one file. ``max_reserved_identifiers`` of a party wait at once, for ``reserved_days``.
    One source asks ``unknown_checks_per_minute`` times for what is not registered. ``examinations`` of handed-in files
    run at a time in each process, each at most ``examination_seconds``.
    """

    max_document_bytes: int = Field(64 << 20, ge=1024, le=64 << 20)
    max_reserved_identifiers: int = Field(100_000, ge=1, le=10_000_000)
    reserved_days: int = Field(30, ge=1, le=365)
    unknown_checks_per_minute: int = Field(20, ge=1, le=100_000)
    examinations: int = Field(2, ge=1, le=64)
    examination_seconds: float = Field(30.0, gt=0, le=600)


class MetricsSettings(Part):
    """``/metrics``: on or off, and the token to read it with; without ``token_file`` it answers this machine only."""

    enabled: bool = True
    token_file: Path | None = None


class RenewalSettings(Part):
    """When a holder gets his next certificate without being seen again (days); decision 0056."""

    window_days: int = Field(90, ge=1, le=3_650)
    key_life_days: int = Field(1_460, ge=1, le=36_500)
    evidence_life_days: int = Field(2_190, ge=1, le=36_500)
    rekey_with_same_key: bool = False

    def rules(self) -> RenewalRules:
        """As the use case takes them."""
        return RenewalRules(
            timedelta(days=self.window_days),
            timedelta(days=self.key_life_days),
            timedelta(days=self.evidence_life_days),
            self.rekey_with_same_key,
        )


class Settings(BaseSettings):
    """All settings; built by ``load_settings`` and handed to ``app.bootstrap`` only."""

    model_config = SettingsConfigDict(
        env_prefix="MOHR_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    folder: Path
    demo: bool = False
    clock_file: Path | None = None
    passphrase_file: Path | None = None
    api: ApiSettings = ApiSettings()
    database: DatabaseSettings = DatabaseSettings()
    sessions: SessionSettings = SessionSettings()
    limits: LimitSettings = LimitSettings()
    log: LogSettings = LogSettings()
    workers: WorkerSettings = WorkerSettings()
    ocsp: OcspSettings = OcspSettings()
    witness: WitnessSettings = WitnessSettings()
    custodian: CustodianSettings = CustodianSettings()
    publisher: PublisherSettings = PublisherSettings()
    renewals: RenewalSettings = RenewalSettings()
    events: EventsSettings = EventsSettings()
    pki: PkiSettings = PkiSettings()
    metrics: MetricsSettings = MetricsSettings()
    signing: SigningSettings = SigningSettings()
    documents: DocumentSettings = DocumentSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment outranks the file, whose content comes in as arguments."""
        return env_settings, init_settings

    def path(self, path: Path) -> Path:
        """A path of the settings, read from the folder of the installation unless it is absolute."""
        return path if path.is_absolute() else self.folder / path

    @property
    def database_url(self) -> str:
        return self.database.url or f"sqlite:///{self.folder / 'mohr.sqlite3'}"

    @property
    def origin(self) -> str:
        """Scheme, host and port of the public address (RFC 6454), which every proof of login names."""
        parts = urlsplit(self.api.base_url)
        return f"{parts.scheme}://{parts.netloc}".lower()

    def redacted(self) -> dict[str, Any]:
        """Everything, as JSON values, with passwords in addresses struck out."""
        values: dict[str, Any] = self.model_dump(mode="json")
        values["database"]["url"] = _without_password(self.database_url)
        for part in ("api", "witness", "custodian"):
            for name in ("base_url", "url"):
                if name in values[part]:
                    values[part][name] = _without_password(values[part][name])
        return values


def load_settings(folder: Path | None = None, **overrides: Any) -> Settings:
    """Read ``mohr.toml`` of ``folder`` (or of ``MOHR_FOLDER``, or of the current folder) and the environment.

    Raises NotFound when there is no installation, MalformedInput naming what is off.
    """
    chosen = Path(folder or os.environ.get("MOHR_FOLDER") or ".").absolute()
    file = chosen / SETTINGS_FILE
    if not file.is_file():
        raise NotFound(f"no {SETTINGS_FILE} here: make an installation with mohr init", folder=str(chosen))
    if file.stat().st_size > _MAX_SETTINGS_BYTES:
        raise MalformedInput(f"{SETTINGS_FILE} is too long")
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MalformedInput(f"{SETTINGS_FILE} is not TOML: {error}") from error
    return build_settings(chosen, {**values, **overrides})


def build_settings(folder: Path, values: dict[str, Any]) -> Settings:
    """Settings from plain values and the environment; raises MalformedInput naming what is off."""
    try:
        settings = Settings(**{**values, "folder": folder})
    except ValidationError as error:
        found = [".".join(str(part) for part in each["loc"]) + ": " + each["msg"] for each in error.errors()]
        raise MalformedInput("the settings are off: " + "; ".join(found)) from error
    # MOHR_FOLDER only chose the folder; inside, the folder is where the file was found.
    return settings.model_copy(update={"folder": folder})


def write_settings(path: Path, values: dict[str, Any]) -> None:
    """Write strings, numbers, truths and sections as TOML."""
    path.write_text("\n".join(_section("", values)) + "\n", "utf-8")


def _section(name: str, values: dict[str, Any]) -> list[str]:
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for key, content in values.items():
        if isinstance(content, dict):
            inner = f"{name}.{key}" if name else key
            lines += ["", f"[{inner}]", *_section(inner, content)]
    return lines


def _toml(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))
