"""Settings: file, environment, limits, redaction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.bootstrap import build_clock, build_container
from app.settings import build_settings, load_settings, write_settings
from kernel.errors import MalformedInput, NotFound
from pki.errors import KeyUnavailable


def installation(folder: Path, values: dict[str, Any]) -> Path:
    write_settings(folder / "mohr.toml", values)
    return folder


def test_the_environment_outranks_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A nested variable changes one value and leaves its neighbours as the file has them."""
    installation(tmp_path, {"api": {"port": 9000, "host": "127.0.0.2"}})
    monkeypatch.setenv("MOHR_API__PORT", "9001")

    settings = load_settings(tmp_path)

    assert (settings.api.port, settings.api.host) == (9001, "127.0.0.2")


def test_the_folder_can_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MOHR_FOLDER chooses the installation where no folder is given."""
    monkeypatch.setenv("MOHR_FOLDER", str(installation(tmp_path, {"demo": False})))

    assert load_settings().folder == tmp_path


def test_a_given_folder_outranks_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An explicit folder is never replaced by a variable that was left over."""
    monkeypatch.setenv("MOHR_FOLDER", "/nowhere")

    assert load_settings(installation(tmp_path, {})).folder == tmp_path


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"api": {"prot": 1}}, "api.prot"),
        ({"api": {"port": 70000}}, "api.port"),
        ({"sessions": {"session_life_seconds": "soon"}}, "sessions.session_life_seconds"),
    ],
)
def test_what_is_off_is_named(tmp_path: Path, values: dict[str, Any], named: str) -> None:
    """A misspelt or impossible setting stops the program and is named."""
    with pytest.raises(MalformedInput, match=named):
        load_settings(installation(tmp_path, values))


def test_a_folder_without_an_installation_is_said_to_be_none(tmp_path: Path) -> None:
    """The message says what to do."""
    with pytest.raises(NotFound, match="mohr init"):
        load_settings(tmp_path)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Persian names, quotes, backslashes and line breaks survive the file."""
    name = 'شهرداری "تهران" \\ \n منطقه ۸'
    settings = load_settings(installation(tmp_path, {"publisher": {"name": name}, "demo": True}))

    assert (settings.publisher.name, settings.demo) == (name, True)


def test_passwords_are_struck_out(tmp_path: Path) -> None:
    """A password in an address never reaches the screen."""
    settings = build_settings(tmp_path, {"database": {"url": "postgresql://mohr:swordfish@db.invalid/mohr"}})

    shown = str(settings.redacted())

    assert "swordfish" not in shown
    assert "postgresql://mohr:***@db.invalid/mohr" in shown


def test_only_a_demo_has_a_clock_file(tmp_path: Path) -> None:
    """A clock that can be moved is refused outside of demonstrations."""
    with pytest.raises(MalformedInput, match="only a demo"):
        build_clock(build_settings(tmp_path, {"clock_file": "clock"}))
    with pytest.raises(MalformedInput, match="clock_file"):
        build_clock(build_settings(tmp_path, {"demo": True}))


def test_an_authority_does_not_change_sides(folder: Path) -> None:
    """An authority made for demonstrations can't be run as a real one by changing a line of settings."""
    with pytest.raises(MalformedInput, match="demo"):
        build_container(load_settings(folder, demo=False, clock_file=None))


def test_a_wrong_passphrase_opens_nothing(folder: Path) -> None:
    """The keys stay closed, and the message does not repeat what was tried."""
    (folder / "secrets" / "passphrase").write_text("not the one that it is\n")

    with pytest.raises(KeyUnavailable) as refused:
        build_container(load_settings(folder))

    assert "not the one" not in str(refused.value)


def test_a_missing_passphrase_is_named(folder: Path) -> None:
    """There is no default for a secret."""
    (folder / "secrets" / "passphrase").unlink()

    with pytest.raises(NotFound, match="passphrase_file"):
        build_container(load_settings(folder))
