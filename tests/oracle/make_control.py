#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the golden images that control nets guide, as diffusers draws them with the tiny models, float32
on the CPU.

  make_control.py [DIR] [--mmdit|--union|--large|--lora]   (DIR: ../golden beside this script; has the folders of the tiny models and the
                           pictures of make_pictures.py)

The nets' weights are made up from their tensors' names, as make_nets.py's: nets/control-<model>.txt and
nets/adapter-<model>.txt list those, nets/union-sdxl.txt and nets/promax-sdxl.txt those of unions of nets. pictures/<model>-control-<case>.png is the image of a ControlNet,
pictures/<model>-adapter-<case>.png that of a T2I-Adapter; the nets read pictures/init.png and, where there
are two, pictures/mask.png.
"""

import os
import re
import sys

import diffusers
import numpy as np
import torch
from diffusers.models.controlnets.multicontrolnet_union import MultiControlNetUnionModel
from PIL import Image

import make_nets
import make_pictures as pictures

WIDTHS = {"sd15": (16, 32, 96, 256), "sd21": (16, 32), "sdxl": (16, 32)}


def case(sampler="euler_a", steps=4, cfg=4.0, negative=None, nets=1, scale=(1.0, 1.0), start=0.0,
         end=1.0, guess=False, init=None):
    """init: the strength with which pictures/resized-large.png is redrawn."""
    return dict(sampler=sampler, steps=steps, cfg=cfg, negative=negative, nets=nets, scale=scale,
                start=start, end=end, guess=guess, init=init)


CASES = {
    "sd15": {
        "one": case(negative=pictures.NEGATIVE),
        "weak": case("ddim", steps=5, scale=(0.6,), start=0.2, end=0.8),
        "guess": case("ddim", scale=(0.9,), guess=True),
        "alone": case("ddim", cfg=1.0, guess=True),
        "two": case(nets=2, scale=(0.5, 0.7)),
        "apart": case("ddim", steps=4, nets=2, scale=(0.5, 0.7), start=[0.5, 0.0], end=[1.0, 0.5]),
        "init": case(steps=6, init=0.6),
    },
    "sd21": {"one": case("euler", scale=(0.8,))},
    "sdxl": {"one": case("euler", negative=pictures.NEGATIVE), "guess": case("euler", guess=True)},
}


# T2I-Adapters: (type, channels of the picture, widths, pixels a side of a row); nets read the first picture
# and, where there are two, both.
ADAPTERS = {
    "sd15": ("full_adapter", 1, [32, 32, 32, 64], 8),
    "sdxl": ("full_adapter_xl", 3, [32, 64, 64, 64], 4),
}
ADAPTED = {
    "sd15": {"one": case(scale=(0.8,)), "two": case("ddim", nets=2, scale=(0.5, 0.7))},
    "sdxl": {"part": case("euler", negative=pictures.NEGATIVE, scale=(0.9,), end=0.5)},
}


# Unions of nets for SDXL, by how many types they know, and the type of each picture.
UNIONS = {"union": 6, "promax": 8}
UNITED = {
    "union": {"one": (case("euler", negative=pictures.NEGATIVE, scale=(0.9,)), [3]),
              "weak": (case("euler", steps=5, scale=(0.6,), start=0.2, end=0.8), [1])},
    "promax": {"two": (case("euler", nets=2, scale=(0.5, 0.7), start=[0.0, 0.2], end=[1.0, 0.8]),
                       [6, 0])},
}


# ControlNet-LoRAs, of that rank.
LORA_RANK = 4
LORA_CASES = {
    "sd15": {"one": case(negative=pictures.NEGATIVE)},
    "sdxl": {"one": case("euler", scale=(0.8,))},
}

# Nets as Stability's of SD 3.5 Large, of two blocks of the image alone: with diffusers' names and with their own.
LARGE_CASES = {
    "large": {"one": case(cfg=5.0, negative=pictures.NEGATIVE, scale=(0.8,)), "canny": case(cfg=4.0)},
    "stability": {"one": case(cfg=5.0, scale=(0.9,), start=0.0, end=0.8)},
}


# Nets for MMDiTs, of two blocks; whether they are told the pooled text.
MMDITS = {"sd3": False, "sd35": True}
MMDIT_CASES = {
    "sd3": {"one": case(steps=4, cfg=5.0, negative=pictures.NEGATIVE, scale=(0.8,))},
    "sd35": {"two": case(steps=4, cfg=4.0, nets=2, scale=(0.5, 0.7), start=[0.0, 0.2], end=[1.0, 0.8])},
}


def single_name(name, per_level, hints):
    """As the original names it."""
    if m := re.fullmatch(r"controlnet_down_blocks\.(\d+)\.(.*)", name):
        return f"zero_convs.{m[1]}.0.{m[2]}"
    if m := re.fullmatch(r"controlnet_mid_block\.(.*)", name):
        return f"middle_block_out.0.{m[1]}"
    if m := re.fullmatch(r"controlnet_cond_embedding\.(.*)\.(weight|bias)", name):
        inner = m[1].split(".")
        at = {"conv_in": 0, "conv_out": 4 * hints - 2}.get(inner[0])
        return f"input_hint_block.{2 * int(inner[1]) + 2 if at is None else at}.{m[2]}"
    return make_nets.single_name(name, per_level, [], False)


def make_net(unet, widths):
    net = diffusers.ControlNetModel.from_unet(
        unet, conditioning_embedding_out_channels=widths, load_weights_from_unet=False).eval()
    state = {k: make_nets.weight(k, tuple(v.shape)) for k, v in net.state_dict().items()}
    net.load_state_dict(state)
    return net


def write_list(path, net, per_level, hints):
    with open(path, "w") as f:
        for name, v in net.state_dict().items():
            single = single_name(name, per_level, hints)
            f.write(f"{name}\t{'-' if single == name else single}\t{','.join(map(str, v.shape))}\n")


@torch.no_grad()
def image_of(base, model, net, c, shown, init):
    task = "Img2Img" if c["init"] else ""
    kind = getattr(diffusers, f"{pictures.KINDS[model]}ControlNet{task}Pipeline")
    one = c["nets"] == 1
    nets = net if one else diffusers.MultiControlNetModel([net] * c["nets"])
    pipe = kind.from_pipe(base, controlnet=nets)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = pictures.scheduler_of(base, model, c)
    call = dict(
        prompt=pictures.PROMPT, negative_prompt=c["negative"], num_inference_steps=c["steps"],
        guidance_scale=c["cfg"], guess_mode=c["guess"], control_guidance_start=c["start"],
        control_guidance_end=c["end"], output_type="np",
        controlnet_conditioning_scale=c["scale"][0] if one else list(c["scale"]),
        generator=torch.Generator("cpu").manual_seed(pictures.SEED),
    )
    shown = shown[0] if one else shown[: c["nets"]]
    if c["init"]:
        call |= dict(image=init, control_image=shown, strength=c["init"])
    else:
        call |= dict(image=shown, width=pictures.W, height=pictures.H)
    return Image.fromarray((pipe(**call).images[0] * 255).round().astype(np.uint8))


def adapter_name(name):
    """As the original names it."""
    name = name.removeprefix("adapter.")
    name = re.sub(r"body\.(\d)\.resnets\.(\d)\.", lambda m: f"body.{2 * int(m[1]) + int(m[2])}.", name)
    return re.sub(r"body\.(\d)\.in_conv\.", lambda m: f"body.{2 * int(m[1])}.in_conv.", name)


def make_adapter(kind, channels, widths, factor):
    net = diffusers.T2IAdapter(channels, widths, 2, factor, kind).eval()
    state = {k: make_nets.weight(k, tuple(v.shape)) for k, v in net.state_dict().items()}
    net.load_state_dict(state)
    return net


@torch.no_grad()
def adapted_image(base, model, net, c, shown):
    one = c["nets"] == 1
    nets = net if one else diffusers.MultiAdapter([net] * c["nets"])
    kind = getattr(diffusers, f"{pictures.KINDS[model]}AdapterPipeline")
    pipe = kind.from_pipe(base, adapter=nets)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = pictures.scheduler_of(base, model, c)
    if ADAPTERS[model][1] == 1:
        shown = [x.convert("L") for x in shown]
    more = {"adapter_conditioning_factor": c["end"]} if model == "sdxl" else {}
    out = pipe(
        prompt=pictures.PROMPT, negative_prompt=c["negative"], num_inference_steps=c["steps"],
        guidance_scale=c["cfg"], image=shown[0] if one else shown, width=pictures.W,
        height=pictures.H, output_type="np",
        adapter_conditioning_scale=c["scale"][0] if one else list(c["scale"]),
        generator=torch.Generator("cpu").manual_seed(pictures.SEED), **more,
    ).images[0]
    return Image.fromarray((out * 255).round().astype(np.uint8))


def write_adapters(root, shown):
    for model, cases in ADAPTED.items():
        base = pictures.load(root, model)
        net = make_adapter(*ADAPTERS[model])
        with open(f"{root}/nets/adapter-{model}.txt", "w") as f:
            for name, v in net.state_dict().items():
                f.write(f"{name}\t{adapter_name(name)}\t{','.join(map(str, v.shape))}\n")
        for name, c in cases.items():
            image = adapted_image(base, model, net, c, shown)
            image.save(f"{root}/pictures/{model}-adapter-{name}.png")
            print(model, name, f"deviation {np.asarray(image).std():.1f}", flush=True)


@torch.no_grad()
def united_image(base, net, c, types, shown):
    one = c["nets"] == 1
    nets = net if one else MultiControlNetUnionModel([net] * c["nets"])
    pipe = diffusers.StableDiffusionXLControlNetUnionPipeline.from_pipe(base, controlnet=nets)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = pictures.scheduler_of(base, "sdxl", c)
    out = pipe(
        prompt=pictures.PROMPT, negative_prompt=c["negative"], num_inference_steps=c["steps"],
        guidance_scale=c["cfg"], guess_mode=c["guess"], width=pictures.W, height=pictures.H,
        control_image=shown[: c["nets"]],
        control_mode=types, control_guidance_start=c["start"],
        control_guidance_end=c["end"], output_type="np",
        controlnet_conditioning_scale=c["scale"][0] if one else list(c["scale"]),
        generator=torch.Generator("cpu").manual_seed(pictures.SEED),
    ).images[0]
    return Image.fromarray((out * 255).round().astype(np.uint8))


def write_unions(root, shown):
    base = pictures.load(root, "sdxl")
    width = base.unet.config.block_out_channels[0]
    for kind, cases in UNITED.items():
        plain = diffusers.ControlNetUnionModel.from_unet(
            base.unet, conditioning_embedding_out_channels=WIDTHS["sdxl"], load_weights_from_unet=False)
        net = diffusers.ControlNetUnionModel.from_config(
            {**{k: v for k, v in plain.config.items() if not k.startswith("_")}, "num_control_type": UNIONS[kind], "num_trans_channel": width,
             "num_proj_channel": width}).eval()
        state = {k: make_nets.weight(k, tuple(v.shape)) for k, v in net.state_dict().items()}
        net.load_state_dict(state)
        with open(f"{root}/nets/{kind}-sdxl.txt", "w") as f:
            for name, v in net.state_dict().items():
                f.write(f"{name}\t-\t{','.join(map(str, v.shape))}\n")
        for name, (c, types) in cases.items():
            image = united_image(base, net, c, types, shown)
            image.save(f"{root}/pictures/sdxl-{kind}-{name}.png")
            print("sdxl", kind, name, f"deviation {np.asarray(image).std():.1f}", flush=True)


LORA_WHOLE = ("conv_in.", "controlnet_")


def write_loras(root, shown):
    """up times down is added to each weight of the U-Net's that is no vector, as in ComfyUI's controlnet.py;
    biases are the file's, norms stay."""
    for model, cases in LORA_CASES.items():
        base = pictures.load(root, model)
        net = diffusers.ControlNetModel.from_unet(
            base.unet, conditioning_embedding_out_channels=WIDTHS[model]).eval()
        per_level = base.unet.config.layers_per_block + 1
        state, rows = net.state_dict(), [("lora_controlnet", (1,))]
        for name, v in state.items():
            single = single_name(name, per_level, len(WIDTHS[model]))
            if name.startswith(LORA_WHOLE) or (name.endswith(".bias") and "norm" not in name):
                rows.append((single, tuple(v.shape)))
                state[name] = make_nets.weight(single, rows[-1][1])
            elif v.ndim > 1:
                stem, factors = single.removesuffix(".weight"), []
                for leaf, shape in (("up", (v.shape[0], LORA_RANK) + (1,) * (v.ndim - 2)),
                                    ("down", (LORA_RANK,) + tuple(v.shape[1:]))):
                    rows.append((f"{stem}.{leaf}", shape))
                    factors.append(make_nets.weight(*rows[-1]).flatten(1))
                state[name] = v + (factors[0] @ factors[1]).reshape(v.shape)
        net.load_state_dict(state)
        with open(f"{root}/nets/control-lora-{model}.txt", "w") as f:
            for name, shape in rows:
                f.write(f"{name}\t-\t{','.join(map(str, shape))}\n")
        for name, c in cases.items():
            image = image_of(base, model, net, c, shown, None)
            image.save(f"{root}/pictures/{model}-control-lora-{name}.png")
            print(model, "lora", name, f"deviation {np.asarray(image).std():.1f}", flush=True)


class CannyProcessor(diffusers.image_processor.VaeImageProcessor):
    """As the card of Stability's net of edges says."""

    def __init__(self):
        super().__init__(do_normalize=False)

    def preprocess(self, image, **kwargs):
        return super().preprocess(image, **kwargs) * 255 * 0.5 + 0.5

    def postprocess(self, image, do_denormalize=True, **kwargs):
        return super().postprocess(image, **kwargs, do_denormalize=[True] * image.shape[0])


STABILITY = {"norm1.linear": "adaLN_modulation.1", "attn.to_out.0": "attn.proj",
             "ff.net.0.proj": "mlp.fc1", "ff.net.2": "mlp.fc2"}


def stability_name(name):
    """The original's, and which third of it this is."""
    if not (m := re.fullmatch(r"(transformer_blocks\.\d+\.)(.*)\.(weight|bias)", name)):
        return name, None
    if third := re.fullmatch(r"attn\.to_([qkv])", m[2]):
        return f"{m[1]}attn.qkv.{m[3]}", "qkv".index(third[1])
    return f"{m[1]}{STABILITY[m[2]]}.{m[3]}", None


def large_state(net, kind, rows):
    state = {}
    for name, v in net.state_dict().items():
        file, third = stability_name(name) if kind == "stability" else (name, None)
        shape = tuple(v.shape) if third is None else (3 * v.shape[0], *v.shape[1:])
        rows[file] = shape
        whole = make_nets.weight(file, shape)
        state[name] = whole if third is None else whole.chunk(3)[third]
    return state


def write_larges(root, shown):
    """As write_mmdits(); the nets take the model's patches and positions."""
    vae = diffusers.models.autoencoders.vae.DiagonalGaussianDistribution
    vae.sample = lambda self, generator=None: self.mode()
    for kind, cases in LARGE_CASES.items():
        base = pictures.load(root, "sd35")
        config = {**base.transformer.config, "num_layers": 2, "joint_attention_dim": None,
                  "extra_conditioning_channels": 0, "dual_attention_layers": (), "qk_norm": None,
                  "pos_embed_max_size": None, "pos_embed_type": None, "use_pos_embed": False,
                  "force_zeros_for_pooled_projection": False}
        net = diffusers.SD3ControlNetModel.from_config(config).eval()
        rows = {"control_type": (1,)} if kind == "stability" else {}
        net.load_state_dict(large_state(net, kind, rows))
        with open(f"{root}/nets/control-sd35-{kind}.txt", "w") as f:
            for name, shape in rows.items():
                f.write(f"{name}\t-\t{','.join(map(str, shape))}\n")
        for name, c in cases.items():
            image = mmdit_image(base, net, c, shown, CannyProcessor() if name == "canny" else None)
            image.save(f"{root}/pictures/sd35-{kind}-{name}.png")
            print("sd35", kind, name, f"deviation {np.asarray(image).std():.1f}", flush=True)


@torch.no_grad()
def mmdit_image(base, net, c, shown, processor=None):
    one = c["nets"] == 1
    nets = net if one else diffusers.SD3MultiControlNetModel([net] * c["nets"])
    pipe = diffusers.StableDiffusion3ControlNetPipeline.from_pipe(base, controlnet=nets)
    pipe.set_progress_bar_config(disable=True)
    if processor:
        pipe.image_processor = processor
    out = pipe(
        prompt=pictures.PROMPT, negative_prompt=c["negative"], num_inference_steps=c["steps"],
        guidance_scale=c["cfg"], width=pictures.W, height=pictures.H, output_type="np",
        control_image=shown[0] if one else shown, control_guidance_start=c["start"],
        control_guidance_end=c["end"],
        controlnet_conditioning_scale=c["scale"][0] if one else list(c["scale"]),
        generator=torch.Generator("cpu").manual_seed(pictures.SEED),
    ).images[0]
    return Image.fromarray((out * 255).round().astype(np.uint8))


def write_mmdits(root, shown):
    """The picture's latent is the mean of the VAE's distribution; the pipeline draws from it, without the
    generator that it is given."""
    vae = diffusers.models.autoencoders.vae.DiagonalGaussianDistribution
    vae.sample = lambda self, generator=None: self.mode()
    for model, cases in MMDIT_CASES.items():
        base = pictures.load(root, model)
        config = {**base.transformer.config, "num_layers": 2, "extra_conditioning_channels": 0,
                  "force_zeros_for_pooled_projection": not MMDITS[model]}
        net = diffusers.SD3ControlNetModel.from_config(config).eval()
        state = {k: make_nets.weight(k, tuple(v.shape)) for k, v in net.state_dict().items()}
        net.load_state_dict(state)
        with open(f"{root}/nets/control-{model}.txt", "w") as f:
            for name, v in net.state_dict().items():
                f.write(f"{name}\t-\t{','.join(map(str, v.shape))}\n")
        for name, c in cases.items():
            image = mmdit_image(base, net, c, shown)
            image.save(f"{root}/pictures/{model}-control-{name}.png")
            print(model, name, f"deviation {np.asarray(image).std():.1f}", flush=True)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 and not sys.argv[1].startswith("--") else os.path.normpath(os.path.join(here, "../golden"))
    torch.set_num_threads(1)
    shown = [Image.open(f"{root}/pictures/{n}.png").convert("RGB") for n in ("init", "mask")]
    init = shown[0].transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if "--mmdit" in sys.argv:  # alone
        return write_mmdits(root, shown)
    if "--union" in sys.argv:
        return write_unions(root, shown)
    if "--large" in sys.argv:
        return write_larges(root, shown)
    if "--lora" in sys.argv:
        return write_loras(root, shown)
    write_adapters(root, shown)
    for model, cases in CASES.items():
        base = pictures.load(root, model)
        net = make_net(base.unet, WIDTHS[model])
        per_level = base.unet.config.layers_per_block + 1
        write_list(f"{root}/nets/control-{model}.txt", net, per_level, len(WIDTHS[model]))
        for name, c in cases.items():
            image = image_of(base, model, net, c, shown, init)
            image.save(f"{root}/pictures/{model}-control-{name}.png")
            print(model, name, f"deviation {np.asarray(image).std():.1f}", flush=True)
    write_unions(root, shown)
    write_loras(root, shown)
    write_mmdits(root, shown)
    write_larges(root, shown)


if __name__ == "__main__":
    main()
