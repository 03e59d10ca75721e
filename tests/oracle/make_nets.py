#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write what the tests of unusual denoisers compare with: U-Nets that are smaller or shaped
otherwise than the published ones (BK-SDM, SSD-1B, KOALA), that are told the guidance scale (LCM), or
that denoise by EDM's rules (Playground v2.5, CosXL).

  make_nets.py [OUTDIR]   (OUTDIR: ../golden/nets beside this script)

A U-Net's weights are made up from its tensors' names (weight() below), so that no weights need be
kept: KIND.txt lists the tensors, a line each: diffusers' name, the name in a single file ("-": the
same), shape. The other parts are those of ../golden/tiny-sd15 and tiny-sdxl. KIND.npy is diffusers'
image, float32 on the CPU, as bytes [64][64][3].
"""

import json
import os
import re
import shutil
import sys
import tempfile

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    EDMDPMSolverMultistepScheduler,
    EDMEulerScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)

HERE = os.path.dirname(os.path.abspath(__file__))
PROMPT = "a photo of a small red cat, 42 stars"
MASK = (1 << 64) - 1
C, D, U = "CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnUpBlock2D"


def weight(name, shape):
    """Numbers that tests/made_weights.c makes too: splitmix64 from a hash of the name."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 & MASK
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    u = (z >> np.uint64(40)).astype(np.float64) / (1 << 23) - 1.0
    if len(shape) > 1:
        u = u * np.sqrt(3.0 / (n // shape[0]))
    elif name.endswith(".weight"):
        u = 1.0 + 0.1 * u
    else:
        u = 0.1 * u
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


def make(config):
    unet = UNet2DConditionModel(**config).eval()
    unet.load_state_dict({k: weight(k, tuple(v.shape)) for k, v in unet.state_dict().items()})
    return unet


# ---- the names of single files ----

RES = {"norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0",
       "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"}
OUTER = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
         "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
         "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}


def single_name(name, per_level, attention, script):
    """per_level: blocks of a level; attention: whether each up block has transformers; script: as
    diffusers' conversion script, which has no rule for the first up block's."""
    module, leaf = name.rsplit(".", 1)
    if module in OUTER:
        return f"{OUTER[module]}.{leaf}"
    if m := re.fullmatch(r"(down|up)_blocks\.(\d)\.(resnets|attentions)\.(\d)\.(.*)", module):
        i, j, rest = int(m[2]), int(m[4]), m[5]
        if script and m[1] == "up" and i == 0 and m[3] == "attentions":
            return name
        n = per_level * i + j + (m[1] == "down")
        side = "input" if m[1] == "down" else "output"
        inner = rest if m[3] == "attentions" else RES.get(rest, rest)
        return f"{side}_blocks.{n}.{int(m[3] == 'attentions')}.{inner}.{leaf}"
    if m := re.fullmatch(r"down_blocks\.(\d)\.downsamplers\.0\.conv", module):
        return f"input_blocks.{per_level * (int(m[1]) + 1)}.0.op.{leaf}"
    if m := re.fullmatch(r"up_blocks\.(\d)\.upsamplers\.0\.conv", module):
        i = int(m[1])
        place = (2 if i else 1) if script else (2 if attention[i] else 1)
        return f"output_blocks.{per_level * (i + 1) - 1}.{place}.conv.{leaf}"
    if m := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", module):
        n = 1 if m[1] == "attentions" else 2 * int(m[2])
        return f"middle_block.{n}.{RES.get(m[3], m[3])}.{leaf}"
    return name


def write_list(path, unet, per_level, script):
    attention = ["CrossAttn" in k for k in unet.config.up_block_types]
    with open(path, "w") as f:
        for name, v in unet.state_dict().items():
            single = single_name(name, per_level, attention, script)
            shape = ",".join(map(str, v.shape))
            f.write(f"{name}\t{'-' if single == name else single}\t{shape}\n")


# ---- the kinds ----

SD = dict(sample_size=64, attention_head_dim=8, norm_num_groups=32, cross_attention_dim=64,
          layers_per_block=1)
XL = dict(sample_size=32, norm_num_groups=32, cross_attention_dim=192, use_linear_projection=True,
          block_out_channels=(32, 64, 64), attention_head_dim=(1, 1, 1),
          down_block_types=(D, C, C), up_block_types=(U, U, "UpBlock2D"),
          addition_embed_type="text_time", projection_class_embeddings_input_dim=128 + 6 * 16,
          addition_time_embed_dim=16)
BK = dict(SD, block_out_channels=(32, 32, 32, 64), down_block_types=(C, C, C, D),
          up_block_types=("UpBlock2D", U, U, U))
KINDS = {
    # name: (configuration, blocks of a level in a single file's numbers, as the script names them)
    "bk-base": (BK, 3, True),
    "bk-small": (dict(BK, mid_block_type=None), 3, True),
    "bk-tiny": (dict(SD, block_out_channels=(32, 32, 64), down_block_types=(C, C, C),
                     up_block_types=(U, U, U), mid_block_type=None), 3, True),
    "lcm": (dict(SD, block_out_channels=(32, 64), down_block_types=(C, D),
                 up_block_types=("UpBlock2D", U), time_cond_proj_dim=256), 2, False),
    "ssd": (dict(XL, layers_per_block=2, mid_block_type="UNetMidBlock2D",
                 transformer_layers_per_block=(1, (1, 2), (2, 2)),
                 reverse_transformer_layers_per_block=((2, 1, 3), (2, 1, 1), 1)), 3, False),
    "vega": (dict(XL, layers_per_block=2, mid_block_type="UNetMidBlock2D",
                  transformer_layers_per_block=(1, 1, 2)), 3, False),
    "koala": (dict(XL, layers_per_block=1, mid_block_type=None,
                   transformer_layers_per_block=(1, 1, 2)), 2, False),
}


class EDMEulerAncestral(EDMEulerScheduler):
    """k-diffusion's sample_euler_ancestral(), which diffusers has not for EDM, on diffusers'
    preconditioning."""

    def step(self, model_output, timestep, sample, generator=None, return_dict=True):
        if self.step_index is None:
            self._init_step_index(timestep)
        now, to = self.sigmas[self.step_index], self.sigmas[self.step_index + 1]
        denoised = self.precondition_outputs(sample, model_output, now)
        up = min(to, (to**2 * (now**2 - to**2) / now**2) ** 0.5)
        down = (to**2 - up**2) ** 0.5
        noise = torch.randn(sample.shape, generator=generator)
        self._step_index += 1
        return (sample + (sample - denoised) / now * (down - now) + noise * up,)


class EDMHeun(EDMEulerScheduler):
    """k-diffusion's sample_heun() without churn, likewise; each step but the last is two."""

    def set_timesteps(self, num_inference_steps=None, device=None, **more):
        super().set_timesteps(num_inference_steps, device, **more)
        s, t = self.sigmas, self.timesteps
        self.sigmas = torch.cat([s[:1], s[1:-1].repeat_interleave(2), s[-1:]])
        self.timesteps = torch.cat([t[:1], t[1:].repeat_interleave(2)])
        self.first = None

    def step(self, model_output, timestep, sample, return_dict=True):
        if self.step_index is None:
            self._step_index = 0
        i = self.step_index
        self._step_index += 1
        if self.first is None:
            now, to = self.sigmas[i], self.sigmas[i + 1]
            slope = (sample - self.precondition_outputs(sample, model_output, now)) / now
            if to > 0:
                self.first = sample, slope, to - now
            return (sample + slope * (to - now),)
        start, slope, dt = self.first
        self.first = None
        now = self.sigmas[i]
        other = (sample - self.precondition_outputs(sample, model_output, now)) / now
        return (start + (slope + other) / 2 * dt,)


EDM = {
    "playground": (EDMDPMSolverMultistepScheduler(sigma_min=0.002, sigma_max=80.0, sigma_data=0.5),
                   "dpmpp_2m"),
    "playground-euler": (EDMEulerScheduler(sigma_min=0.002, sigma_max=80.0, sigma_data=0.5),
                         "euler"),
    "cosxl": (EDMEulerScheduler(sigma_min=0.002, sigma_max=120.0, sigma_data=1.0,
                                prediction_type="v_prediction", sigma_schedule="exponential"),
              "euler"),
    "cosxl-karras": (EDMDPMSolverMultistepScheduler(sigma_min=0.002, sigma_max=120.0,
                                                    sigma_data=1.0,
                                                    prediction_type="v_prediction"), "dpmpp_2m"),
    "cosxl-euler-a": (EDMEulerAncestral(sigma_min=0.002, sigma_max=120.0, sigma_data=1.0,
                                        prediction_type="v_prediction",
                                        sigma_schedule="exponential"), "euler_a"),
    "playground-heun": (EDMHeun(sigma_min=0.002, sigma_max=80.0, sigma_data=0.5), "heun"),
}
MEAN, STD = [-1.6574, 1.886, -1.383, 2.5155], [8.4927, 5.9022, 6.5498, 5.2299]


def load(folder, xl, **parts):
    kind = StableDiffusionXLPipeline if xl else StableDiffusionPipeline
    more = {"add_watermarker": False} if xl else {"safety_checker": None, "feature_extractor": None}
    pipe = kind.from_pretrained(folder, dtype=torch.float32, local_files_only=True, **more, **parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe, path, steps, cfg):
    g = torch.Generator("cpu").manual_seed(7)
    with torch.no_grad():
        x = pipe(PROMPT, width=64, height=64, num_inference_steps=steps, guidance_scale=cfg,
                 generator=g, output_type="np").images[0]
    x = np.round(x * 255).astype(np.uint8)
    np.save(path, x)
    print(f"{path}: mean {x.mean():.1f}, deviation {x.std():.1f}")


def write_shapes(out):
    for name, (config, per_level, script) in KINDS.items():
        xl = "addition_embed_type" in config
        unet = make(config)
        write_list(f"{out}/{name}.txt", unet, per_level, script)
        pipe = load(f"{HERE}/../golden/tiny-{'sdxl' if xl else 'sd15'}", xl, unet=unet)
        kind = LCMScheduler if name == "lcm" else EulerDiscreteScheduler if xl else DDIMScheduler
        pipe.scheduler = kind.from_config(pipe.scheduler.config)
        draw(pipe, f"{out}/{name}.npy", 4 if name == "lcm" else 3, 8.0 if name == "lcm" else 5.0)


def write_edm(out):
    """The tiny SDXL with other rules of noise, and Playground's other numbers of the VAE."""
    for name, (scheduler, _) in EDM.items():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(f"{HERE}/../golden/tiny-sdxl", folder, dirs_exist_ok=True)
            if name.startswith("playground"):
                vae = json.load(open(f"{folder}/vae/config.json"))
                vae |= {"latents_mean": MEAN, "latents_std": STD, "scaling_factor": 0.5}
                json.dump(vae, open(f"{folder}/vae/config.json", "w"))
            pipe = load(folder, True)
            pipe.scheduler = scheduler
            draw(pipe, f"{out}/{name}.npy", 4, 3.0)


ENDS = {"clip_sample": True, "clip_sample_range": 1.5, "set_alpha_to_one": True}


def write_ends(out):
    """The tiny SDXL where the scheduler clips the image on its way."""
    pipe = load(f"{HERE}/../golden/tiny-sdxl", True)
    config = pipe.scheduler.config
    for name, kind in (("clip-ddim", DDIMScheduler), ("clip-lcm", LCMScheduler)):
        pipe.scheduler = kind.from_config({**config, **ENDS})
        draw(pipe, f"{out}/{name}.npy", 4, 3.0)


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else f"{HERE}/../golden/nets"
    torch.set_num_threads(1)
    os.makedirs(out, exist_ok=True)
    write_shapes(out)
    write_edm(out)
    write_ends(out)


if __name__ == "__main__":
    main()
