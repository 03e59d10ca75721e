#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/guide/<case>.png: what diffusers draws with the tiny models by other guidance than the
straight line: its pipelines with perturbed attention, with skipped layers and with FreeU, and its guiders'
functions put between the denoiser and the pipeline's own guidance. Float32 on the CPU.

    python3 tests/oracle/make_guide_golden.py [OUTDIR]
"""
import os
import sys

import torch
from diffusers import StableDiffusion3PAGPipeline, StableDiffusionPAGPipeline, StableDiffusionXLPAGPipeline
from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer, normalized_guidance
from diffusers.guiders.classifier_free_zero_star_guidance import cfg_zero_star_scale

from make_cache_golden import CFG, HEIGHT, HERE, SEED, WIDTH, load

STEPS = 6
PAG = {"sd15": StableDiffusionPAGPipeline, "sdxl": StableDiffusionXLPAGPipeline,
       "sd35": StableDiffusion3PAGPipeline}


def draw(pipe, family, cfg=CFG, **more):
    width, height = WIDTH, HEIGHT[family]
    n = pipe.vae_scale_factor
    shape = (1, pipe.vae.config.latent_channels, height // n, width // n)
    latents = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(SEED))
    return pipe("a photo of a small red cat, 42 stars", negative_prompt="blurry, bad hands", width=width,
                height=height, num_inference_steps=STEPS, guidance_scale=cfg, latents=latents,
                **more).images[0]


def by(rule):
    """Both halves of what the denoiser says become the rule's answer, between which guidance is none."""

    def after(_, __, out):
        rule.step = getattr(rule, "step", -1) + 1
        u, c = out[0].chunk(2)
        answer = rule(rule.step, c, u)
        return (torch.cat([answer, answer]), *out[1:])

    return after


def apg(eta, threshold, momentum):
    buffer = MomentumBuffer(momentum) if momentum else None
    return lambda _, c, u: normalized_guidance(c, u, CFG, buffer, eta, threshold)


def zero(n):
    def rule(step, c, u):
        if step < n:
            return torch.zeros_like(c)
        u = u * cfg_zero_star_scale(c.flatten(1), u.flatten(1)).view(-1, 1, 1, 1)
        return u + CFG * (c - u)

    return rule


RULES = {"sd15-apg": ("sd15", apg(0.0, 15, -0.5)), "sdxl-apg": ("sdxl", apg(0.3, 2.5, 0.0)),
         "sd35-apg": ("sd35", apg(0.0, 8, 0.25)), "sd15-zero": ("sd15", zero(0)),
         "sd35-zero": ("sd35", zero(1))}
PAGS = {  # cfg, scale, adaptive, layers
    "sd15-pag": ("sd15", CFG, 3.0, 0.0, "mid"),
    "sd15-pag-alone": ("sd15", 1.0, 2.0, 0.0, ["mid", "up_blocks.1.attentions.0"]),
    "sdxl-pag": ("sdxl", CFG, 3.0, 0.004, "mid"),
    "sd35-pag": ("sd35", CFG, 3.0, 0.002, "blocks.1"),  # which fails at blocks with two attentions
    "sd35-pag-alone": ("sd35", 1.0, 2.0, 0.0, "blocks.1"),
}
FREEU = {"sd15-freeu": ("sd15", (1.5, 1.6, 0.9, 0.2)), "sdxl-freeu": ("sdxl", (1.3, 1.4, 0.9, 0.2))}
SLG = {"sd35-slg": ([1], 2.8, 0.01, 0.7), "sd35-slg-two": ([0, 2], 1.5, 0.3, 1.0)}
LIST = [7.0, 3.0, 1.5]


class Normed(torch.nn.Module):
    """A projection with the norm of its heads behind it."""

    def __init__(self, linear, norm, heads):
        super().__init__()
        self.linear, self.norm, self.heads = linear, norm, heads

    def forward(self, x):
        y = self.linear(x)
        return self.norm(y.unflatten(-1, (self.heads, -1))).flatten(-2)


def normalize(attn):
    """diffusers' processors of perturbed attention leave the norms of queries and keys out, which SD 3.5 has."""
    for linear, norm in (("to_q", "norm_q"), ("to_k", "norm_k"), ("add_q_proj", "norm_added_q"),
                         ("add_k_proj", "norm_added_k")):
        setattr(attn, linear, Normed(getattr(attn, linear), getattr(attn, norm), attn.heads))


@torch.no_grad()
def main():
    out = sys.argv[1] if len(sys.argv) > 1 else f"{HERE}/../golden/guide"
    os.makedirs(out, exist_ok=True)
    torch.set_num_threads(1)
    pipes = {family: load(family) for family in ("sd15", "sdxl", "sd35")}
    for name, (family, rule) in RULES.items():
        pipe = pipes[family]
        net = pipe.transformer if family == "sd35" else pipe.unet
        hook = net.register_forward_hook(by(rule))
        draw(pipe, family).save(f"{out}/{name}.png")
        hook.remove()
    for name, (layers, scale, start, stop) in SLG.items():
        draw(pipes["sd35"], "sd35", skip_guidance_layers=layers, skip_layer_guidance_scale=scale,
             skip_layer_guidance_start=start, skip_layer_guidance_stop=stop).save(f"{out}/{name}.png")
    for name, (family, (b1, b2, s1, s2)) in FREEU.items():
        pipes[family].enable_freeu(s1=s1, s2=s2, b1=b1, b2=b2)
        draw(pipes[family], family).save(f"{out}/{name}.png")
        pipes[family].disable_freeu()

    def follow(pipe, step, _, tensors):
        pipe._guidance_scale = LIST[min((step + 1) * len(LIST) // STEPS, len(LIST) - 1)]
        return tensors

    draw(pipes["sd15"], "sd15", LIST[0], callback_on_step_end=follow).save(f"{out}/sd15-list.png")
    normalize(pipes["sd35"].transformer.transformer_blocks[1].attn)
    for name, (family, cfg, scale, adaptive, layers) in PAGS.items():
        parts = {k: v for k, v in pipes[family].components.items()
                 if not (family == "sd35" and k in ("image_encoder", "feature_extractor"))}
        pipe = PAG[family](**parts, pag_applied_layers=layers)
        pipe.set_progress_bar_config(disable=True)
        draw(pipe, family, cfg, pag_scale=scale, pag_adaptive_scale=adaptive).save(f"{out}/{name}.png")


if __name__ == "__main__":
    main()
