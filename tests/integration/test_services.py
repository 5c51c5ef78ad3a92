"""What starts the services around mohr: the script for development, compose.yaml and the Dockerfile."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import psycopg
import pytest

from tests.support.dss import LIBS as DSS
from tools.kafka_broker import LIBS as KAFKA
from tools.maven_libs import ROOT, MavenLibs

INSTRUCTIONS = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "ENTRYPOINT", "CMD"}


def services(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.services", command, "--folder", str(folder)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def dockerfile() -> list[tuple[str, str]]:
    """Its instructions in order, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def test_services_start_once_and_stop_as_they_were_started(tmp_path: Path) -> None:
    """Both answer at the addresses that are written down, a second start changes nothing, stop leaves nobody."""
    folder = tmp_path / "services"
    if os.geteuid() == 0:
        # The user postgres must be able to get there.
        folder = Path("/tmp") / f"mohr-services-{os.getpid()}"
    try:
        started = services("start", folder)
        assert started.returncode == 0, started.stderr
        written = (folder / "env").read_text("utf-8")
        found = dict(re.findall(r"^(\w+)='(.*)'$", written, flags=re.MULTILINE))
        pids = services("status", folder).stdout
        assert services("start", folder).returncode == 0
        assert (services("status", folder).stdout, (folder / "env").read_text("utf-8")) == (pids, written)

        host, port = found["MOHR_SERVICES_KAFKA"].split(":")
        socket.create_connection((host, int(port)), 5).close()
        password = Path(found["MOHR_SERVICES_DATABASE_PASSWORD_FILE"]).read_text("ascii").strip()
        with psycopg.connect(found["MOHR_SERVICES_DATABASE_URL"], password=password) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("mohr",)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(found["MOHR_SERVICES_DATABASE_URL"], password="wrong")

        assert services("stop", folder).returncode == 0
        assert services("status", folder).returncode == 1
        assert services("stop", folder).returncode == 0
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((host, int(port)), 5)
    finally:
        services("stop", folder)
        shutil.rmtree(folder, ignore_errors=True)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """Without Java the script says which package brings it, with exit code 2 and nothing started."""
    refused = services("start", tmp_path, PATH=str(tmp_path))

    assert refused.returncode == 2
    assert "java is not there" in refused.stderr
    assert "default-jdk-headless" in refused.stderr
    assert not (tmp_path / "kafka" / "pid").exists()


@pytest.mark.parametrize(
    ("libs", "versions", "jars"),
    [
        (KAFKA, ["4.1.1", "1.7.36"], ["kafka_2.13-4.1.1.jar", "slf4j-simple-1.7.36.jar"]),
        (DSS, ["6.4"], ["dss-pades-pdfbox-6.4.jar", "dss-asic-cades-6.4.jar"]),
    ],
    ids=["kafka", "dss"],
)
def test_every_jar_is_pinned(libs: MavenLibs, versions: list[str], jars: list[str], tmp_path: Path) -> None:
    """The jars are those of the pins and of the versions in pom.xml; a changed one is named."""
    folder = libs.fetch()
    assert libs.differing(folder) == []
    pinned = [line.split()[1] for line in libs.pins.read_text("ascii").splitlines()]
    assert re.findall(r"<version>([\d.]+)</version>", libs.pom.read_text("utf-8"))[1:] == versions
    assert set(jars) <= set(pinned)

    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / jars[0]).unlink()
    (tmp_path / jars[0]).write_bytes(b"another")
    (tmp_path / "more.jar").write_bytes(b"")

    assert libs.differing(tmp_path) == [jars[0], "more.jar"]


def test_compose_accepts_the_file() -> None:
    """docker-compose reads it without complaint; nothing is published beyond loopback, and versions are fixed."""
    read = subprocess.run(
        ["docker-compose", "-f", str(ROOT / "compose.yaml"), "config"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (read.returncode, read.stderr) == (0, "")
    text = (ROOT / "compose.yaml").read_text("utf-8")
    images = re.findall(r"image: (\S+):(\S+)", text)
    assert [name for name, _ in images] == ["postgres", "apache/kafka"]
    assert all(re.fullmatch(r"\d+(\.\d+)+", version) for _, version in images)
    assert re.findall(r"ports: (.*)", text) == ['["127.0.0.1:8400:8400"]']


def test_the_dockerfile_names_only_what_is_there() -> None:
    """No image is built here. Every instruction is known, every source exists and passes .dockerignore, every
    package of the wheel is copied, dependencies come with hashes, and the user has no rights."""
    instructions = dockerfile()
    assert {name for name, _ in instructions} <= INSTRUCTIONS
    allowed = [
        line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")
    ]
    sources = [source for name, rest in instructions if name == "COPY" for source in rest.split()[:-1]]
    assert [each for each in sources if not (ROOT / each).exists()] == []
    assert [each for each in sources if not any(fnmatch(each, pattern) for pattern in allowed)] == []

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= set(sources)
    runs = [rest for name, rest in instructions if name == "RUN"]
    installs = [rest for rest in runs if "pip install" in rest]
    assert len(installs) == 2
    assert "--require-hashes --requirement requirements.lock" in installs[0]
    assert "--no-deps --no-build-isolation" in installs[1]
    names = [name for name, _ in instructions]
    user = dict(instructions)["USER"]
    assert user == "mohr"
    assert any(f"useradd --system --create-home --home-dir /data --uid 10001 {user}" in rest for rest in runs)
    assert names.index("USER") > max(n for n, name in enumerate(names) if name == "RUN")
    assert json.loads(dict(instructions)["ENTRYPOINT"]) == ["mohr"]
    assert project["project"]["scripts"] == {"mohr": "app.cli:main"}
