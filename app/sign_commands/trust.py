"""Whom ``mohr verify`` trusts: a folder of anchors, an installation of this machine, or a party's folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.settings import SETTINGS_FILE
from kernel.errors import MalformedInput, NotFound

if TYPE_CHECKING:
    from signing.validation.contents import FoundDocument
    from signing.validation.trust import Trust

    Completing = Callable[[FoundDocument, Trust, datetime], Trust]

ANCHORS_FILE = "anchors.json"


@contextmanager
def chosen_trust(trust: Path | None, folder: Path | None) -> Iterator[tuple[Trust, Completing | None]]:
    """With the trust what adds evidence to it, where an installation is at hand.

    Raises NotFound where nothing is named and the current folder is none that says whom to trust.
    """
    from signing.validation.trust import Trust

    if trust is not None and folder is not None:
        raise MalformedInput("either --trust or --folder")
    if trust is not None:
        yield Trust.from_folder(trust), None
        return
    chosen = Path(".") if folder is None else folder
    if (chosen / SETTINGS_FILE).is_file():
        with _of_installation(chosen) as found:
            yield found
        return
    if (chosen / ANCHORS_FILE).is_file():
        from client.anchors import Anchors

        yield Trust.of([Anchors.read(chosen / ANCHORS_FILE).root]), None
        return
    raise NotFound(
        "say whom to trust: --trust FOLDER with root certificates, or --folder with an installation or a party"
    )


@contextmanager
def _of_installation(folder: Path) -> Iterator[tuple[Trust, Completing]]:
    from app.bootstrap import build_container
    from app.settings import load_settings
    from app.verifying import InstallationTrust

    container = build_container(load_settings(folder))
    try:
        container.trust.refresh()
        installation = InstallationTrust(container)
        yield installation.current(), installation.completed
    finally:
        container.close()
