#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the tiny random-weight Stable Diffusion 1.5 of the golden tests, and its tensors as
diffusers computes them, float32 on the CPU.

  make_tiny.py [OUTDIR] [--single DIR]      (OUTDIR: ../golden/tiny-sd15 beside this script)

Tensors with image axes are stored NHWC. The weights are f16. The number of heads (8; text: 64
channels a head) and of norm groups (32) are SD 1.5's, because a single file does not say
them; all widths are smaller.

ldm-names.txt lists `part<TAB>name in the folder<TAB>name in the single file` for each tensor.
--single also writes the same weights as original single files, too large to commit twice: whole,
without the VAE, with an inner `state_dict.` prefix, and with the text encoder's names without
`text_model.`.
"""

import argparse
import glob
import os

import torch
from safetensors.torch import load_file, save_file

import sd15_build as build
import sd15_folder as folder
import sd15_names as names
import sd15_reference as reference

PROMPT = "a photo of a small red cat, 42 stars"
NEGATIVE = "blurry, bad hands"
UNET_SIZES = {"8x8": (8, 8), "9x11": (9, 11)}  # latent height x width


def write_model(out, seed):
    merges = folder.clip_merges(86)
    vocab = folder.write_tokenizer(f"{out}/tokenizer", merges)
    folder.write_index(out)
    text, ctx = build.build_text(build.generator(seed, 0), f"{out}/tokenizer", 64, 1, 2, 256, vocab)
    vae = build.build_vae(build.generator(seed, 2), (64, 32, 32, 32), 16)
    unet = build.build_unet(build.generator(seed, 1), (32, 32, 32, 64), ctx, 16)
    for part, model in (("text_encoder", text), ("unet", unet), ("vae", vae)):
        build.save_part(model, out, part, torch.float16)
    with open(f"{out}/ldm-names.txt", "w") as f:
        for part, prefix, rename in (
            ("unet", "", names.unet_name),
            ("vae", "", names.vae_name),
            ("text_encoder", "text_model.", lambda k: names.CLIP + k),
        ):
            f.writelines(f"{part}\t{prefix}{k}\t{rename(k)}\n" for k in build.load_part(out, part))


def write_singles(model_dir, out):
    os.makedirs(out, exist_ok=True)
    whole = f"{out}/single.safetensors"
    build.write_single(model_dir, whole, torch.float16)
    build.check_single(model_dir, whole)
    state = load_file(whole)
    save_file(
        {k: v for k, v in state.items() if not k.startswith(names.VAE)}, f"{out}/no-vae.safetensors"
    )
    save_file({"state_dict." + k: v for k, v in state.items()}, f"{out}/state-dict.safetensors")
    save_file(
        {k.replace(".text_model.", "."): v for k, v in state.items()},
        f"{out}/no-text-model.safetensors",
    )


def write_golden(model_dir, out):
    """Rows of text/text.npy are PROMPT, NEGATIVE and the empty prompt; the other cases use them and
    do not repeat them: image has NEGATIVE and PROMPT, the U-Net cases the empty one and PROMPT."""
    pipe = reference.load_pipeline(model_dir)
    reference.text_case(pipe, f"{out}/text", [PROMPT, NEGATIVE, ""])
    for name, (h, w) in UNET_SIZES.items():
        reference.unet_case(pipe, f"{out}/unet-{name}", h, w, [981, 500, 1], PROMPT, "")
    reference.vae_case(pipe, f"{out}/vae-9x11", 9, 11)
    case = dict(prompt=PROMPT, negative=NEGATIVE, seed=7, width=64, height=64)
    reference.image_case(pipe, f"{out}/image", {**case, "sampler": "ddim", "steps": 5, "cfg": 7.5})
    for path in glob.glob(f"{out}/unet-8x8/t981/*.npy"):  # 1x1 maps: norms of one value say little
        if not path.endswith("output.npy"):
            os.remove(path)
    for repeated in ("unet-8x8/text", "unet-9x11/text", "image/text", "image/ids", "image/decoded"):
        os.remove(f"{out}/{repeated}.npy")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    ap = argparse.ArgumentParser()
    ap.add_argument("out", nargs="?", default=os.path.join(here, "../golden/tiny-sd15"))
    ap.add_argument("--single", metavar="DIR")
    ap.add_argument("--seed", type=int, default=20)
    a = ap.parse_args()
    torch.set_num_threads(1)
    out = os.path.normpath(a.out)
    write_model(out, a.seed)
    if a.single:
        write_singles(out, a.single)
    write_golden(out, f"{out}/golden")
    total = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(out) for f in files)
    print(f"{out}: {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
