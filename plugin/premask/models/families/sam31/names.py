"""The names of SAM 3.1's weights in its authors' file, and in transformers' classes of SAM 3.

The file holds one image encoder, the detector that phrases ask, the head that clicks ask, and a
tracker for videos. A name goes through all substitutions of its part, from top to bottom. That
nothing is missing or left over is checked against the model itself, see weights.py.
"""

from __future__ import annotations

Substitutions = list[tuple[str, str]]

ENCODER: Substitutions = [
    (r"^detector\.backbone\.vision_backbone\.trunk\.", "vision_encoder.backbone."),
    (r"backbone\.pos_embed$", "backbone.embeddings.position_embeddings"),
    (r"backbone\.patch_embed\.proj\.", "backbone.embeddings.patch_embeddings.projection."),
    (r"backbone\.ln_pre\.", "backbone.layer_norm."),
    (r"\.blocks\.(\d+)\.norm", r".layers.\1.layer_norm"),
    (r"\.blocks\.(\d+)\.attn\.qkv\.", r".layers.\1.attention.{qkv}_proj."),
    (r"\.blocks\.(\d+)\.attn\.proj\.", r".layers.\1.attention.o_proj."),
    (r"\.blocks\.", ".layers."),
]

NECK: Substitutions = [
    (
        r"^detector\.backbone\.vision_backbone\.(interactive_)?convs\.",
        "vision_encoder.neck.fpn_layers.",
    ),
    (r"\.dconv_2x2(_0)?\.", ".scale_layers.0."),
    # Between the two that enlarge, at 1, lies an activation.
    (r"\.dconv_2x2_1\.", ".scale_layers.2."),
    (r"\.conv_1x1\.", ".proj1."),
    (r"\.conv_3x3\.", ".proj2."),
]

TEXT: Substitutions = [
    (r"^detector\.backbone\.language_backbone\.resizer\.", "text_projection."),
    (
        r"^detector\.backbone\.language_backbone\.encoder\.text_projection$",
        "text_encoder.text_projection.weight",
    ),
    (r"^detector\.backbone\.language_backbone\.encoder\.", "text_encoder.text_model."),
    (r"\.positional_embedding$", ".embeddings.position_embedding.weight"),
    (r"\.token_embedding\.", ".embeddings.token_embedding."),
    (r"\.ln_final\.", ".final_layer_norm."),
    (r"\.transformer\.resblocks\.", ".encoder.layers."),
    (r"\.attn\.in_proj_", ".self_attn.{qkv}_proj."),
    (r"\.attn\.out_proj\.", ".self_attn.out_proj."),
    (r"\.ln_([12])\.", r".layer_norm\1."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
]

DETECTOR: Substitutions = [
    (r"^detector\.geometry_encoder\.encode\.", "geometry_encoder.layers."),
    (r"^detector\.geometry_encoder\.encode_norm\.", "geometry_encoder.output_layer_norm."),
    (r"^detector\.geometry_encoder\.norm\.", "geometry_encoder.prompt_layer_norm."),
    (r"^detector\.geometry_encoder\.img_pre_norm\.", "geometry_encoder.vision_layer_norm."),
    (r"^detector\.transformer\.encoder\.", "detr_encoder."),
    (r"^detector\.transformer\.decoder\.", "detr_decoder."),
    (r"^detector\.dot_prod_scoring\.", "dot_product_scoring."),
    (r"^detector\.segmentation_head\.", "mask_decoder."),
    (r"^detector\.", ""),
    # The decoder looks at the image first and names its norms after their order, not their use.
    (r"^(detr_decoder\.layers\.\d+)\.cross_attn\.", r"\1.vision_cross_attn."),
    (r"^(detr_decoder\.layers\.\d+)\.norm1\.", r"\1.vision_cross_attn_layer_norm."),
    (r"^(detr_decoder\.layers\.\d+)\.ca_text\.", r"\1.text_cross_attn."),
    (r"^(detr_decoder\.layers\.\d+)\.catext_norm\.", r"\1.text_cross_attn_layer_norm."),
    (r"^(detr_decoder\.layers\.\d+)\.norm2\.", r"\1.self_attn_layer_norm."),
    (r"^(detr_decoder\.layers\.\d+)\.norm3\.", r"\1.mlp_layer_norm."),
    (r"^detr_decoder\.norm\.", "detr_decoder.output_layer_norm."),
    (r"\.bbox_embed\.layers\.", ".box_head.layers."),
    (r"\.boxRPB_embed_([xy])\.", r".box_rpb_embed_\1."),
    (r"\.presence_token_head\.", ".presence_head."),
    (r"\.presence_token_out_norm\.", ".presence_layer_norm."),
    (r"\.cross_attn_image\.", ".cross_attn."),
    (r"\.linear([12])\.", r".mlp.fc\1."),
    (r"\.layers\.(\d+)\.norm([123])\.", r".layers.\1.layer_norm\2."),
    (r"\.mask_predictor\.mask_embed\.", ".mask_embedder."),
    (r"\.instance_seg_head\.", ".instance_projection."),
    (r"\.semantic_seg_head\.", ".semantic_projection."),
    (r"\.cross_attend_prompt\.", ".prompt_cross_attn."),
    (r"^mask_decoder\.cross_attn_norm\.", "mask_decoder.prompt_cross_attn_norm."),
    (r"\.prompt_mlp\.out_norm\.", ".text_mlp_out_norm."),
    (r"\.prompt_mlp\.", ".text_mlp."),
    (r"\.prompt_proj\.", ".text_proj."),
    (r"\.hs_proj\.", ".query_proj."),
    (r"\.in_proj_", ".{qkv}_proj."),
    (r"attn\.out_proj\.", "attn.o_proj."),
    # Small stacks of linear layers count from 1 and have no list of them, but for the masks' own.
    (r"(head|embed_[xy]|text_mlp)\.layers\.0\.", r"\1.layer1."),
    (r"(head|embed_[xy]|text_mlp)\.layers\.1\.", r"\1.layer2."),
    (r"(head|embed_[xy]|text_mlp)\.layers\.2\.", r"\1.layer3."),
]

CLICKS: Substitutions = [
    (r"^tracker\.model\.interactivity_no_mem_embed$", "no_memory_embedding"),
    (r"^tracker\.model\.interactive_sam_", ""),
    (r"\.pe_layer\.positional_encoding_gaussian_matrix$", ".shared_embedding.positional_embedding"),
    (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
    (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
    (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
    (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
    (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    (r"\.out_proj\.", ".o_proj."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"\.norm([1234])\.", r".layer_norm\1."),
    (r"\.mlp\.lin1\.", ".mlp.proj_in."),
    (r"\.mlp\.lin2\.", ".mlp.proj_out."),
    # Stacks of three linear layers: what comes in, one between, what goes out.
    (r"(mlps\.\d|head)\.layers\.0\.", r"\1.proj_in."),
    (r"(mlps\.\d|head)\.layers\.1\.", r"\1.layers.0."),
    (r"(mlps\.\d|head)\.layers\.2\.", r"\1.proj_out."),
]
