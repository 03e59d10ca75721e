#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check the diffusers folders that sdconvert writes: diffusers' from_pretrained reads them as they are,
and has the tensors of the models that the single files were made of.

  check_folder.py [--sdconvert ./sdconvert] [--full FILE FOLDER]

Of the tiny models in ../golden, each as a single file and back as a folder; of their U-Nets in the
shapes of make_nets.py (BK-SDM, SSD-1B, KOALA, LCM); and of the rules of noise there (Playground v2.5,
CosXL) by their marks. With --full that file instead, against the folder that it was made of, with
CLIP's tokenizer. Exit 1 where anything differs.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile

import diffusers
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTokenizer

import make_nets as nets

GOLDEN = f"{nets.HERE}/../golden"
bad = 0


def say(what, good, text):
    global bad
    bad += not good
    print(f"{what}: {text}{'' if good else '  WRONG'}", flush=True)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")


def load(folder):
    kind = json.load(open(f"{folder}/model_index.json"))["_class_name"]
    more = {}
    if "3" in kind and not os.path.isdir(f"{folder}/text_encoder_3"):
        more = {"text_encoder_3": None, "tokenizer_3": None}  # which diffusers wants to be told
    return getattr(diffusers, kind).from_pretrained(folder, torch_dtype=torch.float16,
                                                    local_files_only=True, **more)


def bare(state):
    return {k.removeprefix("text_model."): v for k, v in state.items() if "position_ids" not in k}


def compare(what, got, want):
    """Two modules, tensor by tensor and, where both have one, by their configurations."""
    a, b = bare(got.state_dict()), bare(want.state_dict())
    alike = sum(k in a and a[k].shape == v.shape and torch.equal(a[k], v.to(a[k].dtype))
                for k, v in b.items())
    say(what, alike == len(b) and len(a) == len(b), f"{alike} of {len(b)} tensors equal")


def compare_pipes(what, got, want, kind=None):
    """kind: got's pipeline, where that is another than want's."""
    for part, model in want.components.items():
        if isinstance(model, torch.nn.Module):
            compare(f"{what}, {part}", getattr(got, part), model)
    name = type(got).__name__
    say(f"{what}, pipeline", name == (kind or type(want).__name__), name)


def compare_tokens(what, got, want):
    texts = ["a photo of a cat", "Ünïcode 42 (very:1.2) !!", "", "the " * 80]
    same = all(got(t, padding="max_length", truncation=True).input_ids ==
               want(t, padding="max_length", truncation=True).input_ids for t in texts)
    say(what, same, f"{len(texts)} prompts give the same ids")


def there_and_back(a, what, folder, work, kind=None):
    """folder as a single file, and that as a folder."""
    run(a.sdconvert, "--quiet", folder, f"{work}/x.safetensors")
    run(a.sdconvert, "--quiet", f"{work}/x.safetensors", f"{work}/out/")
    # A tiny model has a vocabulary of its own, which a single file has not.
    for name in os.listdir(folder):
        if name.startswith("tokenizer"):
            shutil.rmtree(f"{work}/out/{name}")
            shutil.copytree(f"{folder}/{name}", f"{work}/out/{name}")
    compare_pipes(what, load(f"{work}/out"), load(folder), kind)
    shutil.rmtree(f"{work}/out")


def check_families(a):
    for family in ("sd15", "sd21", "sdxl", "sdxl-refiner", "sd3", "sd35"):
        with tempfile.TemporaryDirectory() as work:
            there_and_back(a, f"tiny-{family}", f"{GOLDEN}/tiny-{family}", work)


def check_t5(a):
    """A T5 put in, with its tokenizer."""
    with tempfile.TemporaryDirectory() as work:
        t5 = f"{GOLDEN}/tiny-sd35/t5"
        run(a.sdconvert, "--quiet", "--t5", t5, "--t5-tokenizer",
            f"{GOLDEN}/t5-tokenizer/spiece.model", f"{GOLDEN}/tiny-sd35", f"{work}/out/")
        pipe = load(f"{work}/out")
        got, want = pipe.text_encoder_3.state_dict(), load_file(f"{t5}/model.safetensors")
        want.pop("encoder.embed_tokens.weight", None)
        alike = sum(torch.equal(got[k], v) for k, v in want.items())
        say("T5", alike == len(want) and set(got) - set(want) <= {"encoder.embed_tokens.weight"},
            f"{alike} of {len(want)} tensors equal")
        text = "a photo of a small red cat"
        say("T5", len(pipe.tokenizer_3(text).input_ids) > 3, str(pipe.tokenizer_3(text).input_ids))


def check_shapes(a):
    for name, (config, _, _) in nets.KINDS.items():
        base = "sdxl" if "addition_embed_type" in config else "sd15"
        with tempfile.TemporaryDirectory() as work:
            folder = f"{work}/in"
            shutil.copytree(f"{GOLDEN}/tiny-{base}", folder)
            shutil.rmtree(f"{folder}/unet")
            nets.make(config).half().save_pretrained(f"{folder}/unet")
            kind = "LatentConsistencyModelPipeline" if name == "lcm" else None
            there_and_back(a, name, folder, work, kind)


def check_edm(a):
    """Marks of a single file become a scheduler's configuration, and the VAE's numbers."""
    marks = {
        "playground": {"edm_mean": torch.tensor(nets.MEAN), "edm_std": torch.tensor(nets.STD)},
        "cosxl": {"edm_vpred.sigma_max": torch.tensor([120.0]),
                  "edm_vpred.sigma_min": torch.tensor([0.002])},
    }
    for name, more in marks.items():
        with tempfile.TemporaryDirectory() as work:
            run(a.sdconvert, "--quiet", f"{GOLDEN}/tiny-sdxl", f"{work}/x.safetensors")
            save_file(load_file(f"{work}/x.safetensors") | more, f"{work}/x.safetensors")
            run(a.sdconvert, "--quiet", f"{work}/x.safetensors", f"{work}/out/")
            got, (want, _) = load(f"{work}/out"), nets.EDM[name]
            keys = ("sigma_min", "sigma_max", "sigma_data", "prediction_type", "sigma_schedule")
            off = [k for k in keys if got.scheduler.config[k] != want.config[k]
                   and abs(got.scheduler.config[k] - want.config[k]) > 1e-7]
            say(name, type(got.scheduler) is type(want) and not off,
                f"{type(got.scheduler).__name__}, {', '.join(off) or 'all keys'}")
            if name == "playground":
                v = got.vae.config
                say(name, v.latents_mean == nets.MEAN and v.latents_std == nets.STD
                    and v.scaling_factor == 0.5, "the VAE's statistics")


def check_full(a, file, folder):
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(file))) as work:
        run(a.sdconvert, "--quiet", file, f"{work}/out/")
        got = load(f"{work}/out")
        compare_pipes(file, got, load(folder))
        for name in sorted(os.listdir(folder)):
            if name.startswith("tokenizer"):
                compare_tokens(f"{file}, {name}", getattr(got, name),
                               CLIPTokenizer.from_pretrained(f"{folder}/{name}"))


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--sdconvert", default="./sdconvert")
    ap.add_argument("--full", nargs=2, metavar=("FILE", "FOLDER"))
    a = ap.parse_args()
    torch.set_num_threads(1)
    if a.full:
        check_full(a, *a.full)
    else:
        check_families(a)
        check_t5(a)
        check_shapes(a)
        check_edm(a)
    raise SystemExit(bad > 0)


if __name__ == "__main__":
    main()
