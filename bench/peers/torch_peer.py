# SPDX-License-Identifier: MIT
"""diffusers on PyTorch, eager or compiled, in f32 or bf16."""

import time

import diffusers
import torch

PROMPT = "a photo of a cat"


def latent_size(options):
    return options.height // 8, options.width // 8


class Unet(torch.nn.Module):
    """Tensors in, a tensor out, as compilers want it."""

    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, latent, timestep, text):
        return self.unet(latent, timestep, text, return_dict=False)[0]


class Decoder(torch.nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, latent):
        return self.vae.decode(latent, return_dict=False)[0]


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
        return Decoder(vae).eval(), (noise(1, 4, height, width),)
    unet = diffusers.UNet2DConditionModel.from_pretrained(
        options.diffusers, subfolder="unet", torch_dtype=dtype
    )
    text = noise(2, 77, unet.config.cross_attention_dim)
    return Unet(unet).eval(), (noise(2, 4, height, width), torch.tensor(500), text)


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
            self.call()
            return time.perf_counter() - start

    def version(self):
        how = "compiled" if self.compiled else "eager"
        name = str(self.dtype).rsplit(".", maxsplit=1)[-1]
        return f"torch {torch.__version__}, diffusers {diffusers.__version__}, {name}, {how}"
