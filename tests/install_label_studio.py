"""Label Studio in an environment of its own, as most people have it."""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path

# The version whose calls were recorded, with its latest corrections.
LABEL_STUDIO = "label-studio==1.23.*"
ENVIRONMENT = Path(__file__).parents[1] / ".venv-label-studio"
EMPTY = ENVIRONMENT / "empty"
"""The data of a Label Studio that nobody has used yet."""

TO_ITSELF = {
    "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
    "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
}
"""The environment in which it asks nobody in the internet for anything."""


def label_studio() -> Path:
    """The command that starts it."""
    return ENVIRONMENT / "bin" / "label-studio"


def main() -> None:
    """Install it, and make what its first start would take a minute for."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", LABEL_STUDIO], check=True)
    if not EMPTY.exists():
        _write_tables(EMPTY.with_suffix(".part"))


def _write_tables(folder: Path) -> None:
    """Any command does so first, where there are none."""
    environment = {**os.environ, **TO_ITSELF, "LABEL_STUDIO_BASE_DATA_DIR": str(folder)}
    command = [str(label_studio()), "user", "--username", "nobody@example.com"]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    folder.rename(EMPTY)


if __name__ == "__main__":
    main()
