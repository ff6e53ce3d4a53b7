"""What `label-studio-ml start ml_backend` runs, by this name."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    # Python looks for the modules of a script in its own folder, instead of above it.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from label_studio_ml.api import init_app

from ml_backend.model import PremaskModel

app = init_app(PremaskModel)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-p", "--port", type=int, default=int(os.environ.get("PORT", "9090")))
    parser.add_argument("--host", default="127.0.0.1")
    options, _ = parser.parse_known_args()
    app.run(host=options.host, port=options.port)
