# SPDX-License-Identifier: MIT
"""Weights of a diffusers folder in one file or, where they are large, in several with an index."""

import json
import os

from safetensors.torch import load_file, save_file

LIMIT = 5 << 30
STEM = "diffusion_pytorch_model"


def write(where, tensors):
    """tensors: (name, tensor), one after the other; no more than a file's are held."""
    files, held, size = [], {}, 0

    def close():
        files.append((f"{where}/part{len(files)}", list(held)))
        save_file(held, files[-1][0], metadata={"format": "pt"})

    for name, x in tensors:
        if held and size + x.nbytes > LIMIT:
            close()
            held, size = {}, 0
        held[name] = x
        size += x.nbytes
    close()
    names = {}
    for i, (path, inside) in enumerate(files):
        tail = f"-{i + 1:05}-of-{len(files):05}" if len(files) > 1 else ""
        os.rename(path, f"{where}/{STEM}{tail}.safetensors")
        names |= {name: f"{STEM}{tail}.safetensors" for name in inside}
    if len(files) > 1:
        total = sum(os.path.getsize(f"{where}/{f}") for f in set(names.values()))
        with open(f"{where}/{STEM}.safetensors.index.json", "w") as f:
            json.dump({"metadata": {"total_size": total}, "weight_map": names}, f, indent=2)


def load(where, stem=STEM):
    """{name: mapped tensor}"""
    index = f"{where}/{stem}.safetensors.index.json"
    if not os.path.exists(index):
        return load_file(f"{where}/{stem}.safetensors")
    files = sorted(set(json.load(open(index))["weight_map"].values()))
    return {k: v for f in files for k, v in load_file(f"{where}/{f}").items()}
