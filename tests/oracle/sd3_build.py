# SPDX-License-Identifier: MIT
"""Random-weight SD 3 Medium and SD 3.5 (Medium's dual attention, Large's q/k norm) of a tiny or of
the published size, as diffusers folders and single files."""

import gc
import json
import os

import torch
from diffusers import SD3Transformer2DModel
from diffusers.loaders import single_file_utils as original
from diffusers.models.embeddings import PatchEmbed
from safetensors.torch import load_file, save_file

import families_build as families
import sd15_build as build
import sd15_folder as folder
import sd3_names as names
import shards

FLOW = {
    "_class_name": "FlowMatchEulerDiscreteScheduler",
    "_diffusers_version": "0.29.0",
    "num_train_timesteps": 1000,
    "shift": 3.0,
}


def mmdit(depth, head, grid, context, pooled, qk_norm=None, dual=(), heads=None, size=128):
    heads = heads or depth
    return dict(
        sample_size=size,
        num_layers=depth,
        attention_head_dim=head,
        num_attention_heads=heads,
        joint_attention_dim=context,
        caption_projection_dim=heads * head,
        pooled_projection_dim=pooled,
        pos_embed_max_size=grid,
        dual_attention_layers=dual,
        qk_norm=qk_norm,
    )


CLIP = dict(
    text_encoder=families.text(768, 12, 3072, "quick_gelu", 768),
    text_encoder_2=families.text(1280, 32, 5120, "gelu", 1280),
    vae=((128, 256, 512, 512), 2),
)
TINY_CLIP = dict(
    text_encoder=families.text(64, 3, 128, "quick_gelu", 64),
    text_encoder_2=families.text(128, 3, 128, "gelu", 128),
    vae=((32, 32), 1),
)
MODELS = {
    # A head is 64 wide where no norm of queries says so; more channels than both CLIPs have.
    "sd3": dict(transformer=mmdit(2, 64, 20, 224, 192, size=32), **TINY_CLIP),
    "sd35": dict(
        transformer=mmdit(3, 32, 24, 224, 192, "rms_norm", (0, 2), heads=2, size=32), **TINY_CLIP
    ),
    "sd35-medium": dict(
        transformer=mmdit(24, 64, 384, 4096, 2048, "rms_norm", tuple(range(13))), **CLIP
    ),
    "sd35-large": dict(transformer=mmdit(38, 64, 192, 4096, 2048, "rms_norm"), **CLIP),
}


def write_index(out):
    os.makedirs(f"{out}/scheduler", exist_ok=True)
    folder.write_json(f"{out}/scheduler/scheduler_config.json", FLOW)
    clip = ["transformers", "CLIPTextModelWithProjection"]
    folder.write_json(
        f"{out}/model_index.json",
        {
            "_class_name": "StableDiffusion3Pipeline",
            "_diffusers_version": "0.29.0",
            "scheduler": ["diffusers", FLOW["_class_name"]],
            "text_encoder": clip,
            "text_encoder_2": clip,
            "text_encoder_3": [None, None],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "tokenizer_2": ["transformers", "CLIPTokenizer"],
            "tokenizer_3": [None, None],
            "transformer": ["diffusers", "SD3Transformer2DModel"],
            "vae": ["diffusers", "AutoencoderKL"],
        },
    )


def write_transformer(out, config, seed):
    with torch.device("meta"):
        model = SD3Transformer2DModel(**config)

    def norm(name, x):
        if ".norm_" in name and "linear" not in name:
            return 1 + 0.1 * x

    def tensors():
        yield "pos_embed.pos_embed", positions(config)
        yield from families.pooled_tensors(model, seed, 20, norm)

    os.makedirs(out, exist_ok=True)
    model.save_config(out)
    shards.write(out, tensors())


def positions(config):
    width = config["attention_head_dim"] * config["num_attention_heads"]
    table = PatchEmbed(
        height=config["sample_size"], width=config["sample_size"], patch_size=2, in_channels=1,
        embed_dim=width, pos_embed_max_size=config["pos_embed_max_size"],
    ).pos_embed
    return table.to(torch.float16)


def write_model(out, model, seed):
    """Each part is built once, written and freed; parts that are there stay."""
    sizes = MODELS[model]
    write_index(out)
    for i, part in enumerate(("text_encoder", "text_encoder_2")):
        pad = "!" if i else "<|endoftext|>"
        where = f"{out}/{part.replace('text_encoder', 'tokenizer')}"
        tiny = sizes[part]["width"] < 256
        vocab = families.write_tokenizer(where, pad, 86 if tiny else 48894)
        if os.path.exists(f"{out}/{part}/model.safetensors"):
            continue
        text, _ = families.build_text(build.generator(seed, i), where, sizes[part], vocab)
        if not i:
            with torch.no_grad():  # as published
                text.text_projection.weight.copy_(torch.eye(sizes[part]["width"]))
        families.save_part(text, out, part)
        del text
        gc.collect()
    if not os.path.exists(f"{out}/vae/diffusion_pytorch_model.safetensors"):
        vae = families.build_vae(
            sizes["vae"], seed, 16, scaling_factor=1.5305, shift_factor=0.0609,
            use_quant_conv=False, use_post_quant_conv=False,
        )
        families.save_part(vae, out, "vae")
        del vae
    write_transformer(f"{out}/transformer", sizes["transformer"], seed)


def parts_of(out):
    def load(part):
        name = "model" if part.startswith("text") else "diffusion_pytorch_model"
        return shards.load(f"{out}/{part}", name)

    there = ("text_encoder", "text_encoder_2", "text_encoder_3", "transformer", "vae")
    return {p: load(p) for p in there if os.path.isdir(f"{out}/{p}")}


def levels_of(out):
    return len(json.load(open(f"{out}/vae/config.json"))["block_out_channels"])


def write_list(out):
    with open(f"{out}/single-names.txt", "w") as f:
        f.writelines(line + "\n" for line in names.single_list(parts_of(out), levels_of(out)))


def write_single(out, path):
    save_file(names.to_single(parts_of(out), levels_of(out)), path, metadata={"format": "pt"})


def check_single(out, path):
    """diffusers' own conversion of the single file must give the folder's tensors."""
    parts = parts_of(out)
    vae_config = json.load(open(f"{out}/vae/config.json"))

    def clip(short):
        return lambda s: original.convert_ldm_clip_checkpoint(s, f"text_encoders.{short}.transformer.")

    def transformer(s):
        mine = {k: v for k, v in s.items() if k.startswith(names.MMDIT)}
        return original.convert_sd3_transformer_checkpoint_to_diffusers(mine)

    back = {
        "transformer": transformer,
        "vae": lambda s: original.convert_ldm_vae_checkpoint(s, vae_config),
        "text_encoder": clip("clip_l"),
        "text_encoder_2": clip("clip_g"),
    }
    for part, convert in back.items():
        got, want = convert(load_file(path)), dict(parts[part])
        if part == "text_encoder":
            del want["text_projection.weight"]
        if got.keys() != want.keys():
            raise SystemExit(f"{path}: {part}: {sorted(got.keys() ^ want.keys())[:6]}")
        for k, v in want.items():
            if not torch.equal(got[k].reshape(v.shape), v):
                raise SystemExit(f"{path}: {part}: {k} differs")
        print(f"{path}: {part}: {len(want)} tensors equal after diffusers' own conversion")
