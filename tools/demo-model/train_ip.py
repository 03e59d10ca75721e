# SPDX-License-Identifier: MIT
"""Trains an IP-Adapter for the small model together with its encoder of pictures, a CLIP vision
transformer made small: a picture of an emoji, of any size and anywhere, in the prompt's place.
While it learns, the encoder also has to tell which emoji and which background it sees, from what
the adapter takes of it.  Writes OUT/image_encoder, as transformers does, and OUT/adapter.safetensors
in its authors' names."""
import argparse
import pathlib
import random
import torch
import torch.nn.functional as F
from diffusers import StableDiffusionPipeline
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
import common
import data
import small
from train_control import place

PARSER = argparse.ArgumentParser(description=__doc__)
PARSER.add_argument("model", type=pathlib.Path, help="the small model")
PARSER.add_argument("out", type=pathlib.Path)
PARSER.add_argument("--minutes", type=float, default=18)
PARSER.add_argument("--batch", type=int, default=16)
PARSER.add_argument("--rate", type=float, default=2e-3)
PARSER.add_argument("--nice", type=int, default=10)
PARSER.add_argument("--seed", type=int, default=1)

SIDE, TOKENS = 64, 4
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]  # CLIP's
SPREAD = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]


def make_encoder():
    return CLIPVisionModelWithProjection(CLIPVisionConfig(
        hidden_size=64, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4,
        image_size=SIDE, patch_size=8, projection_dim=64, hidden_act="quick_gelu"))


def shown(pictures):
    """What CLIP's processor makes of pictures [n, 3, h, w] from -1 to 1."""
    small_ones = F.interpolate(pictures, (SIDE, SIDE), mode="bicubic", antialias=True)
    return ((small_ones.clamp(-1, 1) + 1) / 2 - MEAN) / SPREAD


def make_adapter(unet, width):
    """Its tensors by their names in a file; keys and values begin as those of the text."""
    projection = torch.nn.Linear(width, TOKENS * common.TEXT_WIDTH)
    state = {"image_proj": {"proj.weight": projection.weight.data, "proj.bias": projection.bias.data,
                            "norm.weight": torch.ones(common.TEXT_WIDTH),
                            "norm.bias": torch.zeros(common.TEXT_WIDTH)}, "ip_adapter": {}}
    for i, name in enumerate(unet.attn_processors):
        if name.endswith("attn2.processor"):
            attention = unet.get_submodule(name.removesuffix(".processor"))
            for leaf in ("to_k", "to_v"):
                state["ip_adapter"][f"{i}.{leaf}_ip.weight"] = getattr(attention, leaf).weight.clone()
    return state


def tensors_of(unet):
    """The adapter's tensors as they are now, by their names in a file."""
    projection = unet.encoder_hid_proj.image_projection_layers[0]
    found = {}
    for leaf in ("weight", "bias"):
        found[f"image_proj.proj.{leaf}"] = getattr(projection.image_embeds, leaf)
        found[f"image_proj.norm.{leaf}"] = getattr(projection.norm, leaf)
    for i, processor in enumerate(unet.attn_processors.values()):
        if isinstance(processor, IPAdapterAttnProcessor2_0):
            found[f"ip_adapter.{i}.to_k_ip.weight"] = processor.to_k_ip[0].weight
            found[f"ip_adapter.{i}.to_v_ip.weight"] = processor.to_v_ip[0].weight
    return found


class Pictures:
    """Emoji as the small model draws them, as latents, and elsewhere, as they are shown."""

    def __init__(self, vae):
        self.glyphs = common.load_glyphs(data.read_captions())
        self.latents = torch.stack([
            small.encode(vae, common.compose(self.glyphs, c.expand(len(self.glyphs), 3)))
            for c in common.COLOUR_VALUES], 1)

    def some(self, n):
        """Latents, pictures for the encoder, emoji, colours."""
        i = torch.randint(len(self.glyphs), (n,))
        c = torch.randint(len(common.COLOUR_VALUES), (n,))
        placed = torch.stack([place(self.glyphs[k], random) for k in i])
        return self.latents[i, c], shown(common.compose(placed, common.COLOUR_VALUES[c])), i, c


def main():
    args = PARSER.parse_args()
    small.begin(args)
    pipe = StableDiffusionPipeline.from_pretrained(args.model, dtype=torch.float32)
    encoder = make_encoder()
    pipe.load_ip_adapter([make_adapter(pipe.unet, encoder.config.projection_dim)], subfolder=[None],
                         weight_name=[None], image_encoder_folder=None, low_cpu_mem_usage=False)
    model = small.Denoiser(args.model)
    model.unet = pipe.unet.requires_grad_(False)
    for weight in tensors_of(model.unet).values():
        weight.requires_grad_(True)
    pictures = Pictures(pipe.vae.requires_grad_(False))
    tell = torch.nn.Linear(encoder.config.projection_dim,
                           len(pictures.glyphs) + len(common.COLOUR_VALUES))
    silent = model.text_of("")

    def loss():
        x, seen, i, c = pictures.some(args.batch)
        embeds = encoder(seen).image_embeds
        told = tell(embeds)
        names = len(pictures.glyphs)
        error = F.cross_entropy(told[:, :names], i) + F.cross_entropy(told[:, names:], c)
        noisy, t, velocity = model.noised(x)
        kept = (torch.rand(len(x), 1) >= 0.1) * embeds  # zeros are no picture
        guess = model.unet(noisy, t, silent.expand(len(x), -1, -1),
                           added_cond_kwargs={"image_embeds": [kept[:, None]]}).sample
        return (guess - velocity).square().mean() + 0.02 * error

    small.learn(torch.nn.ModuleList([encoder, tell, model.unet]), loss, args.minutes, args.rate)
    encoder.half().save_pretrained(args.out / "image_encoder")
    small.shrink(args.out / "image_encoder" / "config.json")
    small.save_tensors(tensors_of(model.unet), args.out / "adapter.safetensors", {})


if __name__ == "__main__":
    main()
