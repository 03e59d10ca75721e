#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write what tests/test_upscaler.c compares with: pictures that small upscalers (upscalers.py) of weights
made up from their tensors' names make of a corner of pictures/init.png, float32 on the CPU.

  make_upscalers.py [DIR]   (DIR: ../golden beside this script)

nets/NAME.txt lists a network's tensors, a line each: BasicSR's name, the name in the files of the first
ESRGAN ("-": it has none), shape. nets/NAME.png is what it makes. nets/rrdb-x2.pth is a network as people
have it: pickled, in halves, under params_ema; rrdb-x2-half.png is what that makes.
"""

import os
import re
import sys

import numpy as np
import torch
from PIL import Image

import make_nets
from upscalers import RRDB, SRVGG

W, H = 40, 32
NETS = {
    "rrdb-x4": lambda: RRDB(24, 12, 2),
    "rrdb-x2": lambda: RRDB(20, 7, 1, unshuffle=2),
    "rrdb-x1": lambda: RRDB(16, 8, 1, unshuffle=4),
    "rrdb-old-x2": lambda: RRDB(16, 8, 2, doublings=1),
    "srvgg-x4": lambda: SRVGG(24, 4, 4),
    "srvgg-x3": lambda: SRVGG(12, 2, 3),
}


def original(name, net):
    """The name in ESRGAN's first code, a Sequential."""
    leaf = name.rsplit(".", 1)[1]
    m = re.match(r"body\.(\d+)\.rdb(\d)\.conv(\d)\.", name)
    if isinstance(net, SRVGG):
        return "-"
    if m:
        return f"model.1.sub.{m[1]}.RDB{m[2]}.conv{m[3]}.0.{leaf}"
    at = 3 * net.doublings
    stem = name.rsplit(".", 1)[0]
    if stem.startswith("conv_up"):
        return f"model.{3 * int(stem[7:])}.{leaf}"
    places = {"conv_first": "0", "conv_body": f"1.sub.{len(net.body)}", "conv_hr": str(at + 2),
              "conv_last": str(at + 4)}
    return f"model.{places[stem]}.{leaf}"


def times(key):
    """How much larger than make_nets' a weight is: a fifth of a dense block then is about as large as what
    goes around it."""
    if not re.search(r"\.rdb\d\.conv\d\.weight$", key):
        return 1
    return 4 if ".conv5." in key else 2


def made(name):
    """The network with its weights; RRDB's last bias is grey's, so that little is cut off."""
    net = NETS[name]().eval()
    with torch.no_grad():
        for key, value in net.state_dict().items():
            weight = make_nets.weight(key, tuple(value.shape)) * times(key)
            value.copy_(weight + 0.5 * (key == "conv_last.bias"))
    return net


def draw(net, x, path):
    with torch.no_grad():
        y = net(x)[0].permute(1, 2, 0).clamp(0, 1).numpy()
    clipped = np.mean((y <= 0) | (y >= 1))
    print(f"{path}: {y.shape}, {y.mean():.3f} +- {y.std():.3f}, clipped {clipped:.3f}")
    Image.fromarray(np.rint(255 * y).astype(np.uint8)).save(path)


def write_variants(root):
    """rrdb-x2 as the second of ESRGAN's codes names it, with a tensor more, and with one less."""
    names = {"conv_body": "trunk_conv", "conv_up": "upconv", "conv_hr": "HRconv", "body.": "RRDB_trunk.",
             "rdb": "RDB"}
    lines = [line.split("\t") for line in open(f"{root}/nets/rrdb-x2.txt", encoding="utf-8")]
    older = [[a, a, c] for a, _, c in lines]
    for line in older:
        for new, old in names.items():
            line[1] = line[1].replace(new, old) if line[1].startswith(new) or new == "rdb" else line[1]
    more = older + [["body.0.rdb1.conv1x1.weight", "RRDB_trunk.0.RDB1.conv1x1.weight", "7,20,1,1\n"]]
    less = [line for line in lines if not line[0].startswith("conv_hr")]
    for name, what in (("older", older), ("more", more), ("less", [[a, a, c] for a, _, c in less])):
        with open(f"{root}/nets/rrdb-{name}.txt", "w", encoding="utf-8") as f:
            f.writelines("\t".join(line) for line in what)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "golden")
    image = np.asarray(Image.open(f"{root}/pictures/init.png").convert("RGB"))
    image = image[:H, :W]
    x = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]
    for name in NETS:
        net = made(name)
        draw(net, x, f"{root}/nets/{name}.png")
        with open(f"{root}/nets/{name}.txt", "w", encoding="utf-8") as f:
            for key, value in net.state_dict().items():
                f.write(f"{key}\t{original(key, net)}\t{','.join(map(str, value.shape))}\n")
    write_variants(root)
    half = made("rrdb-x2").half()
    torch.save({"params_ema": half.state_dict()}, f"{root}/nets/rrdb-x2.pth")
    draw(half.float(), x, f"{root}/nets/rrdb-x2-half.png")


if __name__ == "__main__":
    main()
