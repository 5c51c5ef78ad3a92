"""A real demo installation, made once and copied for each test, with the API over it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.api.application import create_app
from app.bootstrap import build_container
from app.container import Container
from app.installation import Plan, initialise
from app.settings import SETTINGS_FILE, load_settings
from tests.support.databases import Databases
from tests.support.kept import Kept
from tests.unit.app.people import Visitor, registrar_of


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, databases: Databases, kept: Kept) -> Path:
    """A finished installation that no test changes."""
    return kept.once(
        ("template", databases.kind), lambda: nullcontext(_installed(tmp_path_factory, databases))
    )


def _installed(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Path:
    folder = tmp_path_factory.mktemp("template") / "installation"
    initialise(
        Plan(
            folder=folder,
            demo=True,
            registrar_party="IR-0000000001",
            registrar_name="First Registrar",
            registrar_folder=folder / "registrar",
            database_url=databases.new() if databases.kind == "postgresql" else None,
        )
    )
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path, databases: Databases) -> Path:
    """An installation of this test's own, with a database of its own."""
    folder = Path(shutil.copytree(template, tmp_path / "installation"))
    url = load_settings(folder).database.url
    if url is not None:
        file = folder / SETTINGS_FILE
        file.write_text(file.read_text("utf-8").replace(url, databases.copy_of(url)), "utf-8")
    return folder


@pytest.fixture
def container(folder: Path) -> Iterator[Container]:
    container = build_container(load_settings(folder))
    yield container
    container.close()


@pytest.fixture
def client(container: Container) -> Iterator[TestClient]:
    with TestClient(
        create_app(container),
        base_url=container.settings.api.base_url,
        raise_server_exceptions=False,
    ) as client:
        yield client


@pytest.fixture
def registrar(container: Container, client: TestClient) -> Visitor:
    return registrar_of(container, client)
