#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write full-size SD 2.1, SDXL or its refiner of random weights, f16, as a diffusers folder and a
single file, and check the single file with diffusers' own conversion.

  make_families_full.py OUTDIR sd21|sdxl|sdxl-refiner [--no-single] [--plain] [--seed N]

SDXL takes 14 GB of disk and up to 17 GB of memory; with --plain, which neither draws all weights
of the U-Net nor calibrates them, 6 GB of memory and a tenth of the time.
"""

import argparse

import torch

import families_build as families


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("out")
    ap.add_argument("family", choices=[f for f, v in families.FAMILIES.items() if "full" in v])
    ap.add_argument("--seed", type=int, default=7)
    ap.add_argument("--no-single", action="store_true")
    ap.add_argument("--plain", action="store_true")
    a = ap.parse_args()
    torch.set_num_threads(1)
    folder = f"{a.out}/{a.family}/diffusers"
    families.write_family(folder, a.family, "full", a.seed, a.plain)
    if not a.no_single:
        path = f"{a.out}/{a.family}/single.safetensors"
        families.write_single(folder, path)
        families.check_single(folder, path, a.family)


if __name__ == "__main__":
    main()
