#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/churn_samplers.bin: trajectories of k-diffusion's euler, heun and dpm_2 whose noise is
raised before steps (s_churn).

usage: make_churn_golden.py SAMPLING_PY OUTPUT

As make_k_golden.py, which see, without motions; behind eta of each case stand f64 s_noise, s_churn, s_tmin,
s_tmax. The latents are those that the denoiser is given, after the noise was raised.
"""
import math
import struct
import sys

import numpy as np
import torch

from make_k_golden import EPSILON, FUNCTIONS, KINDS, SCHEDULES, V, Model, Range, karras, load, schedule_of


def run(k, kind, schedule, churn, tmin=0.0, tmax=0.0, s_noise=1.0, prediction=EPSILON, steps=7, images=1, n=20):
    seeds = [42 + i for i in range(images)]
    r = Range(None)
    drops = kind == "dpm2"
    sigmas = (karras if schedule == "karras" else schedule_of)(schedule, r, steps + drops)
    if drops:
        sigmas = sigmas[:-2] + sigmas[-1:]
    sigmas = torch.tensor(sigmas + [0.0], dtype=torch.float32)
    generators = [torch.Generator("cpu").manual_seed(s) for s in seeds]
    draw = lambda *_: torch.cat([torch.randn((1, n), generator=g) for g in generators])
    first = float(sigmas[0])
    scale = math.sqrt(first * first + 1) if schedule in ("default", "karras") else first
    x = draw() * scale
    model = Model(r, prediction, False)
    drawn, torch.randn_like = torch.randn_like, draw
    end = getattr(k, "sample_" + FUNCTIONS[kind])(model, x, sigmas, disable=True, s_churn=churn, s_tmin=tmin,
                                                  s_tmax=tmax or math.inf, s_noise=s_noise)
    torch.randn_like = drawn
    return (struct.pack("<6i2d4d", KINDS.index(kind), SCHEDULES.index(schedule), prediction, steps, images, n,
                        1.0, -1.0, s_noise, churn, tmin, tmax) + struct.pack(f"<{images}Q", *seeds)
            + struct.pack("<if", len(model.seen), scale)
            + np.array([t for _, t in model.seen], "<f4").tobytes()
            + b"".join(s.numpy().astype("<f4").tobytes() for s in [x for x, _ in model.seen] + [end]))


def cases(k):
    for kind in ("euler", "heun", "dpm2"):
        yield run(k, kind, "karras", 2.0)
        yield run(k, kind, "default", 2.0)
        yield run(k, kind, "exponential", 100.0, images=2)  # at its most
        yield run(k, kind, "simple", 3.0, tmin=0.3, tmax=5.0, s_noise=1.05)
        yield run(k, kind, "karras", 1.0, tmax=2.0, steps=12)
        yield run(k, kind, "karras", 2.0, prediction=V)
        yield run(k, kind, "karras", 2.0, steps=1)


def main():
    torch.set_num_threads(1)
    runs = list(cases(load(sys.argv[1])))
    with open(sys.argv[2], "wb") as out:
        out.write(b"SDRTKSM1" + struct.pack("<2I", 0, len(runs)) + b"".join(runs))


if __name__ == "__main__":
    main()
