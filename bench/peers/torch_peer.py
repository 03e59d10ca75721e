# SPDX-License-Identifier: MIT
"""diffusers on PyTorch, eager or compiled, in f32 or bf16."""

import os
import time

import diffusers
import torch

PROMPT = "a photo of a cat"
CLIP_TOKENS, T5_TOKENS = 77, 256


def latent_size(options):
    return options.height // 8, options.width // 8


class Unet(torch.nn.Module):
    """Tensors in, a tensor out, as compilers want it."""

    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, latent, timestep, text):
        return self.unet(latent, timestep, text, return_dict=False)[0]


class SdxlUnet(Unet):
    def forward(self, latent, timestep, text, pooled, numbers):
        added = {"text_embeds": pooled, "time_ids": numbers}
        return self.unet(latent, timestep, text, added_cond_kwargs=added, return_dict=False)[0]


class Mmdit(torch.nn.Module):
    def __init__(self, transformer):
        super().__init__()
        self.transformer = transformer

    def forward(self, latent, timestep, text, pooled):
        return self.transformer(latent, text, pooled, timestep, return_dict=False)[0]


class Decoder(torch.nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, latent):
        return self.vae.decode(latent, return_dict=False)[0]


def load_denoiser(options, dtype, noise):
    """The folder's U-Net or transformer, and its inputs for a guided pair."""
    height, width = latent_size(options)

    def load(kind, part):
        return kind.from_pretrained(options.diffusers, subfolder=part, torch_dtype=dtype)

    if os.path.isdir(f"{options.diffusers}/transformer"):
        net = load(diffusers.SD3Transformer2DModel, "transformer")
        c = net.config
        inputs = (
            noise(2, c.in_channels, height, width),
            torch.full((2,), 500.0),
            noise(2, CLIP_TOKENS + T5_TOKENS, c.joint_attention_dim),
            noise(2, c.pooled_projection_dim),
        )
        return Mmdit(net), inputs
    net = load(diffusers.UNet2DConditionModel, "unet")
    inputs = (
        noise(2, net.config.in_channels, height, width),
        torch.tensor(500),
        noise(2, CLIP_TOKENS, net.config.cross_attention_dim),
    )
    if net.config.addition_embed_type != "text_time":
        return Unet(net), inputs
    numbers = torch.tensor([[options.height, options.width, 0, 0, options.height, options.width]])
    pooled = net.config.projection_class_embeddings_input_dim
    pooled -= numbers.numel() * net.config.addition_time_embed_dim
    return SdxlUnet(net), (*inputs, noise(2, pooled), numbers.to(dtype).repeat(2, 1))


def load_module(options, work, dtype):
    """The network as a module and its inputs."""
    height, width = latent_size(options)
    generator = torch.Generator("cpu").manual_seed(1)

    def noise(*shape):
        return torch.randn(*shape, generator=generator).to(dtype)

    if work == "vae":
        vae = diffusers.AutoencoderKL.from_pretrained(
            options.diffusers, subfolder="vae", torch_dtype=dtype
        )
        return Decoder(vae).eval(), (noise(1, vae.config.latent_channels, height, width),)
    module, inputs = load_denoiser(options, dtype, noise)
    return module.eval(), inputs


def load_pipeline(options, dtype):
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(
        options.diffusers, torch_dtype=dtype, safety_checker=None, requires_safety_checker=False
    )
    pipe.scheduler = diffusers.EulerAncestralDiscreteScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe, options):
    pipe(
        PROMPT,
        num_inference_steps=options.steps,
        guidance_scale=options.cfg,
        width=options.width,
        height=options.height,
        generator=torch.Generator("cpu").manual_seed(1),
        output_type="np",
    )


class Torch:
    warms_up = True

    def __init__(self, options, precision, compiled):
        self.options = options
        self.dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
        self.compiled = compiled
        torch.set_num_threads(options.threads)

    def load(self, work):
        if work == "image":
            pipe = load_pipeline(self.options, self.dtype)
            if self.compiled:
                pipe.unet = torch.compile(pipe.unet)
                pipe.vae.decode = torch.compile(pipe.vae.decode)
            self.call = lambda: draw(pipe, self.options)
            return
        module, inputs = load_module(self.options, work, self.dtype)
        module = module.to(memory_format=torch.channels_last)
        if self.compiled:
            module = torch.compile(module)
        self.call = lambda: module(*inputs)

    def run(self, work):
        with torch.inference_mode():
            start = time.perf_counter()
            self.answer = self.call()
            return time.perf_counter() - start

    def output(self):
        return self.answer.float().numpy()

    def version(self):
        how = "compiled" if self.compiled else "eager"
        name = str(self.dtype).rsplit(".", maxsplit=1)[-1]
        return f"torch {torch.__version__}, diffusers {diffusers.__version__}, {name}, {how}"
