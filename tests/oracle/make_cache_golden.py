#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/cache/<case>.png: what diffusers draws with the tiny models
while some evaluations of the U-Net take what enters its last layers from the last whole one (DeepCache,
arXiv:2312.00858) or carry it on from the last two, and while guidance ends early. A hook puts the kept tensor in place of what the deep
branch made; whatever that computes has no effect. Float32 on the CPU.

    python3 tests/oracle/make_cache_golden.py [OUTDIR]
"""
import os
import sys

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS, CFG, SEED = 10, 5.0, 7
WIDTH, HEIGHT = 96, 72  # an odd latent, of more than one value at its lowest level
PIPELINES = {"sd15": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}
CASES = {  # every, first, last, order, layers, the share of the steps that has guidance
    "sd15-layers1": ("sd15", 3, 2, 0, 0, 1, 1.0),
    "sd15-layers2": ("sd15", 3, 2, 1, 1, 2, 1.0),
    "sd15-layers3": ("sd15", 2, 3, 0, 0, 3, 1.0),
    "sd15-unguided": ("sd15", 2, 3, 0, 1, 1, 0.55),
    "sd15-range": ("sd15", 1, STEPS, 0, 0, 1, 0.55),
    "sdxl-layers1": ("sdxl", 3, 2, 0, 0, 1, 1.0),
    "sdxl-layers2": ("sdxl", 3, 2, 1, 1, 2, 0.55),
}


def load(family):
    more = {"safety_checker": None, "feature_extractor": None} if family == "sd15" else {
        "add_watermarker": False}
    pipe = PIPELINES[family].from_pretrained(f"{HERE}/../golden/tiny-{family}", dtype=torch.float32,
                                             local_files_only=True, **more)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    return pipe


class Deep:
    """Counts evaluations and puts what is kept in its place."""

    def __init__(self, unet, every, first, last, order, layers):
        self.every, self.first, self.last, self.order = every, first, last, order
        self.e, self.kept = -1, []  # of pairs (timestep, tensor)
        resnets = unet.up_blocks[-1].resnets
        self.hooks = [unet.register_forward_pre_hook(self.count, with_kwargs=True),
                      resnets[len(resnets) - layers].register_forward_pre_hook(self.enter)]

    def whole(self):
        return (self.e < self.first or self.e >= STEPS - self.last or
                (self.e + 1 - self.first) % self.every == 0)

    def count(self, _, args, kwargs):
        self.e, self.t = self.e + 1, float(args[1])

    def enter(self, _, args):
        """args[0] is what enters, and behind its channels the skip."""
        deep, skip = args[0][:, :-SKIP_CHANNELS], args[0][:, -SKIP_CHANNELS:]
        if self.whole():
            self.kept = [*self.kept[-1:], (self.t, deep.clone())]
            return None
        (t, deep), n = self.kept[-1], len(skip)
        if self.order and len(self.kept) > 1:
            older, before = self.kept[0]
            deep = deep[-n:] + (deep[-n:] - before[-n:]) * (self.t - t) / (t - older)
        return (torch.cat([deep[-n:], skip], 1), *args[1:])

    def remove(self):
        for h in self.hooks:
            h.remove()


SKIP_CHANNELS = 32  # of the first level, in both models


def end_guidance(share):
    """diffusers' way to go on without the unconditional half."""
    def at_end(pipe, i, t, kwargs):
        if not i + 1 >= share * STEPS or i >= share * STEPS:
            return kwargs
        pipe._guidance_scale = 0.0
        return {k: v.chunk(2)[-1] for k, v in kwargs.items()}
    return at_end


@torch.no_grad()
def draw(pipe, case):
    family, *options, share = case
    deep = Deep(pipe.unet, *options)
    names = ["prompt_embeds"] + (["add_text_embeds", "add_time_ids"] if family == "sdxl" else [])
    image = pipe("a photo of a small red cat, 42 stars", negative_prompt="blurry, bad hands",
                 num_inference_steps=STEPS, guidance_scale=CFG, height=HEIGHT, width=WIDTH,
                 latents=torch.randn((1, 4, HEIGHT // pipe.vae_scale_factor,
                                      WIDTH // pipe.vae_scale_factor),
                                     generator=torch.Generator("cpu").manual_seed(SEED)),
                 callback_on_step_end_tensor_inputs=names,
                 callback_on_step_end=end_guidance(share) if share < 1 else None).images[0]
    deep.remove()
    return image


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../golden/cache")
    os.makedirs(out, exist_ok=True)
    torch.set_num_threads(1)
    pipes = {f: load(f) for f in PIPELINES}
    for name, case in CASES.items():
        draw(pipes[case[0]], case).save(f"{out}/{name}.png", optimize=True)


if __name__ == "__main__":
    main()
