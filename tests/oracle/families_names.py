# SPDX-License-Identifier: MIT
"""Tensor names of SD 2.x, SDXL and its refiner: diffusers folder -> original single file.

Written from the module structure of the code bases (generative-models, OpenCLIP), independent of
diffusers' own converter, which make_families.py uses to check this table in the other direction.
"""

import re

import torch

import sd15_names

OPEN_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
OPEN_OUTER = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}


def open_clip(state, prefix):
    """A text encoder (names without `text_model.`) as OpenCLIP has it: queries, keys and values in
    one matrix, the projection transposed."""
    out = {}
    for k, v in state.items():
        m = re.fullmatch(r"encoder\.layers\.(\d+)\.(.*)\.(weight|bias)", k)
        if k in OPEN_OUTER:
            out[prefix + OPEN_OUTER[k]] = v
        elif k == "text_projection.weight":
            out[prefix + "text_projection"] = v.T.contiguous()
        elif m and m[2] in OPEN_LAYER:
            out[f"{prefix}transformer.resblocks.{m[1]}.{OPEN_LAYER[m[2]]}.{m[3]}"] = v
        elif m and m[2] == "self_attn.q_proj":
            parts = [state[k.replace("q_proj", f"{x}_proj")] for x in "qkv"]
            out[f"{prefix}transformer.resblocks.{m[1]}.attn.in_proj_{m[3]}"] = torch.cat(parts)
    out[prefix + "logit_scale"] = torch.tensor(4.6055, dtype=v.dtype)
    return out


def extra_layer(state, layer):
    """Layer 0's tensors as that layer, for what a folder has cut away."""
    return {
        k.replace("encoder.layers.0.", f"encoder.layers.{layer}."): v
        for k, v in state.items()
        if k.startswith("encoder.layers.0.")
    }


def to_single(parts, unet_config, vae_levels):
    """{part: state} of a folder (text encoders without `text_model.`) -> one dict."""
    layers = unet_config["layers_per_block"]
    attention = ["CrossAttn" in t for t in unet_config["down_block_types"]]
    out = {sd15_names.unet_name(k, layers, attention): v for k, v in parts["unet"].items()}
    for k, v in parts["vae"].items():
        linear = ".attentions." in k and v.dim() == 2
        out[sd15_names.vae_name(k, vae_levels)] = v[:, :, None, None] if linear else v
    texts = {k: v for k, v in parts.items() if k.startswith("text_encoder")}
    if "add_embedding.linear_1.weight" not in parts["unet"]:
        state = texts["text_encoder"]
        count = 1 + max(int(k.split(".")[2]) for k in state if k.startswith("encoder.layers."))
        width = state["final_layer_norm.weight"].shape[0]
        projection = {"text_projection.weight": torch.eye(width, dtype=torch.float16)}
        state = {**state, **extra_layer(state, count), **projection}
        out.update(open_clip(state, "cond_stage_model.model."))
    else:
        if "text_encoder" in texts:
            clip = "conditioner.embedders.0.transformer.text_model."
            out.update({clip + k: v for k, v in texts["text_encoder"].items()})
            out[clip + "embeddings.position_ids"] = torch.arange(77, dtype=torch.int64)[None]
        second = 1 if "text_encoder" in texts else 0
        out.update(open_clip(texts["text_encoder_2"], f"conditioner.embedders.{second}.model."))
    return {k: v.contiguous() for k, v in out.items()}


def single_list(parts, unet_config, vae_levels):
    """Lines `name in the single file<TAB>copy|join|turn<TAB>part<TAB>name in the folder...`: the
    tensor itself, the rows of three one after the other, or its transpose."""
    source = {v.data_ptr(): (p, k) for p, state in parts.items() for k, v in state.items()}
    text = sorted(p for p in parts if p.startswith("text"))[-1]  # the one in OpenCLIP's names
    lines = []
    for name, v in sorted(to_single(parts, unet_config, vae_levels).items()):
        m = re.search(r"resblocks\.(\d+)\.attn\.in_proj_(\w+)", name)
        if v.data_ptr() in source:
            part, k = source[v.data_ptr()]
            row = ["copy", part, k]
        elif m:
            layer = f"encoder.layers.{m[1]}."
            if f"{layer}layer_norm1.weight" not in parts[text]:
                layer = "encoder.layers.0."
            row = ["join", text, *(f"{layer}self_attn.{x}_proj.{m[2]}" for x in "qkv")]
        elif name.endswith("text_projection") and "text_projection.weight" in parts[text]:
            row = ["turn", text, "text_projection.weight"]
        else:
            continue  # position_ids, logit_scale and such: nothing reads them
        if row[1].startswith("text"):
            row[2:] = [k if k.startswith("text_proj") else f"text_model.{k}" for k in row[2:]]
        lines.append("\t".join([name, *row]))
    return lines
