#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare sdgen with what reference_sd15.py wrote, and print a table. Exit 1 if over a limit.

  compare_sd15.py --sdgen ./sdgen --model PATH --ref DIR [--case NAME ...] [--images]
                  [--sdprobe ./sdprobe] [--precision f32] [--threads 2] [--keep DIR]

Limits: relative L2 1e-4 for text, U-Net and VAE; PSNR 50 dB for images. Needs numpy, and pillow
for the .png. Without --images, an image's case checks its text alone (one sampler step is run).
Single passes need sdprobe; without it their cases are left out.
"""

import argparse
import json
import os
import tempfile

import numpy as np

import compare
from probe import one_pass, run

REL_LIMIT, PSNR_LIMIT = 1e-4, 50.0
UNET_BLOCKS = ["conv_in", *(f"down{i}" for i in range(4)), "mid", *(f"up{i}" for i in range(4))]
TEXT = "text.text_encoder.text_model.final_layer_norm"
failures = 0


def row(case, what, got, want, judge="rel"):
    """One line of the table; judge: which measure has a limit ("max": none allowed)."""
    global failures
    if isinstance(got, str) and not os.path.exists(got):
        failures += 1
        print(f"{case:24} {what:16} MISSING {got}")
        return
    got, want = (compare.load(x) if isinstance(x, str) else x for x in (got, want))
    m = compare.measure(got, want)
    within = {"rel": m["rel"] <= REL_LIMIT, "psnr": m["psnr"] >= PSNR_LIMIT, "max": m["max"] == 0}
    within = judge is None or within[judge]
    failures += not within
    print(
        f"{case:24} {what:16} rel {m['rel']:.2e}  max {m['max']:.2e}  psnr {m['psnr']:7.2f}  "
        f"{'-' if judge is None else 'ok' if within else 'OVER'}"
    )


def probe(a, kind, out, **inputs):
    one_pass(a.sdprobe, a.model, kind, out, precision=a.precision, threads=a.threads, **inputs)


def image_case(a, name, ref, case, out):
    command = [
        a.sdgen, "-m", a.model, "-p", case["prompt"], "-n", case["negative"],
        "-W", str(case["width"]), "-H", str(case["height"]),
        "--steps", str(case["steps"] if a.images else 1), "--cfg-scale", str(case["cfg"]),
        "--sampler", case["sampler"], "--schedule", "default", "--seed", str(case["seed"]),
        "--rng", "cpu", "--precision", a.precision, "--threads", str(a.threads),
        "--dump", out, "--force", "-o", f"{out}/image.png",
    ]
    for wanted in (TEXT, "latent", "image"):  # everything would be tens of GB
        command += ["--dump-filter", wanted]
    run(command)
    text = compare.load(f"{out}/{TEXT}.npy")
    row(name, "text", text[::-1], compare.load(f"{ref}/text.npy"))  # ours: the negative first
    if a.images:
        row(name, "final latent", f"{out}/latent.npy", f"{ref}/latent.npy", None)
        image = np.clip(compare.load(f"{out}/image.npy") / 2 + 0.5, 0, 1)
        row(name, "image", image, compare.load(f"{ref}/image.npy"), "psnr")
        row(name, "image.png", f"{out}/image.png", f"{ref}/image.png", "psnr")


def unet_case(a, name, ref, case, out):
    for t in case["timesteps"]:
        probe(a, "unet", out, input=f"{ref}/input.npy", text=f"{ref}/text.npy", timestep=t)
        for block in [*UNET_BLOCKS, "output"]:
            if os.path.exists(f"{ref}/t{t}/{block}.npy"):
                row(name, f"t={t} {block}", f"{out}/{block}.npy", f"{ref}/t{t}/{block}.npy")


def vae_case(a, name, ref, case, out):
    probe(a, "vae-decode", out, input=f"{ref}/latent.npy")
    row(name, "decoded", f"{out}/decoded.npy", f"{ref}/decoded.npy")
    probe(a, "vae-encode", out, input=f"{ref}/image.npy")
    row(name, "moments", f"{out}/moments.npy", f"{ref}/moments.npy")


def text_case(a, name, ref, case, out):
    for i, prompt in enumerate(case["prompts"]):
        probe(a, "text", out, prompt=prompt)
        for what in ("ids", "text"):
            want = compare.load(f"{ref}/{what}.npy")[i]
            row(name, f"{what} {i}", f"{out}/{what}.npy", want, "max" if what == "ids" else "rel")


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("--sdgen", default="./sdgen")
    ap.add_argument("--sdprobe")
    ap.add_argument("--model", required=True)
    ap.add_argument("--ref", required=True)
    ap.add_argument("--case", action="append")
    ap.add_argument("--images", action="store_true")
    ap.add_argument("--precision", default="f32")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--keep", help="folder for what sdgen dumps (default: a temporary one)")
    a = ap.parse_args()
    compared = 0
    for name in a.case or sorted(os.listdir(a.ref)):
        ref = f"{a.ref}/{name}"
        if not os.path.exists(f"{ref}/case.json"):
            if a.case:
                raise SystemExit(f"{ref}: no case.json: no such case, or not finished")
            continue
        case = json.load(open(f"{ref}/case.json"))
        kind = name.split("-")[0]
        if kind in ("unet", "vae", "text") and not a.sdprobe:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            out = os.path.join(a.keep, name) if a.keep else temporary
            os.makedirs(out, exist_ok=True)
            {"unet": unet_case, "vae": vae_case, "text": text_case}.get(kind, image_case)(
                a, name, ref, case, out
            )
        compared += 1
    print(f"{compared} cases, {failures} over the limit")
    raise SystemExit(failures > 0 or compared == 0)


if __name__ == "__main__":
    main()
