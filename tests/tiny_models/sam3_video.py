"""A tiny SAM 3 for clips: detector and tracker look through one encoder."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    Sam2VideoVideoProcessor,
    Sam3Config,
    Sam3ImageProcessor,
    Sam3TrackerVideoConfig,
    Sam3VideoConfig,
    Sam3VideoModel,
    Sam3VideoProcessor,
)

from tests.tiny_models import sam3, sam3_tracker
from tests.tiny_models.perturb import make_wavering, perturb
from tests.tiny_models.sam2 import decoder, memory
from tests.tiny_models.tokenizers import clip_tokenizer

# The memory's width is fixed to 64 and has to be less than the rest's, a multiple of it.
WIDTH = 128


def build(folder: Path) -> None:
    torch.manual_seed(0)
    tracker = Sam3TrackerVideoConfig(
        vision_config=sam3_tracker.vision(WIDTH),
        prompt_encoder_config=sam3_tracker.prompter(WIDTH),
        mask_decoder_config=decoder(WIDTH),
        image_size=sam3.SIDE,
        memory_attention_feed_forward_hidden_size=32,
        **memory(WIDTH),
    )
    config = Sam3VideoConfig(
        detector_config=Sam3Config(**sam3.sizes(WIDTH)).to_dict(),
        tracker_config=tracker.to_dict(),
        low_res_mask_size=32,
        # Unsure as it is, it shall often be told by its detector that it is right.
        recondition_every_nth_frame=4,
        trk_assoc_iou_thresh=0.05,
        high_conf_thresh=0.1,
        high_iou_thresh=0.1,
    )
    model = perturb(Sam3VideoModel(config), seed=5)
    make_wavering(model.tracker_model.mask_decoder.pred_obj_score_head.proj_out, 6)
    model.save_pretrained(folder)
    side = {"height": sam3.SIDE, "width": sam3.SIDE}
    processor = Sam3VideoProcessor(
        Sam3ImageProcessor(size=side),
        Sam2VideoVideoProcessor(size=side),
        clip_tokenizer(sam3.LONGEST_TEXT),
    )
    processor.save_pretrained(folder)
