# SPDX-License-Identifier: MIT
"""Trains a ControlNet for the small model that reads edges, as OpenCV's Canny and sdgen's find them:
the emoji that the prompt names, of any size, anywhere and either way round, where the small model
itself knows but one pose.  The net has no attention, so that it is small.  Writes a folder of
diffusers' ControlNetModel."""
import argparse
import pathlib
import random
import cv2
import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel
from PIL import Image, ImageOps
import common
import data
import small
from evaluate_nets import bytes_of

PARSER = argparse.ArgumentParser(description=__doc__)
PARSER.add_argument("model", type=pathlib.Path, help="the small model")
PARSER.add_argument("out", type=pathlib.Path)
PARSER.add_argument("--minutes", type=float, default=18)
PARSER.add_argument("--start", type=pathlib.Path, help="a net to go on with")
PARSER.add_argument("--pictures", type=int, default=1920, help="made before it begins")
PARSER.add_argument("--batch", type=int, default=16)
PARSER.add_argument("--rate", type=float, default=1e-3)
PARSER.add_argument("--nice", type=int, default=10)
PARSER.add_argument("--seed", type=int, default=1)

SMALLEST = 0.5  # of an emoji, beside its size in the small model's own pictures


def place(glyph, rng):
    """A glyph [4, SIZE, SIZE] (bytes) of another size, elsewhere, perhaps mirrored."""
    picture = Image.fromarray(glyph.permute(1, 2, 0).numpy())
    if rng.random() < 0.5:
        picture = ImageOps.mirror(picture)
    size = round(data.SIZE * rng.uniform(SMALLEST, 1))
    room = data.SIZE - size
    sheet = Image.new("RGBA", (data.SIZE, data.SIZE), (0, 0, 0, 0))
    sheet.paste(picture.resize((size, size), Image.LANCZOS),
                (rng.randint(0, room), rng.randint(0, room)))
    return torch.from_numpy(np.array(sheet)).permute(2, 0, 1)


def edges_of(x):
    """White on black, bytes [h, w]."""
    return cv2.Canny(bytes_of(x), 100, 200)


def make(unet):
    """Begins as the U-Net's way down, without its attention."""
    c = unet.config
    net = ControlNetModel(
        in_channels=c.in_channels, block_out_channels=c.block_out_channels,
        layers_per_block=c.layers_per_block, down_block_types=("DownBlock2D",) * 3,
        mid_block_type="UNetMidBlock2D", norm_num_groups=c.norm_num_groups,
        cross_attention_dim=c.cross_attention_dim, attention_head_dim=c.attention_head_dim,
        conditioning_embedding_out_channels=(8, 16, 32, 32))
    ours = net.state_dict()
    net.load_state_dict({**ours, **{k: v for k, v in unet.state_dict().items() if k in ours}})
    return net


class Pictures:
    """Latents, edges and (emoji, colour) of emoji placed at random."""

    def __init__(self, vae, count):
        glyphs = common.load_glyphs(data.read_captions())
        self.pairs = [(n % len(glyphs), random.randrange(len(common.COLOUR_NAMES)))
                      for n in range(count)]
        latents, edges = [], []
        for i, c in self.pairs:
            x = common.compose(place(glyphs[i], random)[None], common.COLOUR_VALUES[c][None])
            latents.append(small.encode(vae, x))
            edges.append(torch.from_numpy(edges_of(x[0])))
        self.latents, self.edges = torch.cat(latents), torch.stack(edges)

    def some(self, n):
        """Latents, edges [n, 3, h, w] from 0 to 1, pairs."""
        at = torch.randint(len(self.pairs), (n,))
        edges = (self.edges[at].float() / 255)[:, None].expand(-1, 3, -1, -1)
        return self.latents[at], edges, [self.pairs[k] for k in at]


def main():
    args = PARSER.parse_args()
    small.begin(args)
    model = small.Denoiser(args.model, drop=0.3)
    pictures = Pictures(small.load_part(AutoencoderKL, args.model / "vae"), args.pictures)
    net = ControlNetModel.from_pretrained(args.start) if args.start else make(model.unet)
    net.float().train()

    def loss():
        x, edges, pairs = pictures.some(args.batch)
        noisy, t, velocity = model.noised(x)
        text = model.captions(pairs)
        down, mid = net(noisy, t, text, controlnet_cond=edges, return_dict=False)
        told = model.unet(noisy, t, text, down_block_additional_residuals=down,
                          mid_block_additional_residual=mid).sample
        return (told - velocity).square().mean()

    small.learn(net, loss, args.minutes, args.rate)
    small.save_folder(net, args.out)


if __name__ == "__main__":
    main()
