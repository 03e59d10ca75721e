#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare two .npy (or .png) files: compare.py GOT WANT. Prints relative L2, largest difference
and PSNR (peak 1)."""

import sys

import numpy as np


def load(path):
    if str(path).endswith(".png"):
        from PIL import Image

        return np.asarray(Image.open(path).convert("RGB")).astype(np.float64) / 255
    return np.load(path).astype(np.float64)


def align(got, want):
    """got in want's shape: unit axes are dropped, NCHW becomes NHWC where only that fits."""
    got, want = np.squeeze(got), np.squeeze(want)
    if got.shape != want.shape and got.ndim >= 3:
        moved = np.moveaxis(got, -3, -1)
        if moved.shape == want.shape:
            got = moved
    if got.shape != want.shape:
        raise ValueError(f"shapes {got.shape} and {want.shape} differ")
    return got, want


def measure(got, want):
    """{'rel': relative L2, 'max': largest difference, 'psnr': dB for a peak of 1}; NaN counts as
    infinite error."""
    got, want = align(got, want)
    if not np.isfinite(got).all():
        return {"rel": np.inf, "max": np.inf, "psnr": -np.inf}
    d = got - want
    mse = np.mean(d * d)
    norm = np.sqrt(np.mean(want * want))
    return {
        "rel": np.sqrt(mse) / norm if norm else np.sqrt(mse),
        "max": np.abs(d).max(),
        "psnr": -10 * np.log10(mse) if mse else np.inf,
    }


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    m = measure(load(sys.argv[1]), load(sys.argv[2]))
    print(f"relative L2 {m['rel']:.3e}   max {m['max']:.3e}   PSNR {m['psnr']:.2f} dB")


if __name__ == "__main__":
    main()
