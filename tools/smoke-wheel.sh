#!/usr/bin/env bash
# Builds the wheel and starts it in a fresh environment outside the repository, where no source file can help it.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
python="$root/.venv/bin/python"

if [ ! -f "$root/app/cli.py" ]; then
    echo "smoke-wheel: no app/cli.py, so there is no command to start yet"
    exit 0
fi

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

"$python" -m build --wheel --no-isolation --outdir "$folder/dist" "$root" >"$folder/build.log" 2>&1 \
    || { cat "$folder/build.log" >&2; exit 1; }

"$python" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --require-hashes --requirement "$root/requirements.lock"
"$folder/venv/bin/python" -m pip install --quiet --no-deps --no-index "$folder"/dist/*.whl

cd "$folder"
unset PYTHONPATH
venv/bin/mohr --help >/dev/null
venv/bin/python - <<'EOF'
from pathlib import Path

import paper

folder = Path(paper.__file__).parent
shipped = ("minutes.typ", "fonts/Vazirmatn-Regular.ttf", "fonts/Vazirmatn-Bold.ttf", "fonts/OFL.txt")
assert "site-packages" in str(folder)
assert all((folder / name).is_file() for name in shipped), "the wheel lacks fonts, their licence or the template"
EOF
echo "smoke-wheel: the built wheel starts"
