"""Objects through clips by SAM 2.1 tiny: against transformers' own loop, and what a pass keeps.

The network has its real size and random weights, which cost the same; its masks are ragged, which
makes the run lengths that only we compute cost more than those of real objects.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import skimage.data
import torch
from transformers import Sam2Config, Sam2ImageProcessor, Sam2Model, Sam2VideoConfig, Sam2VideoModel
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from benchmarks.memory import peaks_bytes
from benchmarks.table import Row, ratio_of
from premask.images import Image, read_image
from premask.models.families.sam2 import Sam2Network
from premask.models.options import NoOptions
from premask.models.parts.promptable_tracker import PromptableTracker
from premask.models.parts.torch_runtime import dtype_on
from premask.models.parts.transformers_memory import TransformersMemory
from premask.models.pool import ModelPool
from premask.prompts import Hint, Prompts
from premask.runs.tracking import track
from tests.tiny_models import sam2 as tiny_sam2
from tests.tiny_models import sam3_video as tiny_sam3_video

SIDE = 1024
"""What the network sees; a smaller one is a quicker look at the same ratios."""

FRAMES = 3
OBJECTS = (1, 4, 16)
SIZE_WH = (854, 480)

SHORT, LONG = 200, 2000
"""From the first of these frames to the second, the process is not to grow."""

_LONG_PASS = f"""
import torch
from premask.models.registry import build
from premask.prompts import Hint, Phrase
from tests.models.tracker_library import FRAME_HW, clip

torch.set_num_threads(1)
tracker = build(sys.argv[1], pathlib.Path(sys.argv[2]), "cpu")
images = clip(20)
def pass_over(step):
    for frame in range({LONG}):
        step(frame, tracker.embed([images[frame % 20]])[0])
        if frame + 1 in ({SHORT}, {LONG}):
            report_peak()
"""

_OBJECTS_PASS = f"""{_LONG_PASS}
count = int(sys.argv[3])
hints = {{n: Hint(label="", box_xyxy=(2 * n, 5, 2 * n + 30, 50)) for n in range(1, count + 1)}}
tracking = tracker.begin(FRAME_HW, None)
tracking._objects_at_once = count  # all together, as on a GPU: one by one takes an hour
pass_over(lambda frame, seen: tracking.step(frame, seen, {{}} if frame else hints))
"""

_PHRASES_PASS = f"""{_LONG_PASS}
from tests.models.test_sam3_video import OPTIONS, PHRASES
looking = tracker.look_for(PHRASES, FRAME_HW, OPTIONS)
pass_over(looking.step)
"""


def rows() -> Iterator[Row]:
    """Speed with few and with many objects, memory of a long pass, and corrections."""
    video = video_model(SIDE)
    tracker = tracker_of(video)
    images = frames(FRAMES)
    for count in OBJECTS:
        hints = boxes(count)
        yield Row(
            what=f"{count} objects, {FRAMES} frames, with run lengths / transformers' bare loop",
            ratio=ratio_of(
                partial(follow, tracker, images, hints),
                bare_loop(video, images, hints),
                3 if count == 1 else 1,
            ),
            goal=0.95,
            note=f"SAM 2.1 tiny at {SIDE} pixels, encoding included",
        )
    with tempfile.TemporaryDirectory() as folder:
        tiny_sam2.build_video(Path(folder))
        for count in (1, 16):
            yield memory(f"SAM 2, {count} objects", _OBJECTS_PASS, "sam2", folder, str(count))
        yield correction(Path(folder))

    with tempfile.TemporaryDirectory() as folder:
        tiny_sam3_video.build(Path(folder))
        yield memory("SAM 3 by phrases", _PHRASES_PASS, "sam3-video", folder)


def memory(what: str, code: str, *arguments: str) -> Row:
    """How much larger a process is after many frames than after few."""
    few, many = peaks_bytes(code, *arguments)
    return Row(
        what=f"{what}: most memory of {SHORT} frames / of {LONG:,}",
        ratio=few / many,
        goal=0.95,
        note=f"{few / 2**20:.0f} MiB and {many / 2**20:.0f} MiB, a tiny network",
    )


def correction(weights: Path) -> Row:
    """A person corrects the object in the third frame before the last one of 40."""
    pool = ModelPool(device="cpu")
    recipe = {"track.model": f"sam2:{weights}"}
    first = Hint(label="cat", box_xyxy=(200, 100, 500, 400))
    with tempfile.TemporaryDirectory() as folder:
        clip, done = Path(folder) / "clip", Path(folder) / "done"
        clip.mkdir()
        for index, image in enumerate(frames(40)):
            PIL.Image.fromarray(image.rgb).save(clip / f"{index:03}.png")
        run = partial(track, clip, "follow-sam2", settings=recipe, pool=pool)
        (number,) = {
            found.track
            for labeled in run(prompts={0: Prompts(objects=(first,))}, folder=done)
            for found in labeled.annotations
        }
        fixed = Hint(label="cat", box_xyxy=(210, 110, 490, 390), track=number)
        prompts = {0: Prompts(objects=(first,)), 37: Prompts(objects=(fixed,))}
        return Row(
            what="a correction in frame 37 of 40 / following all frames again",
            ratio=ratio_of(
                lambda: list(run(prompts=prompts, folder=done)),
                lambda: list(run(prompts=prompts, folder=None)),
                1,
            ),
            note="a tiny network, frames looked at before; decoding and results included",
        )


def video_model(side: int) -> Any:
    torch.manual_seed(0)
    maps = [[side // scale] * 2 for scale in (4, 8, 16)]
    config = Sam2VideoConfig(
        image_size=side,
        vision_config={
            "model_type": "sam2_vision_model",
            "backbone_config": {"model_type": "sam2_hiera_det_model", "image_size": [side, side]},
            "backbone_feature_sizes": maps,
        },
        prompt_encoder_config={"image_size": side},
        memory_attention_rope_feat_sizes=maps[-1],
    )
    model = Sam2VideoModel(config).eval()
    with torch.no_grad():  # objects are there: an absent one has no mask to be written
        model.mask_decoder.pred_obj_score_head.proj_out.bias += 20
    return model


def processor_of(side: int) -> Sam2ImageProcessor:
    return Sam2ImageProcessor(
        size={"height": side, "width": side},
        mask_size={"height": side // 4, "width": side // 4},
    )


def tracker_of(video: Any) -> PromptableTracker:
    """An adapter of these weights, without a folder; on a GPU its encoder is in halves."""
    video.vision_encoder.to(dtype_on(video.device))
    image_model = Sam2Model(Sam2Config()).eval().to(video.device)
    for part in ("vision_encoder", "mask_decoder", "prompt_encoder", "shared_image_embedding"):
        setattr(image_model, part, getattr(video, part))
    image_model.backbone_feature_sizes = video.backbone_feature_sizes
    network = Sam2Network(image_model, processor_of(video.image_size))
    return PromptableTracker(network, lambda: TransformersMemory(video))


def frames(count: int) -> list[Image]:
    """A photo that moves to the left."""
    photo = PIL.Image.fromarray(skimage.data.rocket())
    wide = np.asarray(photo.resize((SIZE_WH[0] + 4 * count, SIZE_WH[1])))
    return [
        read_image(np.ascontiguousarray(wide[:, 4 * index : 4 * index + SIZE_WH[0]]))
        for index in range(count)
    ]


def boxes(count: int) -> dict[int, Hint]:
    """Objects side by side, by their track."""
    return {
        number: Hint(label="", box_xyxy=(40 * number, 60, 40 * number + 90, 260))
        for number in range(1, count + 1)
    }


def follow(tracker: PromptableTracker, images: Sequence[Image], hints: dict[int, Hint]) -> None:
    tracking = tracker.begin(images[0].size_hw, NoOptions())
    for index, image in enumerate(images):
        (seen,) = tracker.embed([image])
        tracking.step(index, seen, {} if index else hints)


def bare_loop(model: Any, images: Sequence[Image], hints: dict[int, Hint]) -> Callable[[], None]:
    """What transformers documents for a stream of frames, up to masks of the frames' size."""
    processor = processor_of(model.image_size)
    height, width = images[0].size_hw
    across, down = model.image_size / width, model.image_size / height

    def loop() -> None:
        session = Sam2VideoInferenceSession(
            video_height=height,
            video_width=width,
            inference_device=model.device,
            inference_state_device=model.device,
            video_storage_device=model.device,
            dtype=model.dtype,
        )
        for number, hint in hints.items():
            x0, y0, x1, y1 = hint.box_xyxy or (0, 0, 0, 0)
            corners = [[[x0 * across, y0 * down], [x1 * across, y1 * down]]]
            points = {
                "point_coords": torch.tensor([corners]),
                "point_labels": torch.tensor([[[2, 3]]], dtype=torch.int32),
            }
            session.add_point_inputs(session.obj_id_to_idx(number), 0, points)
        session.obj_with_new_inputs = list(hints)
        for index, image in enumerate(images):
            pixels = processor(images=np.array(image.rgb), return_tensors="pt")["pixel_values"]
            frame = pixels[0].to(model.device, model.dtype)
            output = model(inference_session=session, frame=frame, frame_idx=index)
            processor.post_process_masks([output.pred_masks], [[height, width]])

    return loop
