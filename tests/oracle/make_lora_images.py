#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write LoRAs of other trainers for the tiny SDXL and SD 3.5, in their names, and the image that
diffusers makes with the weights merged, float32 on the CPU.

  make_lora_images.py [OUTDIR]      (OUTDIR: ../golden beside this script, which has the models)

tiny-sd35: kohya's sd-scripts with its default settings, which change the last block's text
modulation and the final layer's, whose halves diffusers swaps, with both CLIPs and a T5, which one
of two images is without; the same without the T5 in the Open Model Initiative's names. tiny-sdxl:
OneTrainer's with the second text encoder's projection, alpha bf16, an embedding bundled; the same
in OMI's names. Merged weights are rounded to f16, as the models store theirs.
"""

import argparse
import os
import tempfile

import torch
from diffusers import EulerDiscreteScheduler
from safetensors.torch import load_file, save_file

import families_reference as families
import make_sd3 as sd3
import sd15_reference as reference

HERE = os.path.dirname(os.path.abspath(__file__))
PROMPT = "a photo of a small red cat, 42 stars"
RANK, ALPHA = 2, 3.0

# The original's name, how its rows lie in diffusers' modules (one, three, halves swapped), those.
BLOCK = "transformer_blocks"
SD35 = [
    ("joint_blocks.0.x_block.attn.qkv", "join", [f"{BLOCK}.0.attn.to_{x}" for x in "qkv"]),
    ("joint_blocks.0.context_block.adaLN_modulation.1", "copy", [f"{BLOCK}.0.norm1_context.linear"]),
    ("joint_blocks.1.x_block.mlp.fc1", "copy", [f"{BLOCK}.1.ff.net.0.proj"]),
    ("joint_blocks.2.context_block.adaLN_modulation.1", "swap", [f"{BLOCK}.2.norm1_context.linear"]),
    ("final_layer.adaLN_modulation.1", "swap", ["norm_out.linear"]),
    ("final_layer.linear", "copy", ["proj_out"]),
    ("x_embedder.proj", "copy", ["pos_embed.proj"]),
    ("context_embedder", "copy", ["context_embedder"]),
]
SDXL = [
    "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k",
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_q",
    "down_blocks.0.resnets.0.conv1",
    "add_embedding.linear_1",
]
QUERY, PROJECTION = "text_model.encoder.layers.0.self_attn.q_proj", "text_projection"
T5_QUERY = "encoder.block.0.layer.0.SelfAttention.q"


def find(model, name):
    """The module, also where transformers has flattened text_model away."""
    try:
        return model.get_submodule(name)
    except AttributeError:
        return model.get_submodule(name.removeprefix("text_model."))


def factors(rows, weight, seed):
    """up [rows, RANK] and down [RANK, ...], for a change of about half the weight's size."""
    down = reference.normals((RANK, *weight.shape[1:]), [seed, 1])
    up = reference.normals((rows, RANK), [seed, 2])
    size = 0.5 * weight.std() / ((up @ down.flatten(1)).std() * ALPHA / RANK)
    return up * size.sqrt(), down * size.sqrt()


def merge(modules, how, up, down):
    change = ALPHA / RANK * (up @ down.flatten(1))
    if how == "swap":
        change = torch.cat(change.chunk(2)[::-1])
    for module, part in zip(modules, change.chunk(len(modules))):
        new = module.weight + part.view(module.weight.shape)
        module.weight.data.copy_(new.half())


def pair(key, up, down, alpha):
    conv = down.dim() == 4
    return {f"{key}.lora_up.weight": up[:, :, None, None] if conv else up,
            f"{key}.lora_down.weight": down, f"{key}.alpha": alpha}


def legacy(prefix, name):
    return prefix + name.replace(".", "_")


def save(state, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    save_file({k: v.detach().contiguous().clone() for k, v in state.items()}, path)


def load_t5(pipe, folder):
    """The T5 that lies beside the model, put into the pipeline."""
    with tempfile.TemporaryDirectory() as scratch:
        sd3.add_t5(pipe, scratch, f"{folder}/../t5-tokenizer", 0)
    state = {k: v.float() for k, v in load_file(f"{folder}/t5/model.safetensors").items()}
    state["encoder.embed_tokens.weight"] = state["shared.weight"]
    pipe.text_encoder_3.load_state_dict(state)
    return pipe.text_encoder_3


def write_sd35(folder):
    pipe = sd3.load_pipeline(folder)
    alpha = torch.tensor(ALPHA)
    kohya, omi = {}, {}
    for i, (name, how, targets) in enumerate(SD35):
        modules = [pipe.transformer.get_submodule(t) for t in targets]
        up, down = factors(len(modules) * modules[0].weight.shape[0], modules[0].weight, i)
        merge(modules, how, up, down)
        kohya |= pair(legacy("lora_unet_", name), up, down, alpha)
        if how == "join":
            for k, part in enumerate(up.chunk(3)):
                omi |= pair(f"transformer.{name}.{k}", part, down, alpha)
        else:
            omi |= pair(f"transformer.{name}", up, down, alpha)
    for i, (part, key, short) in enumerate(
        [("text_encoder", "lora_te1_", "clip_l"), ("text_encoder_2", "lora_te2_", "clip_g")]
    ):
        module = find(getattr(pipe, part), QUERY)
        up, down = factors(module.weight.shape[0], module.weight, 20 + i)
        merge([module], "copy", up, down)
        kohya |= pair(legacy(key, QUERY), up, down, alpha)
        omi |= pair(f"{short}.{QUERY}", up, down, alpha)
    t5 = load_t5(pipe, folder)
    module = t5.get_submodule(T5_QUERY)
    up, down = factors(module.weight.shape[0], module.weight, 30)
    merge([module], "copy", up, down)
    kohya |= pair(legacy("lora_te3_", T5_QUERY), up, down, alpha)
    save(kohya, f"{folder}/lora/kohya-default.safetensors")
    save(omi, f"{folder}/lora/omi.safetensors")
    case = dict(prompt=PROMPT, seed=7, negative=None, sampler="euler", steps=3, cfg=4.0, width=64,
                height=48)
    pipe.text_encoder_3, with_t5 = None, pipe.text_encoder_3
    families.image_case(pipe, f"{folder}/golden/image-lora-default", case, pipe.scheduler)
    pipe.text_encoder_3 = with_t5
    families.image_case(pipe, f"{folder}/golden/image-lora-t5", case, pipe.scheduler)


def originals(folder):
    """The original U-Net's name of each of diffusers' modules."""
    names = {}
    for line in open(f"{folder}/single-names.txt"):
        single, how, part, *source = line.rstrip("\n").split("\t")
        if part == "unet" and how == "copy":
            single = single.removeprefix("model.diffusion_model.")
            names[source[0].removesuffix(".weight")] = single.removesuffix(".weight")
    return names


def write_sdxl(folder):
    pipe = families.load_pipeline(folder, "sdxl")
    alpha = torch.tensor(ALPHA, dtype=torch.bfloat16)
    names = originals(folder)
    modules = [("unet", "lora_unet_", "unet", names[x], x) for x in SDXL]
    modules += [("text_encoder", "lora_te1_", "clip_l", QUERY, QUERY)]
    modules += [("text_encoder_2", "lora_te2_", "clip_g", x, x) for x in (QUERY, PROJECTION)]
    onetrainer, omi = {}, {}
    for i, (part, key, short, original, name) in enumerate(modules):
        module = find(getattr(pipe, part), name)
        up, down = factors(module.weight.shape[0], module.weight, 40 + i)
        merge([module], "copy", up, down)
        onetrainer |= pair(legacy(key, name), up, down, alpha)
        omi |= pair(f"{short}.{original}", up, down, alpha)
    omi["bundle_emb.cat.clip_l"] = torch.zeros(1, 4)
    omi["bundle_emb.cat.clip_g"] = torch.zeros(1, 4)
    save(onetrainer, f"{folder}/lora/onetrainer.safetensors")
    save(omi, f"{folder}/lora/omi.safetensors")
    case = dict(prompt=PROMPT, seed=7, negative=None, sampler="euler", steps=3, cfg=5.0, width=64,
                height=48)
    scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    families.image_case(pipe, f"{folder}/golden/image-lora", case, scheduler)


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("out", nargs="?", default=os.path.join(HERE, "../golden"))
    out = os.path.normpath(ap.parse_args().out)
    torch.set_num_threads(1)
    with torch.no_grad():
        write_sd35(f"{out}/tiny-sd35")
        write_sdxl(f"{out}/tiny-sdxl")


if __name__ == "__main__":
    main()
