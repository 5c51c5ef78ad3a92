"""A real demo installation, made once and copied for each test, with the API over it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.api.application import create_app
from app.bootstrap import build_container
from app.container import Container
from app.installation import Plan, initialise
from app.settings import load_settings
from tests.unit.app.people import Visitor, registrar_of


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished installation that no test changes."""
    folder = tmp_path_factory.mktemp("template") / "installation"
    initialise(
        Plan(
            folder=folder,
            demo=True,
            registrar_party="IR-0000000001",
            registrar_name="First Registrar",
            registrar_folder=folder / "registrar",
        )
    )
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    """An installation of this test's own."""
    return Path(shutil.copytree(template, tmp_path / "installation"))


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
