#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/k_samplers.bin: torchsde's Brownian motion, and whole trajectories of k-diffusion's
samplers over the schedules of the web UI and ComfyUI.

usage: make_k_golden.py SAMPLING_PY OUTPUT

SAMPLING_PY is k_diffusion/sampling.py of crowsonkb/k-diffusion; also needed are torch, torchsde, scipy
and diffusers. ipndm and res_multistep, which k-diffusion lacks, are written down here from their
papers. The denoiser is the formula of make_sampler_golden.py.
Little-endian: "SDRTKSM1", u32 motions, then for each
  f64 t0, t1; u64 seed; u32 n, queries; for each query f64 ta, tb; f32 [n]
then u32 cases, for each
  i32 kind, schedule, prediction, steps, images, n; f64 flow_shift, eta; u64 seeds[images];
  i32 evaluations; f32 scale; f32 timesteps[evaluations]; f32 latents before each evaluation and at the
  end, [evaluations + 1][images][n]
"""
import importlib.util
import math
import struct
import sys
import types

import diffusers
import numpy as np
import scipy.stats
import torch
import torchsde

KINDS = ("euler euler_a ddim dpmpp_2m heun lcm dpm2 dpm2_a dpmpp_2s_a dpmpp_sde dpmpp_2m_sde "
         "dpmpp_3m_sde lms ipndm res_multistep").split()
SCHEDULES = ("default karras exponential sgm_uniform simple normal ddim_uniform beta ays ays_sdxl "
             "kl_optimal linear_quadratic").split()
EPSILON, V, FLOW = range(3)
AYS = {"ays": [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029],
       "ays_sdxl": [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029]}


def load(path):
    package = types.ModuleType("k")
    package.__path__ = []
    utils = types.ModuleType("k.utils")
    utils.append_dims = lambda x, n: x[(...,) + (None,) * (n - x.ndim)]
    ode = types.ModuleType("torchdiffeq")
    ode.odeint = None
    sys.modules.update({"k": package, "k.utils": utils, "torchdiffeq": ode})
    spec = importlib.util.spec_from_file_location("k.sampling", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Range:
    """A model's trained noise, as k-diffusion's DiscreteSchedule and ComfyUI's flow see it."""

    def __init__(self, shift):
        self.shift = shift
        root = torch.linspace(0.00085 ** 0.5, 0.012 ** 0.5, 1000)
        a = torch.cumprod(1 - root ** 2, 0)
        self.sigmas = ((1 - a) / a) ** 0.5 if shift is None else self.shifted(
            torch.arange(1, 1001) / 1000)
        self.logs = self.sigmas.log()
        self.low, self.high = float(self.sigmas[0]), float(self.sigmas[-1])

    def shifted(self, t):
        return self.shift * t / (1 + (self.shift - 1) * t)

    def t(self, sigma):
        if self.shift is not None:
            return float(sigma) * 1000
        log = math.log(float(sigma))
        i = min(max(int((self.logs <= log).sum()) - 1, 0), 998)
        low, high = float(self.logs[i]), float(self.logs[i + 1])
        w = min(max((low - log) / (low - high), 0), 1)
        return (1 - w) * i + w * (i + 1)

    def sigma(self, t):
        if self.shift is not None:
            return self.shifted(t / 1000)
        i, k, w = math.floor(t), math.ceil(t), t - math.floor(t)
        return math.exp((1 - w) * float(self.logs[i]) + w * float(self.logs[k]))


def schedule_of(name, r, n):
    high, low = r.high, r.low
    ramp = np.linspace(0, 1, n)
    if name == "default":
        s = diffusers.EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
            timestep_spacing="leading")
        s.set_timesteps(n)
        return s.sigmas[:-1].tolist()
    if name == "karras":
        return None
    if name == "exponential":
        return np.exp(np.linspace(math.log(high), math.log(low), n)).tolist()
    if name in ("normal", "sgm_uniform"):
        ts = np.linspace(r.t(high), r.t(low), n + (name == "sgm_uniform"))[:n]
        return [r.sigma(t) for t in ts]
    if name == "simple":
        return [float(r.sigmas[-(1 + int(x * (1000 / n)))]) for x in range(n)]
    if name == "ddim_uniform":
        return r.sigmas[1::max(1000 // n, 1)].flip(0).tolist()
    if name == "beta":
        return (low + scipy.stats.beta.ppf(1 - ramp, 0.6, 0.6) * (high - low)).tolist()
    if name in AYS:
        ys = np.interp(np.linspace(0, 1, n), np.linspace(0, 1, 11), np.log(AYS[name][::-1]))
        return np.exp(ys)[::-1].tolist()
    if name == "kl_optimal":
        return np.tan(ramp * math.atan(low) + (1 - ramp) * math.atan(high)).tolist()
    half = n // 2  # linear_quadratic: the share of noise that is gone
    diff, q = half - 0.025 * n, n - half
    a, b = diff / (half * q * q), 0.025 / half - 2 * diff / (q * q)
    gone = [i * 0.025 / half if i < half else a * i * i + b * i + a * half * half for i in range(n)]
    return [(1 - x) * high for x in gone]


def karras(name, r, n):
    """diffusers': over the range of the model's own timesteps."""
    own = schedule_of("default", r, n)
    low, high = own[-1] ** (1 / 7), own[0] ** (1 / 7)
    return [(high + i / max(n - 1, 1) * (low - high)) ** 7 for i in range(n)]


def denoise(x, t):
    i = np.arange(x.numel()) % 7
    y = np.tanh(0.7 * x.numpy().ravel().astype(np.float64) + 0.3 * float(t) / 1000 + 0.1 * i - 0.3)
    return torch.from_numpy(y.astype(np.float32)).reshape(x.shape)


class Model:
    """Calls of the denoiser, each with its latent and timestep."""

    def __init__(self, r, prediction, whole):
        self.r, self.prediction, self.whole, self.seen = r, prediction, whole, []

    def __call__(self, x, sigma):
        s = float(sigma.ravel()[0])
        t = self.r.t(s)
        if self.whole:
            t = math.floor(t) if self.prediction == FLOW else round(t)
        size = 1.0 if self.prediction == FLOW else math.sqrt(s * s + 1)
        # dpmpp_2m keeps its latent as the model was trained, at unit variance
        self.seen.append((x / size if self.whole else x.clone(), t))
        out = denoise(x / size, t)
        if self.prediction == V:
            return out * (-s / size) + x / (size * size)
        return x - s * out


def ipndm(model, x, sigmas):
    rows = [[1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]]
    slopes = []
    for i in range(len(sigmas) - 1):
        image = model(x, sigmas[i])
        slopes = [(x - image) / sigmas[i]] + slopes[:3]
        row = rows[0] if sigmas[i + 1] == 0 else rows[len(slopes) - 1]
        x = x + (sigmas[i + 1] - sigmas[i]) * sum(c * d for c, d in zip(row, slopes))
    return x


def res_multistep(model, x, sigmas):
    last = None
    for i in range(len(sigmas) - 1):
        image = model(x, sigmas[i])
        if sigmas[i + 1] == 0 or last is None:
            x = x + (x - image) / sigmas[i] * (sigmas[i + 1] - sigmas[i])
        else:
            t, before, after = (-math.log(sigmas[k]) for k in (i, i - 1, i + 1))
            h = after - t
            c = (before - t) / h
            phi1 = math.expm1(-h) / -h
            phi2 = (phi1 - 1) / -h
            x = math.exp(-h) * x + h * ((phi1 - phi2 / c) * image + phi2 / c * last)
        last = image
    return x


FUNCTIONS = {"euler": "euler", "euler_a": "euler_ancestral", "heun": "heun", "dpmpp_2m": "dpmpp_2m",
             "dpm2": "dpm_2", "dpm2_a": "dpm_2_ancestral", "dpmpp_2s_a": "dpmpp_2s_ancestral",
             "dpmpp_sde": "dpmpp_sde", "dpmpp_2m_sde": "dpmpp_2m_sde",
             "dpmpp_3m_sde": "dpmpp_3m_sde", "lms": "lms"}
NOISY = "euler_a dpm2_a dpmpp_2s_a dpmpp_sde dpmpp_2m_sde dpmpp_3m_sde".split()


def run(k, kind, schedule, prediction=EPSILON, steps=7, images=1, n=20, eta=-1.0, shift=1.0):
    seeds = [42 + i for i in range(images)]
    r = Range(shift if prediction == FLOW else None)
    drops = kind in ("dpm2", "dpm2_a")
    sigmas = (karras if schedule == "karras" else schedule_of)(schedule, r, steps + drops)
    if drops:
        sigmas = sigmas[:-2] + sigmas[-1:]
    if prediction == FLOW and kind == "dpmpp_2m" and sigmas[0] >= 1:
        sigmas[0] = float(r.sigmas[998])
    sigmas = torch.tensor(sigmas + [0.0], dtype=torch.float32)
    generators = [torch.Generator("cpu").manual_seed(s) for s in seeds]
    draw = lambda *_: torch.cat([torch.randn((1, n), generator=g) for g in generators])
    first = float(sigmas[0])
    unit = math.sqrt(first * first + 1)
    leading = schedule in ("default", "karras") or kind == "dpmpp_2m"
    scale = 1.0 if prediction == FLOW else unit if leading else first
    x = draw() * scale
    model = Model(r, prediction, kind == "dpmpp_2m")
    more = {"eta": eta} if eta >= 0 else {}
    if kind.endswith("sde"):
        more["noise_sampler"] = k.BrownianTreeNoiseSampler(
            x, sigmas[sigmas > 0].min(), sigmas.max(), seed=seeds)
    elif kind in NOISY:
        more["noise_sampler"] = draw
    own = {"ipndm": ipndm, "res_multistep": res_multistep}.get(kind)
    if own:
        end = own(model, x, sigmas)
    else:
        end = getattr(k, "sample_" + FUNCTIONS[kind])(model, x, sigmas, disable=True, **more)
    states = [x for x, _ in model.seen] + [end]
    return (struct.pack("<6i2d", KINDS.index(kind), SCHEDULES.index(schedule), prediction, steps, images,
                        n, shift, eta) + struct.pack(f"<{images}Q", *seeds)
            + struct.pack("<if", len(model.seen), scale if kind != "dpmpp_2m" else 1.0)
            + np.array([t for _, t in model.seen], "<f4").tobytes()
            + b"".join(s.numpy().astype("<f4").tobytes() for s in states))


def cases(k):
    new = KINDS[6:]
    for kind in new:
        for schedule in SCHEDULES:
            yield run(k, kind, schedule)
        for steps in (1, 2, 3, 20)[kind.endswith("m_sde"):]:  # which k-diffusion does not end in one
            yield run(k, kind, "karras", steps=steps, images=2 if steps == 3 else 1)
        yield run(k, kind, "default", V)
        yield run(k, kind, "sgm_uniform", V, steps=5)
    for kind in ("euler", "euler_a", "heun", "dpmpp_2m"):
        for schedule in SCHEDULES[2:]:
            tie = kind == "dpmpp_2m" and schedule == "normal"  # of timesteps, with 7 steps
            yield run(k, kind, schedule, steps=7 + tie)
        yield run(k, kind, "ddim_uniform", steps=30)
    for kind in NOISY:
        for eta in (0.0, 0.5):
            yield run(k, kind, "exponential", eta=eta)
    for kind in ("euler", "heun", "dpm2", "lms", "ipndm", "res_multistep"):
        for schedule in ("simple", "normal", "sgm_uniform", "beta", "linear_quadratic"):
            yield run(k, kind, schedule, FLOW, shift=3.0)


def motion(t0, t1, seed, n, queries):
    tree = torchsde.BrownianTree(t0, torch.zeros(n), t1, entropy=seed)
    out = struct.pack("<2dQ2I", t0, t1, seed, n, len(queries))
    for ta, tb in queries:
        out += struct.pack("<2d", ta, tb) + tree(ta, tb).numpy().astype("<f4").tobytes()
    return out


def motions():
    f = lambda x: float(np.float32(x))
    levels = [f(x) for x in (14.614642, 9.1234567, 5.5, 3.0000005, 1.25, 0.7, 0.3141592, 0.1, 0.0291675)]
    steps = list(zip(levels[1:], levels[:-1]))
    yield motion(levels[-1], levels[0], 42, 16, steps)
    yield motion(levels[-1], levels[0], 2 ** 33 + 7, 20, steps[::-1] + [(levels[-1], levels[0])])
    yield motion(0.0, 1.0, 0, 5, [(0.0, 0.5), (0.25, 0.75), (0.1, 0.1), (0.3, 0.9999995)])
    yield motion(0.002, 80.0, 123456789, 64, [(0.5, 70.25), (0.002, 0.0020015), (79.9999, 80.0)])


def main():
    torch.set_num_threads(1)
    k = load(sys.argv[1])
    walks, runs = list(motions()), list(cases(k))
    with open(sys.argv[2], "wb") as out:
        out.write(b"SDRTKSM1" + struct.pack("<I", len(walks)) + b"".join(walks))
        out.write(struct.pack("<I", len(runs)) + b"".join(runs))


if __name__ == "__main__":
    main()
