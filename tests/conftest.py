"""What all tests share: no network, real weights, real photos."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

# A test that downloads is a broken test: the libraries that could are told so before they load.
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def u2netp_weights() -> Path:
    """The real weights; `make test` puts them there."""
    from premask.models.catalog import checkpoint_of
    from premask.models.weights import installed_weights

    path = installed_weights(checkpoint_of("u2netp"))
    assert path is not None
    return path


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """A real photo: a woman, her face, a helmet, a flag (512 x 512)."""
    import skimage.data

    rgb: NDArray[np.uint8] = skimage.data.astronaut()
    return rgb
