# SPDX-License-Identifier: MIT
"""Tensor names of SD 3 and SD 3.5: diffusers folder -> original single file.

Written from the module structure of the original code (sd3-ref's mmdit.py), independent of
diffusers' own converter, which make_sd3.py uses to check this table in the other direction.
"""

import re

import torch

import sd15_names

MMDIT, TEXT = "model.diffusion_model.", "text_encoders."
OUTER = {
    "pos_embed.pos_embed": "pos_embed",
    "pos_embed.proj": "x_embedder.proj",
    "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
    "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2",
    "context_embedder": "context_embedder",
    "norm_out.linear": "final_layer.adaLN_modulation.1",
    "proj_out": "final_layer.linear",
}
BLOCK = {
    "norm1.linear": "x_block.adaLN_modulation.1",
    "norm1_context.linear": "context_block.adaLN_modulation.1",
    "attn.to_out.0": "x_block.attn.proj",
    "attn.to_add_out": "context_block.attn.proj",
    "attn.norm_q": "x_block.attn.ln_q",
    "attn.norm_k": "x_block.attn.ln_k",
    "attn.norm_added_q": "context_block.attn.ln_q",
    "attn.norm_added_k": "context_block.attn.ln_k",
    "attn2.to_out.0": "x_block.attn2.proj",
    "attn2.norm_q": "x_block.attn2.ln_q",
    "attn2.norm_k": "x_block.attn2.ln_k",
    "ff.net.0.proj": "x_block.mlp.fc1",
    "ff.net.2": "x_block.mlp.fc2",
    "ff_context.net.0.proj": "context_block.mlp.fc1",
    "ff_context.net.2": "context_block.mlp.fc2",
}
JOINED = {
    "attn.to_q": ("x_block.attn.qkv", "attn.to_{}"),
    "attn2.to_q": ("x_block.attn2.qkv", "attn2.to_{}"),
    "attn.add_q_proj": ("context_block.attn.qkv", "attn.add_{}_proj"),
}
ENCODERS = {"text_encoder": "clip_l", "text_encoder_2": "clip_g", "text_encoder_3": "t5xxl"}


def rows(parts, vae_levels):
    """(name in the single file, copy|join|swap, part, [names in the folder]) of each tensor."""
    mmdit = parts["transformer"]
    depth = 1 + max(int(k.split(".")[1]) for k in mmdit if k.startswith("transformer_blocks."))
    for k in mmdit:
        module, leaf = k.rsplit(".", 1)
        m = re.fullmatch(r"transformer_blocks\.(\d+)\.(.*)", module)
        if k == "pos_embed.pos_embed":
            yield MMDIT + "pos_embed", "copy", "transformer", [k]
        elif not m:
            op = "swap" if module == "norm_out.linear" else "copy"
            yield f"{MMDIT}{OUTER[module]}.{leaf}", op, "transformer", [k]
        elif m[2] in JOINED:
            to, source = JOINED[m[2]]
            names = [f"transformer_blocks.{m[1]}.{source.format(x)}.{leaf}" for x in "qkv"]
            yield f"{MMDIT}joint_blocks.{m[1]}.{to}.{leaf}", "join", "transformer", names
        elif m[2] in BLOCK:
            last = int(m[1]) == depth - 1 and m[2] == "norm1_context.linear"
            name = f"{MMDIT}joint_blocks.{m[1]}.{BLOCK[m[2]]}.{leaf}"
            yield name, "swap" if last else "copy", "transformer", [k]
    for k in parts["vae"]:
        yield sd15_names.vae_name(k, vae_levels), "copy", "vae", [k]
    for part, short in ENCODERS.items():
        for k in parts.get(part, {}):
            if (part, k) == ("text_encoder", "text_projection.weight"):
                continue  # published single files lack CLIP-L's: it is the identity
            yield f"{TEXT}{short}.transformer.{k}", "copy", part, [k]


def make(state, op, names):
    tensors = [state[k] for k in names]
    if op == "join":
        return torch.cat(tensors)
    if op == "swap":
        return torch.cat(tensors[0].chunk(2)[::-1])
    return tensors[0]


def to_single(parts, vae_levels):
    """{part: state} -> one dict."""
    out = {}
    for name, op, part, names in rows(parts, vae_levels):
        v = make(parts[part], op, names)
        linear = ".attn_1." in name and v.dim() == 2
        out[name] = (v[:, :, None, None] if linear else v).contiguous()
    return out


def single_list(parts, vae_levels):
    """Lines `name in the single file<TAB>op<TAB>part<TAB>name in the folder...`."""
    return ["\t".join([n, op, part, *names]) for n, op, part, names in sorted(rows(parts, vae_levels))]
