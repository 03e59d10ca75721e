#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/adaptive_samplers.bin: trajectories of k-diffusion's DPM-Solver that chooses its steps,
its own code in float64.  In the form of make_k_golden.py, without motions.

usage: make_adaptive_golden.py SAMPLING_PY OUTPUT, as make_k_golden.py

It runs from the schedule's first noise level to the least trained one.  What it asks of the denoiser again after
a step that it did not take, at the same latent and noise level, is left out here.
"""
import math
import struct
import sys

import numpy as np
import torch

import make_k_golden as base
from make_k_golden import EPSILON, V

KIND = 27


class Model:
    def __init__(self, r, prediction, curve):
        self.r, self.prediction, self.curve, self.seen = r, prediction, curve, []

    def __call__(self, x, sigma, **_):
        s = float(sigma.ravel()[0])
        t = self.r.t(s)
        if not any(torch.equal(x, y) and s == level for y, _, level in self.seen):
            self.seen.append((x.clone(), t, s))
        size = math.sqrt(s * s + 1)
        i = np.arange(x.numel()) % 7
        y = np.tanh(self.curve * (x.numpy() / size).ravel() + 0.3 * t / 1000 + 0.1 * i - 0.3)
        out = torch.from_numpy(y).reshape(x.shape)
        if self.prediction == V:
            return out * (-s / size) + x / (size * size)
        return x - s * out


def run(k, schedule, prediction=EPSILON, steps=7, images=1, n=20, eta=0.0):
    seeds = [42 + i for i in range(images)]
    r = base.Range(None)
    sigmas = (base.karras if schedule == "karras" else base.schedule_of)(schedule, r, steps)
    high, low = (np.float32(s) for s in (sigmas[0], min(r.low, sigmas[-1])))
    generators = [torch.Generator("cpu").manual_seed(s) for s in seeds]
    draw = lambda *_: torch.cat([torch.randn((1, n), generator=g) for g in generators]).double()
    leading = schedule in ("default", "karras")
    scale = math.sqrt(float(high) ** 2 + 1) if leading else float(high)
    x = (draw().float() * np.float32(scale)).double()
    model = Model(r, prediction, 0.7)
    solver = k.DPMSolver(lambda x, sigma, **_: model(x, sigma), {})
    level = lambda s: solver.t(torch.tensor(float(s), dtype=torch.float64))
    end, info = solver.dpm_solver_adaptive(x, level(high), level(low), eta=eta, noise_sampler=draw)
    states = [x for x, _, _ in model.seen] + [end]
    print(f"{schedule}, prediction {prediction}, {steps} steps, eta {eta}: {info}, evaluated {len(model.seen)}")
    return (struct.pack("<6i2d", KIND, base.SCHEDULES.index(schedule), prediction, steps, images, n, 1.0, eta)
            + struct.pack(f"<{images}Q", *seeds) + struct.pack("<if", len(model.seen), scale)
            + np.array([t for _, t, _ in model.seen], "<f4").tobytes()
            + b"".join(s.numpy().astype("<f4").tobytes() for s in states))


def cases(k):
    for schedule in base.SCHEDULES:
        yield run(k, schedule)
    for steps in (2, 3, 20, 50):
        yield run(k, "default", steps=steps, images=2 if steps == 3 else 1)
    yield run(k, "default", V)
    yield run(k, "sgm_uniform", V, steps=5)
    for eta in (0.3, 0.5, 1.0):
        yield run(k, "exponential", eta=eta)
        yield run(k, "karras", eta=eta, images=2)


def main():
    torch.set_num_threads(1)
    runs = list(cases(base.load(sys.argv[1])))
    with open(sys.argv[2], "wb") as out:
        out.write(b"SDRTKSM1" + struct.pack("<2I", 0, len(runs)) + b"".join(runs))


if __name__ == "__main__":
    main()
