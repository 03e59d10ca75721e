#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the golden images that pictures as prompts (IP-Adapters) guide, as diffusers draws them with the tiny
models, float32 on the CPU.

  make_image_prompts.py [DIR]   (DIR: ../golden beside this script; has the folders of the tiny models and
                                the pictures of make_pictures.py)

The weights of the adapters and of CLIP's encoder of pictures are made up from their tensors' names, as
make_nets.py's: nets/ip-<kind>-<model>.txt and nets/clip-vision.txt list those.
pictures/<model>-ip-<case>.png is the image; adapters see pictures/init.png and, where there are two,
pictures/mask.png, through transformers' processor by Pillow.
"""

import os
import sys

import numpy as np
import torch
from PIL import Image
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
from transformers.models.clip import CLIPImageProcessorPil

import make_nets
import make_pictures as pictures

SIZE, TOKENS, WIDTH, DEPTH, HEAD = 224, 6, 64, 4, 64
VISION = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=3, num_attention_heads=4,
              image_size=SIZE, patch_size=32, projection_dim=48, hidden_act="gelu")


def case(kinds, scales, sampler="euler_a", steps=4, cfg=4.0, negative=None):
    return dict(kinds=kinds, scales=scales, sampler=sampler, steps=steps, cfg=cfg, negative=negative)


CASES = {
    "sd15": {
        "plain": case(["plain"], [0.6], negative=pictures.NEGATIVE),
        "plus": case(["plus"], [0.8], "ddim"),
        "both": case(["plain", "plus"], [0.5, 0.7]),
        "alone": case(["plus"], [1.0], "ddim", cfg=1.0),
    },
    "sdxl": {
        "plain": case(["plain"], [0.7], "euler", negative=pictures.NEGATIVE),
        "plus": case(["plus"], [0.5], "euler"),
    },
}


def write_list(path, state):
    with open(path, "w") as f:
        for name, v in state.items():
            f.write(f"{name}\t-\t{','.join(map(str, v.shape))}\n")


def projection(kind, context):
    """Shapes of what makes tokens of an encoder's numbers, by its authors' names."""
    if kind == "plain":
        return {"proj.weight": (4 * context, VISION["projection_dim"]), "proj.bias": (4 * context,),
                "norm.weight": (context,), "norm.bias": (context,)}
    shapes = {"latents": (1, TOKENS, WIDTH), "proj_in.weight": (WIDTH, VISION["hidden_size"]),
              "proj_in.bias": (WIDTH,), "proj_out.weight": (context, WIDTH), "proj_out.bias": (context,),
              "norm_out.weight": (context,), "norm_out.bias": (context,)}
    for i in range(DEPTH):
        for norm in ("0.norm1", "0.norm2", "1.0"):
            shapes[f"layers.{i}.{norm}.weight"] = shapes[f"layers.{i}.{norm}.bias"] = (WIDTH,)
        shapes |= {f"layers.{i}.0.to_q.weight": (HEAD, WIDTH), f"layers.{i}.0.to_kv.weight": (2 * HEAD, WIDTH),
                   f"layers.{i}.0.to_out.weight": (WIDTH, HEAD), f"layers.{i}.1.1.weight": (4 * WIDTH, WIDTH),
                   f"layers.{i}.1.3.weight": (WIDTH, 4 * WIDTH)}
    return shapes


def make_adapter(unet, kind):
    """Its tensors by their names in a file; attentions are numbered as diffusers lists them."""
    shapes = {f"image_proj.{k}": s for k, s in projection(kind, unet.config.cross_attention_dim).items()}
    for i, name in enumerate(unet.attn_processors):
        if name.endswith("attn2.processor"):
            shape = tuple(unet.get_submodule(name.removesuffix(".processor")).to_k.weight.shape)
            shapes |= {f"ip_adapter.{i}.to_k_ip.weight": shape, f"ip_adapter.{i}.to_v_ip.weight": shape}
    return {k: make_nets.weight(k, s) for k, s in shapes.items()}


def nested(state):
    out = {"image_proj": {}, "ip_adapter": {}}
    for name, v in state.items():
        part, rest = name.split(".", 1)
        out[part][rest] = v
    return out


@torch.no_grad()
def image_of(root, model, c, encoder, shown):
    pipe = pictures.load(root, model)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = pictures.scheduler_of(pipe, model, c)
    states = [make_adapter(pipe.unet, kind) for kind in c["kinds"]]
    for kind, state in zip(c["kinds"], states):
        write_list(f"{root}/nets/ip-{kind}-{model}.txt", state)
    pipe.register_modules(image_encoder=encoder, feature_extractor=CLIPImageProcessorPil(
        size={"shortest_edge": SIZE}, crop_size=SIZE))
    n = len(states)
    pipe.load_ip_adapter([nested(s) for s in states], subfolder=[None] * n, weight_name=[None] * n,
                         low_cpu_mem_usage=False)
    pipe.set_ip_adapter_scale(c["scales"])
    out = pipe(
        prompt=pictures.PROMPT, negative_prompt=c["negative"], num_inference_steps=c["steps"],
        guidance_scale=c["cfg"], width=pictures.W, height=pictures.H, output_type="np",
        ip_adapter_image=shown[:n], generator=torch.Generator("cpu").manual_seed(pictures.SEED),
    ).images[0]
    return Image.fromarray((out * 255).round().astype(np.uint8))


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.normpath(os.path.join(here, "../golden"))
    torch.set_num_threads(1)
    shown = [Image.open(f"{root}/pictures/{n}.png").convert("RGB") for n in ("init", "mask")]
    encoder = CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION)).eval()
    state = {k: make_nets.weight(k, tuple(v.shape)) for k, v in encoder.state_dict().items()}
    encoder.load_state_dict(state)
    write_list(f"{root}/nets/clip-vision.txt", state)
    for model, cases in CASES.items():
        for name, c in cases.items():
            image = image_of(root, model, c, encoder, shown)
            image.save(f"{root}/pictures/{model}-ip-{name}.png")
            print(model, name, f"deviation {np.asarray(image).std():.1f}", flush=True)


if __name__ == "__main__":
    main()
