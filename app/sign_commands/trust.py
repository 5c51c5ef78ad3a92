"""Whom ``mohr verify`` trusts: a folder of anchors, an installation of this machine, or a party's folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.settings import SETTINGS_FILE
from kernel.errors import MalformedInput, NotFound

if TYPE_CHECKING:
    from signing.validation.trust import Trust

ANCHORS_FILE = "anchors.json"


def chosen_trust(trust: Path | None, folder: Path | None) -> Trust:
    """Raises NotFound where nothing is named and the current folder is none that says whom to trust."""
    from signing.validation.trust import Trust

    if trust is not None and folder is not None:
        raise MalformedInput("either --trust or --folder")
    if trust is not None:
        return Trust.from_folder(trust)
    chosen = Path(".") if folder is None else folder
    if (chosen / SETTINGS_FILE).is_file():
        return _of_installation(chosen)
    if (chosen / ANCHORS_FILE).is_file():
        from client.anchors import Anchors

        return Trust.of([Anchors.read(chosen / ANCHORS_FILE).root])
    raise NotFound(
        "say whom to trust: --trust FOLDER with root certificates, or --folder with an installation or a party"
    )


def _of_installation(folder: Path) -> Trust:
    from app.bootstrap import build_container
    from app.settings import load_settings
    from app.verifying import InstallationTrust

    container = build_container(load_settings(folder))
    try:
        container.trust.refresh()
        return InstallationTrust(container).current()
    finally:
        container.close()
