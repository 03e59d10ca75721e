#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/rng.txt: what sdrt_rng_normal() must give, bit for bit.

usage: make_rng_golden.py OUTPUT          (needs torch, on x86 with AVX2, and numpy)

One line a draw: generator, seed, "new" for a fresh generator or "next" for the same one going
on, count, FNV-1a hash of the little-endian float32 bytes, and the first and last
three numbers as hexadecimal words.
The cpu lines come from torch.  The cuda lines come from the few lines of numpy below, written
from the published algorithm (Salmon et al. 2011; Box-Muller with the constants of
stable-diffusion-webui's modules/rng_philox.py); its own printed example (older than
its present constants, hence 1e-6) is checked first.
"""
import sys

import numpy as np
import torch

SIZES = list(range(1, 41)) + [1000, 4 * 41 * 57, 4 * 64 * 64]
SEEDS = [0, 1, 42, 2**31, 2**32 + 5, 2**63 - 1, 2**64 - 1]
MIXED = [3, 16, 1, 2, 33, 5, 64, 15, 31, 7, 1, 1, 4 * 8 * 8, 640, 641, 9]


def philox(counter, key):
    """counter: 4 arrays, key: 2 ints -> 4 arrays, all of 32-bit words held in uint64."""
    c = [np.asarray(x, np.uint64) for x in counter]
    k = [int(x) for x in key]
    low = np.uint64(0xFFFFFFFF)
    shift = np.uint64(32)
    for _ in range(10):
        a = c[0] * np.uint64(0xD2511F53)
        b = c[2] * np.uint64(0xCD9E8D57)
        c = [(b >> shift) ^ c[1] ^ np.uint64(k[0]), b & low,
             (a >> shift) ^ c[3] ^ np.uint64(k[1]), a & low]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


class Cuda:
    def __init__(self, seed):
        self.key = (seed & 0xFFFFFFFF, seed >> 32)
        self.calls = 0

    def randn(self, n):
        zero = np.zeros(n, np.uint64)
        g = philox([zero + np.uint64(self.calls), zero, np.arange(n), zero], self.key)
        self.calls += 1
        unit = np.float32(2.3283064e-10)
        angle = np.float32(2.3283064e-10 * 6.2831855)
        u = g[0].astype(np.float64) * float(unit) + float(unit / np.float32(2))
        v = g[1].astype(np.float64) * float(angle) + float(angle / np.float32(2))
        return (np.sqrt(-2.0 * np.log(u)) * np.sin(v)).astype(np.float32)


class Cpu:
    def __init__(self, seed):
        self.generator = torch.Generator("cpu").manual_seed(seed)

    def randn(self, n):
        return torch.randn(n, generator=self.generator).numpy()


def fnv1a(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def check_published():
    zero = [np.zeros(1, np.uint64)] * 4
    assert [int(x[0]) for x in philox(zero, (0, 0))] == [
        0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    example = [-0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564,
               -0.62285122, -0.32838709, -1.07454231, -0.36314407, -1.67105067, 2.26550497]
    assert np.allclose(Cuda(0).randn(12), example, rtol=1e-6, atol=0)


def line(kind, seed, state, x):
    words = x.view(np.uint32)
    n = x.size  # a draw shorter than three repeats its end
    ends = [words[min(i, n - 1)] for i in range(3)] + [words[max(n - 3 + i, 0)] for i in range(3)]
    return f"{kind} {seed} {state} {x.size} {fnv1a(x.tobytes()):016x} " + " ".join(
        f"{w:08x}" for w in ends)


def main():
    check_published()
    rows = []
    for name, kind in (("cpu", Cpu), ("cuda", Cuda)):
        for seed in SEEDS:
            for n in SIZES if seed == 42 else SIZES[::6] + [40, 4 * 64 * 64]:
                rows.append(line(name, seed, "new", kind(seed).randn(n)))
            generator = kind(seed)
            for i, n in enumerate(MIXED):
                rows.append(line(name, seed, "next" if i else "new", generator.randn(n)))
    with open(sys.argv[1], "w") as out:
        out.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
