"""What each version of transformers says of an image, by the calls that it documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
import transformers
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

BOX = (14.0, 10.5, 52.0, 47.0)
CLICK = (30.5, 25.25)
PHRASES = ("cat", "red door")
WORDS = "ab"
CONFIDENT = 0.15


def picture(side: int) -> NDArray[np.uint8]:
    """An image (side, side, 3) of waves and discs: whatever is seen of it depends on the place."""
    rows, columns = np.mgrid[:side, :side] / side
    waves = [np.sin(9 * rows * (c + 1)) + np.cos(7 * columns + 5 * rows * c) for c in range(3)]
    image = 127 + 50 * np.stack(waves, axis=-1)
    image[np.hypot(rows - 0.4, columns - 0.45) < 0.25] = (240, 30, 60)
    image[np.hypot(rows - 0.75, columns - 0.7) < 0.15] = (10, 200, 90)
    return image.clip(0, 255).astype(np.uint8)


def semantic(folder: Path, image: PIL.Image.Image) -> Arrays:
    processor, model = _loaded(folder, "SegformerForSemanticSegmentation")
    output = _run(model, processor(images=image, return_tensors="pt"))
    (numbers,) = processor.post_process_semantic_segmentation(output, [image.size[::-1]])
    return {"semantic": _classes(numbers)}


def universal(
    name: str, tasks: tuple[str, ...] = ("semantic", "panoptic")
) -> Callable[[Path, PIL.Image.Image], Arrays]:
    def ask(folder: Path, image: PIL.Image.Image) -> Arrays:
        processor, model = _loaded(folder, name, processor_name=_universal_processor(name))
        if name.startswith("OneFormer"):  # 4.26 does not write it down
            processor.max_seq_length = processor.task_seq_length = model.config.task_seq_len
        result: Arrays = {}
        for task in tasks:
            told = {"task_inputs": [task]} if name.startswith("OneFormer") else {}
            inputs = processor(images=image, return_tensors="pt", **told)
            output = _run(model, inputs)
            sizes = [image.size[::-1]]
            if task == "semantic":
                (numbers,) = processor.post_process_semantic_segmentation(
                    output, target_sizes=sizes
                )
                result[task] = _classes(numbers)
            else:
                (found,) = processor.post_process_panoptic_segmentation(
                    output, threshold=CONFIDENT, target_sizes=sizes
                )
                segments = found["segments_info"]
                maps = [np.asarray(found["segmentation"]) == one["id"] for one in segments]
                result["panoptic_labels"] = np.array([one["label_id"] for one in segments])
                result["panoptic_scores"] = np.array([one["score"] for one in segments])
                result["panoptic_masks"] = _bits(maps, image)
        return result

    return ask


def _universal_processor(name: str) -> str:
    if name.startswith("OneFormer"):
        return "OneFormerProcessor"
    return name.replace("ForUniversalSegmentation", "ImageProcessor")


def promptable(model_name: str, processor_name: str) -> Callable[[Path, PIL.Image.Image], Arrays]:
    """A click, of whose three masks the best counts, and a box."""
    is_padded = model_name in ("SamModel", "SamHQModel")

    def ask(folder: Path, image: PIL.Image.Image) -> Arrays:
        processor, model = _loaded(folder, model_name, processor_name=processor_name)
        points, labels = ([[[*CLICK]]], [[1]]) if is_padded else ([[[[*CLICK]]]], [[[1]]])
        prompts: dict[str, dict[str, Any]] = {
            "click": {"input_points": points, "input_labels": labels},
            "box": {"input_boxes": [[[*BOX]]]},
        }
        result: Arrays = {}
        for kind, prompt in prompts.items():
            inputs = processor(images=image, return_tensors="pt", **prompt)
            sizes = [inputs.pop("original_sizes")]
            reshaped = inputs.pop("reshaped_input_sizes", None)
            if is_padded:
                sizes.append(reshaped)
            output = _run(model, inputs, multimask_output=kind == "click")
            reader = getattr(processor, "image_processor", processor)
            masks = reader.post_process_masks(output.pred_masks, *sizes)[0][0]
            scores = output.iou_scores[0, 0]
            best = int(scores.argmax())
            result[f"{kind}_masks"] = _bits([np.asarray(masks[best])], image)
            result[f"{kind}_scores"] = np.array([float(scores[best])])
        return result

    return ask


def closed_set(model_name: str) -> Callable[[Path, PIL.Image.Image], Arrays]:
    def ask(folder: Path, image: PIL.Image.Image) -> Arrays:
        processor, model = _loaded(folder, model_name, processor_name="AutoImageProcessor")
        output = _run(model, processor(images=image, return_tensors="pt"))
        sizes = [image.size[::-1]]
        (found,) = processor.post_process_object_detection(
            output, threshold=0.0, target_sizes=sizes
        )
        return {name: found[name].numpy() for name in ("labels", "scores", "boxes")}

    return ask


def grounding_dino(folder: Path, image: PIL.Image.Image) -> Arrays:
    """Scores by token (boxes, tokens): which tokens are a phrase's, we say ourselves."""
    processor, model = _loaded(folder, "AutoModelForZeroShotObjectDetection")
    text = "".join(f"{phrase}. " for phrase in PHRASES).strip()
    inputs = processor(images=image, text=text, return_tensors="pt")
    output = _run(model, inputs)
    ids = inputs["input_ids"][0]
    return {
        "ids": ids.numpy(),
        "stop": np.array(processor.tokenizer.convert_tokens_to_ids(".")),
        "scores": output.logits[0, :, : len(ids)].sigmoid().numpy(),
        "boxes": output.pred_boxes[0].numpy(),
    }


def owlv2(folder: Path, image: PIL.Image.Image) -> Arrays:
    processor, model = _loaded(folder, "Owlv2ForObjectDetection")
    output = _run(model, processor(text=[[*PHRASES]], images=image, return_tensors="pt"))
    read = getattr(
        processor,
        "post_process_grounded_object_detection",
        getattr(processor, "post_process_object_detection", None),
    )
    assert read is not None
    (found,) = read(output, threshold=0.0, target_sizes=torch.tensor([image.size[::-1]]))
    return {name: found[name].numpy() for name in ("labels", "scores", "boxes")}


def florence2(folder: Path, image: PIL.Image.Image) -> Arrays:
    processor, model = _loaded(folder, "Florence2ForConditionalGeneration")
    task = "<OD>"
    inputs = processor(images=image, text=task, return_tensors="pt")
    with torch.no_grad():
        written = model.generate(**inputs, max_new_tokens=80, num_beams=1, do_sample=False)
    (text,) = processor.batch_decode(written, skip_special_tokens=False)
    found = processor.post_process_generation(text, task=task, image_size=image.size)[task]
    return {
        "text": np.array(text),
        "labels": np.array(found["labels"]),
        "boxes": np.array(found["bboxes"], np.float32),
    }


def sam3(model_name: str) -> Callable[[Path, PIL.Image.Image], Arrays]:
    def ask(folder: Path, image: PIL.Image.Image) -> Arrays:
        processor, model = _loaded(folder, model_name, processor_name="Sam3Processor")
        inputs = processor(images=image, text=WORDS, return_tensors="pt")
        output = _run(model, inputs)
        (found,) = processor.post_process_instance_segmentation(
            output,
            threshold=0.0,
            mask_threshold=0.5,
            target_sizes=inputs["original_sizes"].tolist(),
        )
        return {
            "scores": found["scores"].numpy(),
            "boxes": found["boxes"].numpy(),
            "masks": _bits(list(found["masks"].numpy() > 0), image),
        }

    return ask


def vitmatte(folder: Path, image: PIL.Image.Image) -> Arrays:
    processor, model = _loaded(
        folder, "VitMatteForImageMatting", processor_name="VitMatteImageProcessor"
    )
    trimap = disc_trimap(image.size[0])
    inputs = processor(images=image, trimaps=PIL.Image.fromarray(trimap), return_tensors="pt")
    output = _run(model, inputs)
    height, width = trimap.shape
    return {"trimap": trimap, "alpha": output.alphas[0, 0, :height, :width].numpy()}


def disc_trimap(side: int, radius: float = 20, band: float = 6) -> NDArray[np.uint8]:
    """Inside 255, outside 0, and 128 where the distance to the disc's edge is within the band."""
    from scipy.ndimage import distance_transform_edt

    inside = disc(side, radius)
    trimap = np.full(inside.shape, 128, np.uint8)
    trimap[distance_transform_edt(inside) > band] = 255
    trimap[distance_transform_edt(~inside) > band] = 0
    return trimap


def disc(side: int, radius: float = 20) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[:side, :side]
    return np.asarray(np.hypot(rows - side / 2, columns - side / 2) < radius)


def _loaded(folder: Path, model_name: str, processor_name: str = "AutoProcessor") -> Any:
    processor = getattr(transformers, processor_name).from_pretrained(folder)
    model = getattr(transformers, model_name).from_pretrained(folder)
    return processor, model.eval()


def _run(model: Any, inputs: Mapping[str, Any], **told: Any) -> Any:
    with torch.no_grad():
        return model(**inputs, **told)


def _classes(numbers: torch.Tensor) -> NDArray[Any]:
    return np.asarray(numbers.numpy(), np.uint8)


def _bits(masks: list[NDArray[Any]], image: PIL.Image.Image) -> NDArray[np.uint8]:
    stacked = np.array(masks, bool).reshape(-1, image.size[1], image.size[0])
    return np.packbits(stacked, axis=-1)
