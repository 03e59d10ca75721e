#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write a full-size Stable Diffusion 1.5 of random weights in every layout, and check that
diffusers' own conversion of the single file gives the folder's tensors.

  make_sd15_full.py OUTDIR [--seed N] [--dtype f16|f32|both] [--variants] [--list-script FILE]

  OUTDIR/<dtype>/diffusers/           the published names (text encoder under `text_model.`)
  OUTDIR/<dtype>/single.safetensors   original single file, 1145 tensors
  with --variants, f16 only, unchanged parts being hard links:
  OUTDIR/f16/diffusers-fp16/          every weight file with the `.fp16.` infix
  OUTDIR/f16/diffusers-sharded/       U-Net in several shards with an index
  OUTDIR/f16/diffusers-names/         VAE attention as query/key/value/proj_attn, as published;
                                      text encoder without `text_model.`, as new transformers write

--list-script: a script that prints `name [shape]` lines of the published checkpoint when called
with --list; the single file must have exactly those. sd15_weights.py says how the weights are
drawn. Peak memory about 9 GB.
"""

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys

import torch
from diffusers import UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import save_file

import sd15_build as build
import sd15_folder as folder
import sd15_names as names

DTYPES = {"f16": torch.float16, "f32": torch.float32}
CALIBRATION_LATENT = 32


def write_parts(outs, seed):
    """outs: {folder: dtype}. Each part is built once, written to each folder, and freed."""
    for out in outs:
        vocab = folder.write_tokenizer(f"{out}/tokenizer", folder.clip_merges(48894))
        folder.write_index(out)

    def save(model, part):
        for out, dtype in outs.items():
            build.save_part(model, out, part, dtype)
        gc.collect()

    text, ctx = build.build_text(
        build.generator(seed, 0), f"{next(iter(outs))}/tokenizer", 768, 12, 12, 3072, vocab
    )
    save(text, "text_encoder")
    del text
    save(build.build_vae(build.generator(seed, 2), (128, 256, 512, 512), CALIBRATION_LATENT), "vae")
    save(
        build.build_unet(build.generator(seed, 1), (320, 640, 1280, 1280), ctx, CALIBRATION_LATENT),
        "unet",
    )


def link_tree(src, dst, rename=lambda name: name):
    for where, _, files in os.walk(src):
        target = os.path.join(dst, os.path.relpath(where, src))
        os.makedirs(target, exist_ok=True)
        for name in files:
            os.link(os.path.join(where, name), os.path.join(target, rename(name)))


def write_variants(root):
    plain = f"{root}/diffusers"
    for name in ("fp16", "sharded", "names"):
        shutil.rmtree(f"{root}/diffusers-{name}", ignore_errors=True)
    link_tree(
        plain, f"{root}/diffusers-fp16", lambda n: n.replace(".safetensors", ".fp16.safetensors")
    )

    sharded = f"{root}/diffusers-sharded"
    link_tree(plain, sharded)
    shutil.rmtree(f"{sharded}/unet")
    unet = UNet2DConditionModel.from_pretrained(f"{plain}/unet", dtype=torch.float16)
    unet.save_pretrained(f"{sharded}/unet", max_shard_size="500MB")
    del unet

    other = f"{root}/diffusers-names"
    link_tree(plain, other)
    for part, state in (
        ("vae", names.old_vae_attention(build.load_part(plain, "vae"))),
        ("text_encoder", build.load_part(plain, "text_encoder")),
    ):
        path = f"{other}/{part}/{build.PART_FILES[part]}.safetensors"
        os.remove(path)
        save_file(state, path, metadata={"format": "pt"})


def check_list(path, script):
    """Names and shapes against the list of the published checkpoint that `script --list` prints."""
    lines = subprocess.run(
        [sys.executable, script, "--list"], check=True, capture_output=True, text=True
    ).stdout
    want = {n: json.loads(s) for n, s in (line.split(" ", 1) for line in lines.splitlines())}
    with safe_open(path, "pt") as f:
        got = {n: list(f.get_slice(n).get_shape()) for n in f.keys()}
    if got != want:
        wrong = [n for n in sorted(got.keys() | want.keys()) if got.get(n) != want.get(n)]
        raise SystemExit(f"{path}: {len(wrong)} names or shapes differ from {script}: {wrong[:6]}")
    print(f"{path}: {len(got)} names and shapes equal {os.path.basename(script)}")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("out")
    ap.add_argument("--seed", type=int, default=15)
    ap.add_argument("--dtype", choices=("f16", "f32", "both"), default="both")
    ap.add_argument("--variants", action="store_true")
    ap.add_argument("--list-script")
    a = ap.parse_args()
    torch.set_num_threads(1)
    dtypes = ["f16", "f32"] if a.dtype == "both" else [a.dtype]
    write_parts({f"{a.out}/{d}/diffusers": DTYPES[d] for d in dtypes}, a.seed)
    for d in dtypes:
        root = f"{a.out}/{d}"
        build.write_single(f"{root}/diffusers", f"{root}/single.safetensors", DTYPES[d])
        gc.collect()
        build.check_single(f"{root}/diffusers", f"{root}/single.safetensors")
        if a.list_script:
            check_list(f"{root}/single.safetensors", a.list_script)
    if a.variants:
        if "f16" not in dtypes:
            raise SystemExit("--variants needs the f16 folder")
        write_variants(f"{a.out}/f16")


if __name__ == "__main__":
    main()
