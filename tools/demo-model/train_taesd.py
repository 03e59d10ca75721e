# SPDX-License-Identifier: MIT
"""Trains a TAESD (github.com/madebyollin/taesd) for the small model, narrower than the published
ones: the decoder from the VAE's latents, with a little noise, to the pictures that they are of, the
encoder from pictures to the VAE's latents.  Writes a folder of diffusers' AutoencoderTiny."""
import argparse
import pathlib
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, AutoencoderTiny
import common
import data
import small
from train_vae import decoder_loss

PARSER = argparse.ArgumentParser(description=__doc__)
PARSER.add_argument("model", type=pathlib.Path, help="the small model")
PARSER.add_argument("out", type=pathlib.Path)
PARSER.add_argument("--minutes", type=float, default=15)
PARSER.add_argument("--width", type=int, default=16)
PARSER.add_argument("--batch", type=int, default=4)
PARSER.add_argument("--rate", type=float, default=3e-3)
PARSER.add_argument("--noise", type=float, default=0.15, help="the most on the latents")
PARSER.add_argument("--nice", type=int, default=10)
PARSER.add_argument("--seed", type=int, default=1)

OFFSET = 0.25  # keeps the colours that go through a ReLU above 0


def make(width):
    net = AutoencoderTiny(encoder_block_out_channels=(width,) * 4,
                          decoder_block_out_channels=(width,) * 4)
    for name, weight in net.named_parameters():
        if ".conv.4." in name:  # a block begins as the identity
            torch.nn.init.zeros_(weight)
    return net


@torch.no_grad()
def start_linear(decoder, latents, pictures):
    """Lets it begin as bilinear enlargement of each patch's mean colour, in three channels."""
    z = torch.tanh(latents / 3) * 3
    z = torch.cat([z, torch.ones_like(z[:, :1])], 1).permute(0, 2, 3, 1).reshape(-1, 5)
    colours = F.avg_pool2d((pictures + 1) / 2, 8).permute(0, 2, 3, 1).reshape(-1, 3)
    pixels = torch.linalg.lstsq(z, colours).solution.T  # [3, 4 and a constant]
    tent = torch.tensor([1.0, 2.0, 1.0]) / 4
    convs = [m for m in decoder.layers if isinstance(m, torch.nn.Conv2d)]
    for conv in convs[:-1]:
        conv.weight[:3] = 0
    convs[0].weight[:3, :, 1, 1] = pixels[:, :4]
    convs[0].bias[:3] = pixels[:, 4] + OFFSET
    for conv in convs[1:-1]:
        for c in range(3):
            conv.weight[c, c] = torch.outer(tent, tent)
    convs[-1].weight.mul_(0.1)
    convs[-1].weight[:, :3] = 0
    for c in range(3):
        convs[-1].weight[c, c, 1, 1] = 1
    convs[-1].bias.fill_(-OFFSET)


class Pictures:
    """Every emoji on every colour, and the VAE's latents of those."""

    def __init__(self, vae):
        self.glyphs = common.load_glyphs(data.read_captions())
        self.latents = torch.stack([small.encode(vae, self.on(c)) for c in common.COLOUR_VALUES], 1)

    def on(self, colour):
        return common.compose(self.glyphs, colour.expand(len(self.glyphs), 3))

    def some(self, n):
        i, c = torch.randint(len(self.glyphs), (n,)), torch.randint(len(common.COLOUR_VALUES), (n,))
        return common.compose(self.glyphs[i], common.COLOUR_VALUES[c]), self.latents[i, c]


def main():
    args = PARSER.parse_args()
    small.begin(args)
    pictures = Pictures(small.load_part(AutoencoderKL, args.model / "vae"))
    net = make(args.width)
    start_linear(net.decoder, pictures.latents[:, 0], pictures.on(common.COLOUR_VALUES[0]))
    net.to(memory_format=torch.channels_last)

    def loss():
        x, z = pictures.some(args.batch)
        noisy = z + torch.randn_like(z) * args.noise * torch.rand(len(z), 1, 1, 1)
        return (decoder_loss(net.decode(noisy).sample, x) +
                (net.encode(x).latents - z).square().mean())

    small.learn(net, loss, args.minutes, args.rate)
    small.save_folder(net, args.out)


if __name__ == "__main__":
    main()
