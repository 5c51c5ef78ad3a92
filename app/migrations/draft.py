"""``python -m app.migrations.draft "what changes"``: write the next migration by comparing rows and history."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from app.migrations.runner import draft, migrate
from app.migrations.version import FOLDER
from kernel.database import make_engine


def main(arguments: list[str]) -> int:
    """Draft into app/migrations/versions; the result is read and corrected by hand before it counts."""
    if len(arguments) != 1:
        print('usage: python -m app.migrations.draft "what changes"', file=sys.stderr)
        return 2
    existing = sorted(FOLDER.glob("versions/v*.py"))
    with tempfile.TemporaryDirectory() as folder:
        engine = make_engine(f"sqlite:///{Path(folder) / 'draft.sqlite3'}")
        if existing:
            migrate(engine)
        draft(engine, arguments[0], f"{len(existing) + 1:04d}")
        engine.dispose()
    print(*sorted(set(FOLDER.glob("versions/v*.py")) - set(existing)), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
