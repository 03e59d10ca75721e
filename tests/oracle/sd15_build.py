# SPDX-License-Identifier: MIT
"""Build a random-weight Stable Diffusion 1.5 of any width with diffusers, save it, and check the
single file."""

import json
import os

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as ldm
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

import sd15_folder as folder
import sd15_names as names
import sd15_weights as weights

PART_FILES = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}
CALIBRATION_PROMPTS = ["a photo of a cat sitting on a red sofa, highly detailed", ""]


def token_ids(tokenizer, prompts):
    return tokenizer(
        prompts,
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids


def build_text(rng, tokenizer_dir, width, heads, layers, inner, vocab):
    config = CLIPTextConfig(
        vocab_size=vocab,
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        projection_dim=width,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
        hidden_act="quick_gelu",
        layer_norm_eps=1e-5,
    )
    model = CLIPTextModel(config).eval()
    tokenizer = CLIPTokenizer.from_pretrained(tokenizer_dir)
    ids = token_ids(tokenizer, CALIBRATION_PROMPTS)
    weights.random_clip(model, rng, ids)
    with torch.no_grad():
        return model, model(ids).last_hidden_state


def build_unet(rng, widths, ctx, size, **shares):
    model = UNet2DConditionModel(
        sample_size=64,
        block_out_channels=widths,
        layers_per_block=2,
        attention_head_dim=8,
        norm_num_groups=32,
        cross_attention_dim=ctx.shape[-1],
    ).eval()
    fit = weights.random_unet(model, rng, size, ctx, **shares)
    count = sum(p.numel() for p in model.parameters())
    print(f"unet: {count} parameters, linear read-out explains {fit:.4f}")
    return model


def build_vae(rng, widths, size):
    model = AutoencoderKL(
        block_out_channels=widths,
        layers_per_block=2,
        latent_channels=4,
        norm_num_groups=32,
        sample_size=512,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        scaling_factor=0.18215,
    ).eval()
    weights.random_vae(model, rng, size)
    print(f"vae: {sum(p.numel() for p in model.parameters())} parameters")
    return model


def cast(state, dtype):
    """Floating tensors to dtype (exact: every weight is an f16 number), the rest as they are."""
    return {
        k: v.detach().to(dtype).contiguous() if v.is_floating_point() else v
        for k, v in state.items()
    }


def save_part(model, out, part, dtype):
    """One component of the diffusers folder under its published tensor names."""
    os.makedirs(f"{out}/{part}", exist_ok=True)
    if part == "text_encoder":
        model.config.to_json_file(f"{out}/{part}/config.json")
    else:
        model.save_config(f"{out}/{part}")
    prefix = "text_model." if part == "text_encoder" else ""
    state = {prefix + k: v for k, v in model.state_dict().items()}
    save_file(
        cast(state, dtype),
        f"{out}/{part}/{PART_FILES[part]}.safetensors",
        metadata={"format": "pt"},
    )


def load_part(diffusers_dir, part):
    state = load_file(f"{diffusers_dir}/{part}/{PART_FILES[part]}.safetensors")
    return {k.removeprefix("text_model."): v for k, v in state.items()}


def write_single(diffusers_dir, path, dtype):
    parts = [load_part(diffusers_dir, p) for p in PART_FILES]
    state = names.to_ldm(*parts)
    tables = names.schedule_tables()
    save_file(
        {
            k: v if k in tables else v.to(dtype) if v.is_floating_point() else v
            for k, v in state.items()
        },
        path,
        metadata={"format": "pt"},
    )


def check_single(diffusers_dir, path, clip_key=names.CLIP):
    """diffusers' own conversion of the single file must give the folder's tensors, bit for bit."""
    unet_config = json.load(open(f"{diffusers_dir}/unet/config.json"))
    vae_config = json.load(open(f"{diffusers_dir}/vae/config.json"))
    convert = {
        "unet": lambda s: ldm.convert_ldm_unet_checkpoint(s, unet_config),
        "vae": lambda s: ldm.convert_ldm_vae_checkpoint(s, vae_config),
        "text_encoder": lambda s: ldm.convert_ldm_clip_checkpoint(s),
    }
    for part, back in convert.items():
        want = load_part(diffusers_dir, part)
        got = back(load_file(path))
        got = {k.removeprefix("text_model."): v for k, v in got.items() if "position_ids" not in k}
        if got.keys() != want.keys():
            raise SystemExit(
                f"{path}: {part}: names differ: {sorted(got.keys() ^ want.keys())[:6]}"
            )
        for k, v in want.items():
            if got[k].dtype != v.dtype or not torch.equal(got[k].reshape(v.shape), v):
                raise SystemExit(f"{path}: {part}: {k} differs")
        print(f"{path}: {part}: {len(want)} tensors equal after diffusers' own conversion")


def generator(seed, stream):
    return np.random.Generator(np.random.PCG64([seed, stream]))
