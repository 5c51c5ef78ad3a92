"""Where the authority's keys are: in encrypted files, or in the token that ``[pki.keys]`` names.

The PIN comes from a file that only its owner reads, or from the environment as MOHR_PKCS11_PIN. It is no setting, so
nothing prints it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from app.settings import KeySettings, Settings
from kernel.errors import NotFound
from pki.token_pins import checked_pin, read_pin

if TYPE_CHECKING:
    from pki.tokens import TokenKeys

PIN_VARIABLE = "MOHR_PKCS11_PIN"


def open_token(settings: Settings) -> TokenKeys | None:
    """The token of the settings, None if keys are in files.

    Raises NotFound or MalformedInput for the PIN's file, TokenUnavailable or TokenPinRefused.
    """
    keys = settings.pki.keys
    if keys.pkcs11_module is None or keys.pkcs11_token is None:
        return None
    from pki.tokens import TokenKeys  # loads native code, which installations without a token do without

    return TokenKeys(
        keys.pkcs11_module,
        keys.pkcs11_token,
        _pin(settings, keys),
        max_sessions=keys.pkcs11_sessions,
        patience_seconds=keys.pkcs11_patience_seconds,
    )


def _pin(settings: Settings, keys: KeySettings) -> str:
    file: Path | None = keys.pkcs11_pin_file
    if file is not None:
        return read_pin(settings.path(file))
    if PIN_VARIABLE not in os.environ:
        raise NotFound(f"name the file of the token's PIN as pki.keys.pkcs11_pin_file, or set {PIN_VARIABLE}")
    return checked_pin(os.environ[PIN_VARIABLE])
