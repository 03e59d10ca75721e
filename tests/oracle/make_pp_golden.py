#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/pp_samplers.bin: trajectories of k-diffusion's DPM-Solver-fast, and of samplers that are
written down here from their papers and from what the web UI and ComfyUI do: Restart, ER-SDE-Solver-3 and
those of CFG++.  In the form of make_k_golden.py, without motions.

usage: make_pp_golden.py SAMPLING_PY OUTPUT, as make_k_golden.py
"""
import math
import struct
import sys

import numpy as np
import torch

import make_k_golden as base
from make_k_golden import EPSILON, FLOW, V

FAST, RESTART, ER, EULER, EULER_A, DPM_2M, DPM_2S, RES = range(19, 27)
NAMES = {FAST: "dpm_fast", RESTART: "restart", ER: "er_sde", EULER: "euler", EULER_A: "euler_a",
         DPM_2M: "dpmpp_2m", DPM_2S: "dpmpp_2s_a", RES: "res_multistep"}


def unguided(out):
    """The stand-in's answer without guidance."""
    return out * np.float32(0.9) - np.float32(0.05)


class Model(base.Model):
    """Beside the image also the one without guidance."""

    def __call__(self, x, sigma):
        image = super().__call__(x, sigma)
        s = float(sigma.ravel()[0])
        size = 1.0 if self.prediction == FLOW else math.sqrt(s * s + 1)
        out = unguided(base.denoise(x / size, self.seen[-1][1]))
        self.plain = out * (-s / size) + x / (size * size) if self.prediction == V else x - s * out
        return image


def ancestral(a, b, eta):
    """Of a level a without end too, as a flow begins."""
    up = min(b, eta * b * math.sqrt(1 - (b / a) ** 2))
    return math.sqrt(b * b - up * up), up


def karras(n, low, high):
    ramp = torch.linspace(0, 1, n)
    return (high ** (1 / 7) + ramp * (low ** (1 / 7) - high ** (1 / 7))) ** 7


def restart(model, x, sigmas, draw):
    """Xu et al. 2023 (arXiv:2306.14878), with the intervals that the web UI takes by itself."""
    n = len(sigmas) - 1
    pairs = list(zip(sigmas[:-1], sigmas[1:]))
    if n >= 20:
        again, times = (n // 4, 2) if n >= 36 else (9, 1)
        levels = torch.cat([karras(n - again * times, float(sigmas[-2]), float(sigmas[0])), torch.zeros(1)])
        low, high = (int((levels - level).abs().argmin()) for level in (0.1, 2.0))
        back = karras(again + 1, float(levels[low]), float(levels[high]))
        pairs = list(zip(levels[:low], levels[1:low + 1]))
        pairs += list(zip(back[:-1], back[1:])) * times + list(zip(levels[low:-1], levels[low + 1:]))
    last = pairs[0][0]
    for a, b in pairs:
        if a > last:
            x = x + draw() * (a ** 2 - last ** 2) ** 0.5
        d = (x - model(x, a)) / a
        y = x + d * (b - a)
        if b > 0:
            d = (d + (y - model(y, b)) / b) / 2
            y = x + d * (b - a)
        x, last = y, b
    return x


def er_sde(model, x, sigmas, draw, flow):
    """Cui et al. 2023 (arXiv:2309.06169), three images, noise x (exp(x^0.3) + 10)."""
    noise = lambda v: v * (np.exp(v ** 0.3) + 10)
    alpha = [1 - float(s) if flow else 1.0 for s in sigmas]
    at = [float(s) / a for s, a in zip(sigmas, alpha)]
    last = last_slope = None
    for i in range(len(sigmas) - 1):
        image = model(x, sigmas[i])
        if sigmas[i + 1] == 0:
            return image
        s, t, a = at[i], at[i + 1], alpha[i + 1]
        r = noise(t) / noise(s)
        x = a / alpha[i] * r * x + a * (1 - r) * image
        places = t + np.arange(200) * (s - t) / 200
        if i > 0:
            slope = (image - last) / (s - at[i - 1])
            x = x + a * (t - s + (1 / noise(places)).sum() * (s - t) / 200 * noise(t)) * slope
            if i > 1:
                bend = (slope - last_slope) / ((s - at[i - 2]) / 2)
                u = ((places - s) / noise(places)).sum() * (s - t) / 200
                x = x + a * ((t - s) ** 2 / 2 + u * noise(t)) * bend
            last_slope = slope
        x = x + a * draw() * math.sqrt(max(t * t - s * s * r * r, 0))
        last = image
    return x


def euler_pp(model, x, sigmas, draw, eta, flow):
    for a, b in zip(sigmas[:-1].tolist(), sigmas[1:].tolist()):
        image = model(x, torch.tensor(a))
        if b == 0:
            return image
        alpha, beta = (1 - a, 1 - b) if flow else (1, 1)
        noise = (x - alpha * model.plain) / a
        down, up = ancestral(a / alpha if alpha else math.inf, b / beta, eta)
        x = beta * image + beta * down * noise
        if eta:
            x = x + beta * up * draw()
    return x


def dpmpp_2m_pp(model, x, sigmas):
    last = None
    for i in range(len(sigmas) - 1):
        image = model(x, sigmas[i])
        a, b = float(sigmas[i]), float(sigmas[i + 1])
        y = image - b / a * model.plain + b / a * x
        if last is not None and b > 0:
            r = math.log(float(sigmas[i - 1]) / a) / math.log(a / b)
            y = y + (1 - b / a) / (2 * r) * (image - last)
        x, last = y, model.plain
    return x


def dpmpp_2s_pp(model, x, sigmas, draw, eta):
    for a, b in zip(sigmas[:-1].tolist(), sigmas[1:].tolist()):
        down, up = ancestral(a, b, eta)
        image = model(x, torch.tensor(a))
        if b == 0:
            return image
        y, middle = x + (image - model.plain), math.sqrt(a * down)
        x = middle / a * y + (1 - middle / a) * image
        x = down / a * y + (1 - down / a) * model(x, torch.tensor(middle, dtype=torch.float32))
        if up:
            x = x + up * draw()
    return x


def res_pp(model, x, sigmas):
    last = None
    for i in range(len(sigmas) - 1):
        image, a, b = model(x, sigmas[i]), float(sigmas[i]), float(sigmas[i + 1])
        if last is None or b == 0:
            x = image + (x - model.plain) / a * b
        else:
            h = math.log(a / b)
            c = math.log(a / float(sigmas[i - 1])) / h
            phi1 = math.expm1(-h) / -h
            phi2 = (phi1 - 1) / -h
            y = x + (image - model.plain)
            x = math.exp(-h) * y + h * ((phi1 - phi2 / c) * model.plain + phi2 / c * last)
        last = model.plain
    return x


def fast(k, model, x, sigmas, draw, eta):
    n = len(sigmas) - 1
    wrap = lambda x, sigma, **_: model(x, sigma)
    low = min(model.r.low, float(sigmas[-2]))  # as the web UI has it
    return k.sample_dpm_fast(wrap, x, low, float(sigmas[0]), n, disable=True, eta=eta,
                             noise_sampler=lambda *_: draw())


def run(k, kind, schedule, prediction=EPSILON, steps=7, images=1, n=20, eta=-1.0, shift=1.0):
    seeds = [42 + i for i in range(images)]
    flow = prediction == FLOW
    r = base.Range(shift if flow else None)
    sigmas = (base.karras if schedule == "karras" else base.schedule_of)(schedule, r, steps)
    if kind == ER and flow and sigmas[0] >= 1:
        sigmas[0] = float(r.shifted(1 - 1e-4))
    sigmas = torch.tensor(sigmas + [0.0], dtype=torch.float32)
    generators = [torch.Generator("cpu").manual_seed(s) for s in seeds]
    draw = lambda *_: torch.cat([torch.randn((1, n), generator=g) for g in generators])
    first = float(sigmas[0])
    leading = schedule in ("default", "karras")
    scale = 1.0 if flow else math.sqrt(first * first + 1) if leading else first
    x = draw() * scale
    model = Model(r, prediction, False)
    own = 1.0 if kind in (EULER_A, DPM_2S) else 0.0
    use = own if eta < 0 else eta
    end = (fast(k, model, x, sigmas, draw, use) if kind == FAST
           else restart(model, x, sigmas, draw) if kind == RESTART
           else er_sde(model, x, sigmas, draw, flow) if kind == ER
           else euler_pp(model, x, sigmas, draw, use, flow) if kind in (EULER, EULER_A)
           else dpmpp_2m_pp(model, x, sigmas) if kind == DPM_2M
           else dpmpp_2s_pp(model, x, sigmas, draw, use) if kind == DPM_2S
           else res_pp(model, x, sigmas))
    states = [x for x, _ in model.seen] + [end]
    return (struct.pack("<6i2d", kind, base.SCHEDULES.index(schedule), prediction, steps, images, n, shift,
                        eta) + struct.pack(f"<{images}Q", *seeds)
            + struct.pack("<if", len(model.seen), scale)
            + np.array([t for _, t in model.seen], "<f4").tobytes()
            + b"".join(s.numpy().astype("<f4").tobytes() for s in states))


def cases(k):
    for kind in NAMES:
        for schedule in base.SCHEDULES:
            yield run(k, kind, schedule)
        for steps in (2, 3, 9, 20):
            yield run(k, kind, "karras", steps=steps, images=2 if steps == 3 else 1)
        yield run(k, kind, "default", V)
        yield run(k, kind, "sgm_uniform", V, steps=5)
    for kind in (FAST, EULER, EULER_A, DPM_2S):
        for eta in (0.0, 0.5, 1.0):
            yield run(k, kind, "exponential", eta=eta)
    yield run(k, RESTART, "normal", steps=36)
    yield run(k, RESTART, "karras", steps=47)
    for kind in (ER, EULER, EULER_A):
        for schedule in ("simple", "normal", "sgm_uniform", "beta", "linear_quadratic"):
            if kind != EULER_A or schedule == "normal":
                yield run(k, kind, schedule, FLOW, shift=3.0)


def main():
    torch.set_num_threads(1)
    runs = list(cases(base.load(sys.argv[1])))
    with open(sys.argv[2], "wb") as out:
        out.write(b"SDRTKSM1" + struct.pack("<2I", 0, len(runs)) + b"".join(runs))


if __name__ == "__main__":
    main()
