#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/cache/<case>.png: what diffusers draws with the tiny models
while some evaluations of the U-Net take what enters its last layers from the last whole one (DeepCache,
arXiv:2312.00858) or carry it on from the last two, and while guidance ends early. A hook puts the kept tensor in place of what the deep
branch made; whatever that computes has no effect. Likewise of T-GATE (arXiv:2404.02747), by what the authors'
pipelines do in tgate/SD.py, SDXL.py and tgate_utils.py of github.com/HaozheLiu-ST/T-GATE with sp_interval 1 and
fi_interval 1, which leave self-attention alone. Float32 on the CPU.

    python3 tests/oracle/make_cache_golden.py [OUTDIR [CASE ...]]
"""
import os
import sys

import torch
from diffusers import (
    DDIMScheduler,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS, CFG, SEED = 10, 5.0, 7
WIDTH, HEIGHT = 96, {"sd15": 72, "sd21": 72, "sdxl": 72, "sd35": 80}  # odd latents of U-Nets, whose lowest level is 2x2
PIPELINES = {"sd15": StableDiffusionPipeline, "sd21": StableDiffusionPipeline,
             "sdxl": StableDiffusionXLPipeline, "sd35": StableDiffusion3Pipeline}
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
    more = {"sd15": {"safety_checker": None, "feature_extractor": None},
            "sd21": {"safety_checker": None, "feature_extractor": None},
            "sdxl": {"add_watermarker": False},
            "sd35": {"text_encoder_3": None, "tokenizer_3": None}}[family]
    pipe = PIPELINES[family].from_pretrained(f"{HERE}/../golden/tiny-{family}", dtype=torch.float32,
                                             local_files_only=True, **more)
    pipe.set_progress_bar_config(disable=True)
    if family != "sd35":
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


ANSWERS = {  # every, first, last, the share of the steps that has guidance
    "sd15-taylor": ("sd15", 2, 4, 2, 0.55),
    "sd35-taylor": ("sd35", 3, 3, 1, 1.0),
}
EASY = {  # threshold, first, last
    "sd15-easy": ("sd15", 1.0, 3, 2),
    "sd35-easy": ("sd35", 1.0, 3, 2),
}


GATES = {  # evaluations before the gate
    "sd15-gate": ("sd15", 4),
    "sd21-gate": ("sd21", 1),
    "sdxl-gate": ("sdxl", 1),
}


class Gate:
    """The outputs of cross-attentions: kept from evaluation gate - 1, the mean of both halves, and put in the
    place of those behind it."""

    def __init__(self, unet, gate):
        self.gate, self.e, self.kept = gate, -1, {}
        self.hooks = [unet.register_forward_pre_hook(self.count)]
        for name, module in unet.named_modules():
            if name.endswith(".attn2"):
                self.hooks.append(module.register_forward_hook(self.leave))

    def count(self, *_):
        self.e += 1

    def leave(self, module, _, out):
        if self.e == self.gate - 1:
            unconditional, conditional = out.chunk(2)
            self.kept[module] = (unconditional + conditional) / 2
        return self.kept[module] if self.e >= self.gate else None

    def remove(self):
        for h in self.hooks:
            h.remove()


class Answers:
    """Puts answers of the denoiser that are made of earlier ones in the place of computed ones. Subclasses
    say which, by make(x, t), None where it is to be computed, and hear of those by take(x, t, v)."""

    def __init__(self, denoiser):
        self.denoiser, self.forward, self.e, self.left_out = denoiser, denoiser.forward, -1, 0
        denoiser.forward = self.answer

    def answer(self, *args, **kwargs):
        x = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        t = kwargs["timestep"] if "timestep" in kwargs else args[1]
        t = float(t.flatten()[0] if torch.is_tensor(t) else t)
        self.e += 1
        v = self.make(x, t)
        if v is None:
            out = self.forward(*args, **kwargs)
            self.take(x, t, out[0])
            return out
        self.left_out += 1
        return (v,)

    def remove(self):
        self.denoiser.forward = self.forward


class Taylor(Answers):
    def __init__(self, denoiser, every, first, last):
        super().__init__(denoiser)
        self.every, self.first, self.last, self.kept = every, first, last, []

    def make(self, x, t):
        if self.kept and len(x) != len(self.kept[-1][1]):  # guidance has ended
            self.kept = []
        if (self.e < self.first or self.e >= STEPS - self.last or not self.kept or
                (self.e + 1 - self.first) % self.every == 0):
            return None
        (t1, v1), (t0, v0) = self.kept[-1], self.kept[0]
        return v1 if t1 == t0 else v1 + (v1 - v0) * (t - t1) / (t1 - t0)

    def take(self, x, t, v):
        self.kept = [*self.kept[-1:], (t, v)]


class Easy(Answers):
    """Zhou et al. 2025 (arXiv:2507.02860), by guided answers."""

    def __init__(self, denoiser, threshold, first, last):
        super().__init__(denoiser)
        self.threshold, self.first, self.last = threshold, first, last
        self.sum, self.k, self.kept, self.before = 0.0, 0.0, None, None

    @staticmethod
    def guided(v):
        u, c = v.chunk(2)
        return u + CFG * (c - u)

    def make(self, x, t):
        if self.kept is not None:
            self.sum += self.k * float((x[:1] - self.before[:1]).abs().sum() /
                                       self.guided(self.kept[1]).abs().sum())
        self.before = x.clone()
        if (self.e < self.first or self.e >= STEPS - self.last or not self.sum < self.threshold):
            return None
        return x + self.kept[1] - self.kept[0]

    def take(self, x, t, v):
        if self.kept is not None:
            self.k = float((self.guided(v) - self.guided(self.kept[1])).abs().sum() /
                           (x[:1] - self.kept[0][:1]).abs().sum())
        self.kept, self.sum = (x.clone(), v), 0.0


def end_guidance(share, half=-1):
    """diffusers' way to go on without one half: the unconditional one, or with half 0 the other."""
    def at_end(pipe, i, t, kwargs):
        if not i + 1 >= share * STEPS or i >= share * STEPS:
            return kwargs
        pipe._guidance_scale = 0.0
        return {k: v.chunk(2)[half] for k, v in kwargs.items()}
    return at_end


@torch.no_grad()
def draw(pipe, hook, height, share=1.0, half=-1):
    names = {"StableDiffusionPipeline": ["prompt_embeds"]}.get(
        type(pipe).__name__, ["prompt_embeds", "add_text_embeds", "add_time_ids"])
    more = {} if share == 1 else {"callback_on_step_end_tensor_inputs": names,
                                  "callback_on_step_end": end_guidance(share, half)}
    channels = pipe.vae.config.latent_channels
    image = pipe("a photo of a small red cat, 42 stars", negative_prompt="blurry, bad hands",
                 num_inference_steps=STEPS, guidance_scale=CFG, height=height, width=WIDTH,
                 latents=torch.randn((1, channels, height // pipe.vae_scale_factor,
                                      WIDTH // pipe.vae_scale_factor),
                                     generator=torch.Generator("cpu").manual_seed(SEED)),
                 **more).images[0]
    hook.remove()
    return image


def chosen(cases, asked):
    return [(name, case) for name, case in cases.items() if name in asked]


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../golden/cache")
    asked = sys.argv[2:] or [*CASES, *ANSWERS, *EASY, *GATES]
    os.makedirs(out, exist_ok=True)
    torch.set_num_threads(1)
    pipes = {f: load(f) for f in PIPELINES if any(x.startswith(f) for x in asked)}
    denoisers = {f: p.transformer if f == "sd35" else p.unet for f, p in pipes.items()}
    for name, (family, *options, share) in chosen(CASES, asked):
        image = draw(pipes[family], Deep(denoisers[family], *options), HEIGHT[family], share)
        image.save(f"{out}/{name}.png", optimize=True)
    for name, (family, *options, share) in chosen(ANSWERS, asked):
        image = draw(pipes[family], Taylor(denoisers[family], *options), HEIGHT[family], share)
        image.save(f"{out}/{name}.png", optimize=True)
    for name, (family, gate) in chosen(GATES, asked):  # the pooled text is then the negative prompt's
        image = draw(pipes[family], Gate(denoisers[family], gate), HEIGHT[family], gate / STEPS, 0)
        image.save(f"{out}/{name}.png", optimize=True)
    for name, (family, *options) in chosen(EASY, asked):
        hook = Easy(denoisers[family], *options)
        draw(pipes[family], hook, HEIGHT[family]).save(f"{out}/{name}.png", optimize=True)
        print(f"{name}: {hook.left_out} of {STEPS} left out")


if __name__ == "__main__":
    main()
