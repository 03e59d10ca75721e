#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check that diffusers' own from_single_file accepts a single file and finds the weights of the
diffusers folder it came from in it, and that sdgen draws the same image from both.

  check_single_file.py FOLDER FILE --sdgen ./sdgen [--size WxH] [--steps N] [--threads N]

A single file says nothing of spacing, zero terminal SNR and, but by a guess, prediction: sdgen is
told the folder's prediction and draws the folder with the other two at their defaults.
from_single_file is given the folder's configs and tokenizers without its weights, so that nothing
can come from there. Takes the memory of all weights once, as they are stored. Exit 1 where a tensor
or a pixel differs.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile

import diffusers
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file


def copy_configs(folder, to):
    def weights(where, names):
        return [n for n in names if n.endswith((".safetensors", ".npy"))]

    shutil.copytree(folder, to, ignore=weights)


def folder_state(folder, part):
    for name in ("model", "diffusion_pytorch_model"):
        if os.path.exists(f"{folder}/{part}/{name}.safetensors"):
            return load_file(f"{folder}/{part}/{name}.safetensors")
    raise SystemExit(f"{folder}/{part}: no weights")


def load(folder, file, configs):
    kind = json.load(open(f"{folder}/model_index.json"))["_class_name"]
    more = {"safety_checker": None} if kind == "StableDiffusionPipeline" else {}
    if "XL" in kind:
        more = {"add_watermarker": False}
    if "3" in kind and not os.path.isdir(f"{folder}/text_encoder_3"):
        more = {"text_encoder_3": None, "tokenizer_3": None}
    return getattr(diffusers, kind).from_single_file(
        file, config=configs, local_files_only=True, dtype=torch.float16, **more
    )


def compare_states(folder, pipe):
    """How many tensors of how many parts are equal, or an error that names one that is not."""
    counts = {}
    for part, model in pipe.components.items():
        if not isinstance(model, torch.nn.Module):
            continue
        short = str.removeprefix
        got = {short(k, "text_model."): v for k, v in model.state_dict().items()}
        want = {short(k, "text_model."): v for k, v in folder_state(folder, part).items()}
        alike = [k for k in want if k in got and torch.equal(got[k].to(want[k].dtype), want[k])]
        if len(alike) < len(want) or got.keys() - want.keys():
            off = sorted((want.keys() - set(alike)) | (got.keys() - want.keys()))
            raise SystemExit(f"{part}: {len(off)} tensors differ: {', '.join(off[:6])}")
        counts[part] = len(alike)
    return counts


def with_plain_schedule(folder, to):
    """A folder of links to that one's parts; the options that say its prediction."""
    os.mkdir(to)
    for name in os.listdir(folder):
        if name != "scheduler":
            os.symlink(os.path.abspath(f"{folder}/{name}"), f"{to}/{name}")
    config = json.load(open(f"{folder}/scheduler/scheduler_config.json"))
    config.pop("rescale_betas_zero_snr", None)
    if "timestep_spacing" in config:
        config["timestep_spacing"] = "leading"
    os.mkdir(f"{to}/scheduler")
    json.dump(config, open(f"{to}/scheduler/scheduler_config.json", "w"))
    return ["--prediction", "v"] if config.get("prediction_type") == "v_prediction" else []


def draw(a, model, out, options):
    width, height = a.size.split("x")
    command = [
        a.sdgen, "-m", model, "-p", "a photo of a small red cat", "-W", width, "-H", height,
        "--steps", str(a.steps), "--seed", "7", "--threads", str(a.threads), "--force", "-o", out,
        *options,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return np.asarray(Image.open(out))


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("folder")
    ap.add_argument("file")
    ap.add_argument("--sdgen", default="./sdgen")
    ap.add_argument("--size", default="256x256")
    ap.add_argument("--steps", type=int, default=2)
    ap.add_argument("--threads", type=int, default=2)
    a = ap.parse_args()
    with tempfile.TemporaryDirectory() as out:
        copy_configs(a.folder, f"{out}/configs")
        pipe = load(a.folder, a.file, f"{out}/configs")
        counts = compare_states(a.folder, pipe)
        print(f"{type(pipe).__name__}.from_single_file: equal tensors: {counts}", flush=True)
        del pipe
        options = with_plain_schedule(a.folder, f"{out}/folder")
        one = draw(a, f"{out}/folder", f"{out}/folder.png", options)
        other = draw(a, a.file, f"{out}/file.png", options)
    differ = int((one != other).any(-1).sum())
    print(f"sdgen, {a.size}: {differ} pixels differ between folder and single file; image's "
          f"deviation {one.std():.1f} of 255")
    raise SystemExit(int(differ > 0))


if __name__ == "__main__":
    main()
