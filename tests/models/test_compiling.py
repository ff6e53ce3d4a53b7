"""Which networks torch compiles, where, and that they are the ones that images go through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from premask.images import Image
from premask.models.options import BirefnetOptions, DetrOptions
from premask.models.pool import ModelPool
from premask.models.registry import build
from premask.prompts import Prompts
from tests.tiny_models import birefnet, detr, edgetam, florence2, owlv2, sam, sam2, sam3, sam_hq

IMAGE = Image.from_rgb(np.full((64, 96, 3), 90, np.uint8), name="gray")

TINY: list[tuple[str, Callable[[Path], None]]] = [
    ("birefnet", birefnet.build),
    ("detr", detr.d_fine),
    ("detr", detr.rf_detr_segmentation),
    ("edgetam", edgetam.build),
    ("florence2", florence2.build),
    ("owlv2", owlv2.build),
    ("sam", sam.build),
    ("sam-hq", sam_hq.build),
    ("sam2", sam2.build),
    ("sam3", sam3.build),
]


def look(family: str, adapter: Any) -> None:
    """Show it an image."""
    if family == "detr":
        adapter.find([IMAGE], [Prompts()], DetrOptions())
    elif family == "birefnet":
        adapter.matte([IMAGE], [None], BirefnetOptions(width=64, height=64))
    else:
        adapter.embed([IMAGE])


@pytest.mark.parametrize(("family", "build_tiny"), TINY)
def test_images_go_through_what_is_compiled_on_a_gpu(
    family: str,
    build_tiny: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build_tiny(tmp_path)
    weights = next(tmp_path.glob("*.safetensors")) if family == "birefnet" else tmp_path
    adapter = build(family, weights, "cpu")
    calls: list[str] = []

    def counted(call: Callable[..., Any], **settings: Any) -> Callable[..., Any]:
        def compiled(*arguments: Any, **named: Any) -> Any:
            calls.append("compiled")
            return call(*arguments, **named)

        calls.append("compile")
        return compiled

    monkeypatch.setattr(torch, "compile", counted)
    assert not adapter.compile()
    look(family, adapter)
    assert calls == []
    with monkeypatch.context() as on_gpu:
        owner, name = (
            (adapter, "_device") if family in ("detr", "birefnet") else (adapter._network, "device")
        )
        on_gpu.setattr(owner, name, torch.device("cuda"))
        assert adapter.compile()
    look(family, adapter)
    assert calls == ["compile", "compiled"]


def test_where_it_has_no_effect_it_is_said() -> None:
    with pytest.warns(RuntimeWarning, match="no effect on 'grabcut' here"):
        ModelPool(device="cpu", compiled=True).load("grabcut")
    ModelPool(device="cpu").load("grabcut")  # a warning would be an error here
