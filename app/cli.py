"""The ``mohr`` command. Exit codes: 0 fine, 1 a finding, 2 wrong use.

Whatever is heavy is imported inside a command, so that help answers at once.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from app.loading import loading
from app.plain_lines import plain_line
from kernel.errors import DomainError, with_cause

LAZY_COMMANDS = {
    "audit": ("app.audit_cli", "Check an audit folder offline, trusting only the anchors."),
    "demo": ("app.demo_cli", "Play whole tenders against real processes, and say who won."),
    "documents": ("app.documents_cli", "Issue, register and check documents of the city."),
    "extend": ("app.sign_commands.extend", "Raise signatures to a higher level, or refresh them."),
    "kafka": ("app.kafka_cli", "Topics of a Kafka bus."),
    "pki": ("app.pki_cli", "The certificate authority."),
    "sign": ("app.sign_cli", "Sign PDF documents, files and containers, at once or in two steps."),
    "verify": ("app.sign_commands.verify", "Verify a signed document, and say why."),
}


class Commands(click.Group):
    """Commands of other modules are imported when they are called; a refusal becomes a line and exit code 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *(name for name in LAZY_COMMANDS if _is_there(name))])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in LAZY_COMMANDS and _is_there(cmd_name):
            command: click.Command = importlib.import_module(LAZY_COMMANDS[cmd_name][0]).command
            return command
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            if name in LAZY_COMMANDS:
                rows.append((name, LAZY_COMMANDS[name][1]))
            elif (command := super().get_command(ctx, name)) is not None and not command.hidden:
                rows.append((name, command.get_short_help_str(limit=150)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DomainError as refusal:
            raise Refused(refusal) from refusal


class Refused(click.ClickException):
    """A refusal, told in one line."""

    exit_code = 2

    def __init__(self, refusal: DomainError) -> None:
        fields = "".join(f" {name}={told}" for name, told in _told(refusal.fields))
        super().__init__(plain_line(f"{refusal.code}: {with_cause(refusal)}{fields}"))


def _told(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        yield name, "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def folder_option(command: Any) -> Any:
    """``--folder``: the installation to work on."""
    return click.option(
        "--folder",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="MOHR_FOLDER",
        help="Folder of the installation (also MOHR_FOLDER); the current folder otherwise.",
    )(command)


PORT = click.IntRange(1, 65_535)
json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs.")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mohr")
def main() -> None:
    """Electronic procurement with sealed bids: server, custodian, witness, auditor."""
    # What is imported makes hundreds of thousands of objects that stay; looking through them takes a tenth of a start.
    gc.set_threshold(50_000, 20, 20)


@main.command()
@click.option(
    "--demo", is_flag=True, help="For demonstrations: random secrets, a clock that can be moved on."
)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("mohr-data"), show_default=True)
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    envvar="MOHR_PASSPHRASE_FILE",
    help="File with the passphrase of the keys (also MOHR_PASSPHRASE_FILE); not for --demo.",
)
@click.option("--organisation", default="Mohr", show_default=True, help="Name of who runs it.")
@click.option(
    "--organisation-party", default="IRO-00000000000", show_default=True, help="Identifier of who runs it."
)
@click.option(
    "--registrar-folder",
    type=click.Path(path_type=Path),
    help="Where the first registrar's key is made; FOLDER/registrar otherwise.",
)
@click.option(
    "--registrar-party", default="IR-0000000001", show_default=True, help="Identifier of the first registrar."
)
@click.option("--registrar-name", default="First Registrar", show_default=True)
@click.option(
    "--second-registrar-folder",
    type=click.Path(path_type=Path),
    help="Where the second registrar's key is made; the first one's folder with -2 otherwise.",
)
@click.option(
    "--second-registrar-party",
    default="IR-0000000002",
    show_default=True,
    help="Identifier of the second registrar: nobody approves what he entered.",
)
@click.option("--second-registrar-name", default="Second Registrar", show_default=True)
@click.option(
    "--database-url", help="An empty PostgreSQL database, postgresql://...; SQLite in the folder otherwise."
)
@click.option(
    "--database-password-file",
    type=click.Path(path_type=Path),
    help="File with the password of the database, where it asks for one.",
)
@click.option(
    "--root-keys",
    type=click.Path(path_type=Path, file_okay=False),
    help="A key store of its own for the root's key, which the server never opens.",
)
@click.option("--root-passphrase-file", type=click.Path(path_type=Path), help="The passphrase of that store.")
@click.option("--kafka", metavar="HOST:PORT[,...]", help="Brokers of a Kafka bus; none otherwise.")
@click.option("--kafka-topic-prefix", help="First part of the names of our topics.")
@click.option(
    "--pkcs11-module",
    metavar="FILE",
    help="Make the authority's keys in a token: its module, by path or by name (libsofthsm2.so).",
)
@click.option("--pkcs11-token", metavar="LABEL", help="The label of that token, which must be empty.")
@click.option(
    "--pkcs11-pin-file",
    type=click.Path(path_type=Path),
    help="File with the token's PIN, readable by its owner only; MOHR_PKCS11_PIN otherwise.",
)
@click.option("--base-url", help="Public address of the API; from host and port otherwise.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where all processes listen.")
@click.option("--port", type=PORT, default=8400, show_default=True)
@click.option("--witness-port", type=PORT, default=8401, show_default=True)
@click.option("--custodian-port", type=PORT, default=8402, show_default=True)
@json_option
def init(
    demo: bool,
    folder: Path,
    registrar_folder: Path | None,
    second_registrar_folder: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Make an installation: keys, certificates, database, witness, custodian, two registrars."""
    from app.installation import Plan, initialise

    folder = folder.absolute()
    plan = Plan(
        folder=folder,
        demo=demo,
        registrar_folder=(registrar_folder or folder / "registrar").absolute(),
        second_registrar_folder=second_registrar_folder and second_registrar_folder.absolute(),
        **options,
    )
    made = initialise(plan)
    answer = {
        "folder": str(folder),
        "base_url": made.settings.api.base_url,
        "registrar_folder": str(made.registrar_folders[0]),
        "second_registrar_folder": str(made.registrar_folders[1]),
        "anchors": str(folder / "anchors.json"),
        "demo": demo,
    }
    _say(answer, as_json)
    if not as_json and plan.kafka is not None:
        click.echo(f"next: mohr kafka init --folder {folder}")
    if not as_json:
        click.echo(f"next: mohr serve --folder {folder}")


@main.command()
@folder_option
@json_option
def config(folder: Path | None, as_json: bool) -> None:
    """Print the settings in force, with every secret struck out."""
    from app.settings import load_settings

    _say(load_settings(folder).redacted(), as_json)


@main.command()
@folder_option
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 if the database is behind.")
@json_option
def migrate(folder: Path | None, check: bool, as_json: bool) -> None:
    """Bring the database to the newest version of the schema."""
    from app.bootstrap import database_url
    from app.migrations.runner import migrate as bring_up
    from app.migrations.version import newest_version, version_of
    from app.settings import load_settings
    from kernel.database import make_engine

    engine = make_engine(database_url(load_settings(folder)), statement_seconds=None)
    try:
        found = version_of(engine)
        version = found if check else bring_up(engine)
    finally:
        engine.dispose()
    needed = newest_version()
    _say({"before": found, "version": version, "needed": needed}, as_json)
    if version != needed:
        sys.exit(1)


@main.command()
def openapi() -> None:
    """Print the OpenAPI document of the API."""
    from app.api.application import describe

    click.echo(json.dumps(describe().openapi(), ensure_ascii=False, indent=1))


@main.command()
@folder_option
@json_option
def serve(folder: Path | None, as_json: bool) -> None:
    """Run API, sequencer, relay and deadlines, with witness and custodian as child processes."""
    with loading():
        from app.serving import serve_all
        from app.settings import load_settings

    settings = load_settings(folder)

    def when_ready() -> None:
        _say({"ready": True, "base_url": settings.api.base_url}, as_json)

    serve_all(settings, when_ready)


@main.command("serve-api", hidden=True)
@folder_option
@click.option("--descriptor", type=int, required=True, help="Number of the inherited listening socket.")
def serve_api(folder: Path | None, descriptor: int) -> None:
    """Answer requests on an inherited socket: started by ``mohr serve``, never by hand."""
    with loading():
        from app.serving import serve_api as serve
        from app.settings import load_settings

    serve(load_settings(folder), descriptor)


@main.group()
def witness() -> None:
    """The witness that cosigns the log: a process, folder and key of its own."""


@witness.command("serve")
@click.option(
    "--folder", type=click.Path(path_type=Path, exists=True), required=True, help="The witness's own folder."
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=PORT, default=8401, show_default=True)
@click.option("--clock-file", type=click.Path(path_type=Path), help="Demo only: the shared clock file.")
@click.option("--with-parent", is_flag=True, help="Stop when standard input ends.")
def witness_serve(folder: Path, host: str, port: int, clock_file: Path | None, with_parent: bool) -> None:
    """Serve the witness of a folder."""
    from app.serving_apart import serve_witness

    serve_witness(folder, host, port, clock_file=clock_file, with_parent=with_parent)


@main.group()
def custodian() -> None:
    """The time custodian that opens nothing too early: a process, folder and keys of its own."""


@custodian.command("serve")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    help="The custodian's own folder.",
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=PORT, default=8402, show_default=True)
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help="File with the passphrase of its keys, if it isn't kept in the folder.",
)
@click.option("--clock-file", type=click.Path(path_type=Path), help="Demo only: the shared clock file.")
@click.option("--with-parent", is_flag=True, help="Stop when standard input ends.")
def custodian_serve(
    folder: Path,
    host: str,
    port: int,
    passphrase_file: Path | None,
    clock_file: Path | None,
    with_parent: bool,
) -> None:
    """Serve the custodian of a folder."""
    from app.serving_apart import serve_custodian

    serve_custodian(
        folder,
        host,
        port,
        passphrase_file=passphrase_file,
        clock_file=clock_file,
        with_parent=with_parent,
    )


@custodian.command("request")
@click.option("--folder", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--passphrase-file", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
def custodian_request(folder: Path, passphrase_file: Path | None, out: Path) -> None:
    """Write the request for a new certificate of the custodian's key to OUT."""
    from custodian.setup import certificate_request

    passphrase = None if passphrase_file is None else passphrase_file.read_text("utf-8").strip()
    out.write_bytes(certificate_request(folder, passphrase=passphrase))


@custodian.command("install")
@click.option("--folder", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--passphrase-file", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--chain",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="The authorities above it, without the root (PEM).",
)
@click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Another root to trust from now on (PEM); the one that it trusts otherwise.",
)
@click.argument("certificate", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def custodian_install(
    folder: Path, passphrase_file: Path | None, chain: Path, root: Path | None, certificate: Path
) -> None:
    """Install a new certificate of the custodian's key."""
    from cryptography import x509

    from custodian.setup import install_certificate
    from kernel.errors import MalformedInput

    passphrase = None if passphrase_file is None else passphrase_file.read_text("utf-8").strip()
    try:
        (trusted,) = x509.load_pem_x509_certificates((root or folder / "root.pem").read_bytes())
        (own,) = x509.load_pem_x509_certificates(certificate.read_bytes())
        above = x509.load_pem_x509_certificates(chain.read_bytes())
    except (OSError, ValueError) as error:
        raise MalformedInput("a certificate cannot be read") from error
    install_certificate(folder, own, above, trusted, passphrase=passphrase)


def _say(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    for name, value in answer.items():
        if isinstance(value, dict):
            click.echo(f"\n[{name}]")
            for inner, content in value.items():
                click.echo(f"{inner}: {content}")
        else:
            click.echo(f"{name}: {value}")


def _is_there(name: str) -> bool:
    return importlib.util.find_spec(LAZY_COMMANDS[name][0]) is not None


if __name__ == "__main__":
    main()
