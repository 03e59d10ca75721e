#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/comfy_samplers.bin: trajectories of samplers that ComfyUI has, in float64, written down here
from their formulas: gradient estimation (Permenter and Yuan 2024, arXiv:2306.04848), with CFG++ and without,
Heun++ with up to three evaluations, and DDPM's ancestral step (Ho et al. 2020, arXiv:2006.11239, eq. 6 and 7), which
is euler_a's.  In the form of make_k_golden.py, without motions.

usage: make_comfy_golden.py OUTPUT
"""
import math
import struct
import sys

import numpy as np
import torch

import make_k_golden as base
from make_k_golden import EPSILON, FLOW, V

DDPM, GRADIENT, GRADIENT_PP, HEUN = 1, 30, 31, 32


class Model:
    def __init__(self, r, prediction):
        self.r, self.prediction, self.seen = r, prediction, []

    def image(self, x, s, out):
        size = math.sqrt(s * s + 1)
        return out * (-s / size) + x / (size * size) if self.prediction == V else x - s * out

    def __call__(self, x, s):
        t = self.r.t(s)
        self.seen.append((x, t))
        size = 1.0 if self.prediction == FLOW else math.sqrt(s * s + 1)
        i = np.arange(x.size) % 7
        out = np.tanh(0.7 * x.ravel() / size + 0.3 * t / 1000 + 0.1 * i - 0.3).reshape(x.shape)
        self.plain = self.image(x, s, out * 0.9 - 0.05)
        return self.image(x, s, out)


def gradient(model, x, sigmas, plus):
    last = None
    for a, b in zip(sigmas[:-1], sigmas[1:]):
        image = model(x, a)
        if b == 0:
            return image
        slope = (x - (model.plain if plus else image)) / a
        x = image + slope * b if plus else x + slope * (b - a)
        if last is not None:
            x = x + (slope - last) * (b - a)
        last = slope
    return x


def heun(model, x, sigmas):
    for i, a in enumerate(sigmas[:-1]):
        n = min(3, len(sigmas) - 1 - i)
        y, total, left = x, 0, 1.0
        slopes = []
        for k in range(n):
            slopes.append((y - model(y, sigmas[i + k])) / sigmas[i + k])
            y = y + slopes[-1] * (sigmas[i + k + 1] - sigmas[i + k])
        for k in range(1, n):
            share = sigmas[i + k] / (n * sigmas[0])
            total, left = total + share * slopes[k], left - share
        x = x + (total + left * slopes[0]) * (sigmas[i + 1] - a)
    return x


def ddpm(model, x, sigmas, draw):
    for a, b in zip(sigmas[:-1], sigmas[1:]):
        noise = (x - model(x, a)) / a
        bar, bar_next = 1 / (a * a + 1), 1 / (b * b + 1)
        alpha = bar / bar_next
        x = (x * math.sqrt(bar) - (1 - alpha) * noise / math.sqrt(1 - bar)) / math.sqrt(alpha)
        if b > 0:
            x = x + math.sqrt((1 - alpha) * (1 - bar_next) / (1 - bar)) * draw()
            x = x * math.sqrt(b * b + 1)
    return x


def run(kind, schedule, prediction=EPSILON, steps=7, images=1, n=20, shift=1.0):
    seeds = [42 + i for i in range(images)]
    r = base.Range(shift if prediction == FLOW else None)
    sigmas = (base.karras if schedule == "karras" else base.schedule_of)(schedule, r, steps)
    sigmas = np.array(sigmas + [0.0], "<f4").astype(np.float64).tolist()
    generators = [torch.Generator("cpu").manual_seed(s) for s in seeds]
    draw = lambda: torch.cat([torch.randn((1, n), generator=g) for g in generators]).double().numpy()
    leading = schedule in ("default", "karras")
    scale = (1.0 if prediction == FLOW else
             math.sqrt(sigmas[0] ** 2 + 1) if leading else sigmas[0])
    x = draw() * scale
    model = Model(r, prediction)
    end = (heun(model, x, sigmas) if kind == HEUN else ddpm(model, x, sigmas, draw) if kind == DDPM
           else gradient(model, x, sigmas, kind == GRADIENT_PP))
    states = [x for x, _ in model.seen] + [end]
    return (struct.pack("<6i2d", kind, base.SCHEDULES.index(schedule), prediction, steps, images, n, shift, -1.0)
            + struct.pack(f"<{images}Q", *seeds) + struct.pack("<if", len(model.seen), scale)
            + np.array([t for _, t in model.seen], "<f4").tobytes()
            + b"".join(s.astype("<f4").tobytes() for s in states))


def cases():
    for kind in (DDPM, GRADIENT, GRADIENT_PP, HEUN):
        for schedule in base.SCHEDULES:
            yield run(kind, schedule)
        for steps in (1, 2, 3, 20):
            yield run(kind, "karras", steps=steps, images=2 if steps == 3 else 1)
        yield run(kind, "default", V)
    for kind in (GRADIENT, HEUN):
        for schedule in ("simple", "normal", "sgm_uniform", "beta", "linear_quadratic"):
            yield run(kind, schedule, FLOW, shift=3.0)


def main():
    torch.set_num_threads(1)
    runs = list(cases())
    with open(sys.argv[1], "wb") as out:
        out.write(b"SDRTKSM1" + struct.pack("<2I", 0, len(runs)) + b"".join(runs))


if __name__ == "__main__":
    main()
