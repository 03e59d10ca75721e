#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/sampler.bin: whole trajectories of diffusers' schedulers.

usage: make_sampler_golden.py OUTPUT          (needs torch, diffusers and numpy)

The denoiser is a formula, evaluated in double and rounded to float, which test_sampler.c
has too: out[i] = tanh(0.7 * x[i] + 0.3 * t / 1000 + 0.1 * (i % 7) - 0.3).
Little-endian file: "SDRTSMP1", u32 cases, then for each case
  i32 kind, schedule, prediction, spacing, steps, first_step, images, n   (enums of the headers)
  f64 flow_shift; u64 seeds[images]; i32 evaluations; f32 initial_scale
  f32 timesteps[evaluations]; f32 latent before [images][n]; f32 latents after each evaluation
The generators of a case are those that drew the first latent, so the order of draws counts.
With first_step > 0 the first latent is a clean one (0.5 * sin(i)) plus noise, by add_noise().
"""
import struct
import sys

import diffusers as d
import numpy as np
import torch

EULER, EULER_A, DDIM, DPMPP_2M, HEUN, LCM = range(6)
DEFAULT, KARRAS = range(2)
EPSILON, V, FLOW = range(3)
LEADING, TRAILING = range(2)

CLASSES = [d.EulerDiscreteScheduler, d.EulerAncestralDiscreteScheduler, d.DDIMScheduler,
           d.DPMSolverMultistepScheduler, d.HeunDiscreteScheduler, d.LCMScheduler]
# scheduler/scheduler_config.json of the published Stable Diffusion 1.5
SD15 = dict(beta_end=0.012, beta_schedule="scaled_linear", beta_start=0.00085,
            num_train_timesteps=1000, set_alpha_to_one=False, skip_prk_steps=True,
            steps_offset=1, trained_betas=None, clip_sample=False)


def make_scheduler(kind, schedule, prediction, spacing, steps, shift):
    if prediction == FLOW:
        scheduler = d.FlowMatchEulerDiscreteScheduler(shift=shift) if kind == EULER else (
            d.DPMSolverMultistepScheduler(use_flow_sigmas=True, flow_shift=shift,
                                          prediction_type="flow_prediction"))
        scheduler.set_timesteps(steps)
        return scheduler
    config = dict(SD15, timestep_spacing=["leading", "trailing"][spacing],
                  prediction_type=["epsilon", "v_prediction"][prediction],
                  use_karras_sigmas=schedule == KARRAS)
    scheduler = CLASSES[kind].from_config(config)
    scheduler.set_timesteps(steps)
    if kind == EULER_A and schedule == KARRAS:
        # diffusers has none: k-diffusion's is the ancestral step on Karras' sigmas
        other = d.EulerDiscreteScheduler.from_config(config)
        other.set_timesteps(steps)
        scheduler.sigmas, scheduler.timesteps = other.sigmas, other.timesteps
    return scheduler


def denoise(x, t):
    i = np.arange(x.numel()) % 7
    y = np.tanh(0.7 * x.numpy().ravel().astype(np.float64) + 0.3 * float(t) / 1000 + 0.1 * i - 0.3)
    return torch.from_numpy(y.astype(np.float32)).reshape(x.shape)


def run(kind, schedule, prediction, spacing, steps, first, images, n, shift, seeds):
    s = make_scheduler(kind, schedule, prediction, spacing, steps, shift)
    generators = [torch.Generator("cpu").manual_seed(x) for x in seeds]
    noise = torch.cat([torch.randn((1, n), generator=g) for g in generators])
    scale = 1.0 if prediction == FLOW else float(s.init_noise_sigma)
    order = 2 if kind == HEUN else 1
    timesteps = s.timesteps[first * order:]
    if hasattr(s, "set_begin_index"):
        s.set_begin_index(first * order)
    if first == 0:
        x = noise * (1.0 if prediction == FLOW else s.init_noise_sigma)
    else:
        clean = torch.from_numpy(0.5 * np.sin(np.arange(images * n))).float().reshape(images, n)
        at = timesteps[:1].repeat(images)
        x = (s.scale_noise(clean, at, noise) if hasattr(s, "scale_noise")
             else s.add_noise(clean, noise, at))
    states = [x]
    for t in timesteps:
        inner = x if prediction == FLOW else s.scale_model_input(x, t)
        out = denoise(inner, t)
        if kind in (EULER_A, LCM):
            x = s.step(out, t, x, generator=generators if images > 1 else generators[0])[0]
        else:
            x = s.step(out, t, x)[0]
        assert x.dtype == torch.float32 and torch.isfinite(x).all()
        states.append(x)
    return (struct.pack("<8id", kind, schedule, prediction, spacing, steps, first, images, n, shift)
            + struct.pack(f"<{images}Q", *seeds) + struct.pack("<if", len(timesteps), scale)
            + timesteps.numpy().astype("<f4").tobytes()
            + b"".join(state.numpy().astype("<f4").tobytes() for state in states))


def cases():
    two = dict(images=2, n=16, shift=1.0, seeds=[7, 8])
    one = dict(images=1, n=20, shift=1.0, seeds=[42])
    schedules = {DDIM: [DEFAULT], LCM: [DEFAULT]}
    for kind in range(6):
        for schedule in schedules.get(kind, [DEFAULT, KARRAS]):
            for steps in (1, 2, 5, 20, 30):
                where = two if steps == 5 else one
                yield dict(where, kind=kind, schedule=schedule, prediction=EPSILON,
                           spacing=LEADING, steps=steps, first=0)
            for prediction, spacing, steps, first in (
                    (V, LEADING, 7, 0), (EPSILON, TRAILING, 8, 0), (EPSILON, LEADING, 9, 4),
                    (V, TRAILING, 16, 15), (EPSILON, LEADING, 50, 0)):
                if kind == LCM and spacing == TRAILING:
                    continue
                yield dict(one, kind=kind, schedule=schedule, prediction=prediction,
                           spacing=spacing, steps=steps, first=first)
    for kind in (EULER, DPMPP_2M):
        for steps, first, shift in (
                (1, 0, 3.0), (2, 0, 3.0), (20, 0, 3.0), (28, 9, 3.0), (5, 0, 1.0)):
            yield dict(two, kind=kind, schedule=DEFAULT, prediction=FLOW, spacing=LEADING,
                       steps=steps, first=first) | dict(shift=shift)


def main():
    torch.set_num_threads(1)
    blobs = [run(**case) for case in cases()]
    with open(sys.argv[1], "wb") as out:
        out.write(b"SDRTSMP1" + struct.pack("<I", len(blobs)) + b"".join(blobs))


if __name__ == "__main__":
    main()
