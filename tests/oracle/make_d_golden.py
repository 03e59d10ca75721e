#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/d_samplers.bin: trajectories of diffusers' UniPC, PNDM, TCD and DEIS schedulers, in the form
of make_k_golden.py and without motions.

usage: make_d_golden.py OUTPUT
"""
import struct
import sys

import diffusers as d
import numpy as np
import torch

from make_sampler_golden import SD15, denoise

UNIPC, PLMS, TCD, DEIS = 15, 16, 17, 18
UNIPC_3, UNIPC_BH2 = 28, 29
VARIANTS = {UNIPC_3: {"solver_order": 3, "solver_type": "bh1"},
            UNIPC_BH2: {"solver_order": 3, "solver_type": "bh2"}}
CLASSES = {UNIPC: d.UniPCMultistepScheduler, PLMS: d.PNDMScheduler, TCD: d.TCDScheduler,
           DEIS: d.DEISMultistepScheduler, UNIPC_3: d.UniPCMultistepScheduler,
           UNIPC_BH2: d.UniPCMultistepScheduler}


def run(kind, karras=0, v=0, steps=7, images=1, n=20, eta=-1.0):
    config = dict(SD15, prediction_type=["epsilon", "v_prediction"][v], use_karras_sigmas=bool(karras),
                  timestep_spacing="leading", **VARIANTS.get(kind, {}))
    s = CLASSES[kind].from_config(config)
    s.set_timesteps(steps)
    seeds = [42 + i for i in range(images)]
    generators = [torch.Generator("cpu").manual_seed(x) for x in seeds]
    x = torch.cat([torch.randn((1, n), generator=g) for g in generators])
    states = [x]
    more = {}
    if kind == TCD:
        more = {"eta": 0.3 if eta < 0 else eta, "generator": generators if images > 1 else generators[0]}
    for t in s.timesteps:
        x = s.step(denoise(x, t), t, x, **more)[0]
        states.append(x)
    return (struct.pack("<6i2d", kind, karras, v, steps, images, n, 1.0, eta)
            + struct.pack(f"<{images}Q", *seeds) + struct.pack("<if", len(s.timesteps), 1.0)
            + s.timesteps.numpy().astype("<f4").tobytes()
            + b"".join(y.numpy().astype("<f4").tobytes() for y in states))


def cases():
    for steps in (1, 2, 3, 7, 20):
        yield run(UNIPC, steps=steps, images=2 if steps == 3 else 1)
        yield run(UNIPC, karras=1, steps=steps)
        yield run(TCD, steps=steps, images=2 if steps == 3 else 1)
        if steps > 1:
            yield run(PLMS, steps=steps, images=2 if steps == 3 else 1)
    for kind in (UNIPC, PLMS, TCD):
        yield run(kind, v=1)
    for eta in (0.0, 0.7, 1.0):
        yield run(TCD, steps=4, eta=eta)
    for steps in (1, 2, 3, 7, 20):
        yield run(DEIS, steps=steps, images=2 if steps == 3 else 1)
        if steps > 1:  # diffusers ends one step where it begins
            yield run(DEIS, karras=1, steps=steps)
    yield run(DEIS, v=1)
    for kind in VARIANTS:
        for steps in (1, 2, 3, 7, 20):
            yield run(kind, steps=steps, images=2 if steps == 3 else 1)
            yield run(kind, karras=1, steps=steps)
        yield run(kind, v=1)


def main():
    torch.set_num_threads(1)
    runs = list(cases())
    with open(sys.argv[1], "wb") as out:
        out.write(b"SDRTKSM1" + struct.pack("<2I", 0, len(runs)) + b"".join(runs))


if __name__ == "__main__":
    main()
