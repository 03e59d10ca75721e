#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write tests/golden/sd15_names.txt: all tensors of a Stable Diffusion 1.5 single file.

  make_sd15_names.py DIR > sd15_names.txt

DIR is what make_sd15_full.py wrote for one dtype (diffusers/ and single.safetensors), having
checked both against each other with diffusers' own conversion. Each line: name in the single file,
shape, part.name in the folder ("-" for what no model needs), apart by tabs.
"""

import json
import struct
import sys

import sd15_names as names


def header(path):
    with open(path, "rb") as f:
        (size,) = struct.unpack("<Q", f.read(8))
        tensors = json.loads(f.read(size))
    tensors.pop("__metadata__", None)
    return {k: v["shape"] for k, v in tensors.items()}


def main():
    root = sys.argv[1]
    canonical = {}
    for part, file, rename in (
        ("unet", "diffusion_pytorch_model", names.unet_name),
        ("vae", "diffusion_pytorch_model", names.vae_name),
        ("text_encoder", "model", lambda k: names.CLIP + k.removeprefix("text_model.")),
    ):
        for name in header(f"{root}/diffusers/{part}/{file}.safetensors"):
            if not name.endswith("position_ids"):
                canonical[rename(name)] = f"{part}.{name}"
    single = header(f"{root}/single.safetensors")
    assert canonical.keys() <= single.keys(), canonical.keys() - single.keys()
    for name in sorted(single):
        print(name, json.dumps(single[name]), canonical.get(name, "-"), sep="\t")


if __name__ == "__main__":
    main()
