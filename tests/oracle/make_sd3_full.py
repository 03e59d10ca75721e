#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write full-size SD 3.5 Medium or Large of random weights, f16, as a diffusers folder and, where
asked for, a single file, which diffusers' own conversion must turn back.

  make_sd3_full.py OUTDIR sd35-medium|sd35-large [--single] [--layers N] [--seed N]

Medium takes 7 GB of disk, 14 with the single file, and 6 GB of memory; Large 18 GB and 8 GB. With
--layers the transformer has only so many.
"""

import argparse

import torch

import sd3_build as sd3


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("out")
    ap.add_argument("model", choices=["sd35-medium", "sd35-large"])
    ap.add_argument("--seed", type=int, default=7)
    ap.add_argument("--single", action="store_true")
    ap.add_argument("--layers", type=int)
    a = ap.parse_args()
    torch.set_num_threads(1)
    folder = f"{a.out}/{a.model}/diffusers"
    if a.layers:
        sd3.MODELS[a.model]["transformer"]["num_layers"] = a.layers
    sd3.write_model(folder, a.model, a.seed)
    if a.single:
        path = f"{a.out}/{a.model}/single.safetensors"
        sd3.write_single(folder, path)
        sd3.check_single(folder, path)


if __name__ == "__main__":
    main()
