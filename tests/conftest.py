"""What all tests share: no network, real weights, real photos, a FiftyOne of their own."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fiftyone_database import fiftyone_environment, start_database

CHECKOUT = Path(__file__).parents[1]

Operator = Callable[..., Any]

# How long an example takes says nothing here: machines that run tests do other work, too.
hypothesis.settings.register_profile(
    "premask", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("premask")

# A test that downloads is a broken test: the libraries that could are told so before they load.
os.environ["HF_HUB_OFFLINE"] = "1"

# For tiny models, handing work to a second thread takes longer than doing it.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def u2netp_weights() -> Path:
    """The real weights; `make test` puts them there."""
    from premask.models.catalog import checkpoint_of
    from premask.models.weights.installed import installed_weights

    path = installed_weights(checkpoint_of("u2netp"))
    assert path is not None
    return path


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """A real photo: a woman, her face, a helmet, a flag (512 x 512)."""
    import skimage.data

    rgb: NDArray[np.uint8] = skimage.data.astronaut()
    return rgb


@pytest.fixture(scope="session")
def fiftyone_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where FiftyOne keeps everything; its database runs, and it has not been imported yet."""
    folder = tmp_path_factory.mktemp("fiftyone")
    uri = start_database(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in fiftyone_environment(uri, folder).items():
            patch.setenv(name, value)
        yield folder


@pytest.fixture(scope="session")
def fo(fiftyone_folder: Path) -> Any:
    """The module `fiftyone`, connected to the database: never import it in another way."""
    with warnings.catch_warnings():
        # FiftyOne 1.22 calls what its own dependencies (strawberry, ...) have deprecated.
        warnings.simplefilter("ignore")
        return importlib.import_module("fiftyone")


@pytest.fixture(scope="session")
def plugin(fo: Any, fiftyone_folder: Path) -> Iterator[Any]:
    """`fiftyone.operators`, with the checkout linked into FiftyOne's plugins folder."""
    link = fiftyone_folder / "plugins" / "premask-plugin"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(CHECKOUT, target_is_directory=True)
    yield importlib.import_module("fiftyone.operators")
    link.unlink()


@pytest.fixture
def operator(plugin: Any) -> Operator:
    """Get an operator of the plugin by its name, as people do."""
    return lambda name: plugin.get_operator(f"@premask/premask/{name}")
