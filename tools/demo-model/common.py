# SPDX-License-Identifier: MIT
"""What the training stages share: the networks' sizes, pictures, and workers that train one
set of weights together without waiting for each other (Hogwild, Niu et al. 2011)."""
import math
import os
import pathlib
import time
import numpy as np
import torch
import torch.multiprocessing as mp
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel
import data

TOKENS = 24       # of a prompt, with both ends
TEXT_WIDTH = 128


def make_vae():
    vae = AutoencoderKL(
        sample_size=data.SIZE, latent_channels=4, layers_per_block=1, norm_num_groups=1,
        block_out_channels=(16, 16, 32, 64), down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4)
    # Blocks that begin as the identity learn sooner.
    for name, weight in vae.named_parameters():
        if name.endswith((".conv2.weight", ".conv2.bias", ".to_out.0.weight", ".to_out.0.bias")):
            torch.nn.init.zeros_(weight)
    return vae


@torch.no_grad()
def start_linear(vae, basis):
    """Lets the decoder begin as bilinear enlargement of each patch's mean colour, which is
    linear in the latents: channels 0 to 2 carry the colour through, and two constant channels
    of opposite sign hold the norms' deviation still. Training then only has to sharpen."""
    decoder, level, high = vae.decoder, 8.0, 4.0
    tent = torch.tensor([1.0, 2.0, 1.0]) / 4
    flat = basis["weight"].flatten(1).double()
    pixels = torch.linalg.pinv(flat).reshape(3, -1, len(flat)).mean(1).float()  # [3, 4]
    vae.post_quant_conv.weight.copy_(torch.eye(4)[:, :, None, None])
    vae.post_quant_conv.bias.zero_()

    def carry(conv, kernel, source=None):
        conv.weight[:5] = 0
        conv.bias[:5] = torch.tensor([0, 0, 0, level, -level])
        if source is None:
            for c in range(3):
                conv.weight[c, c] = kernel
        else:
            conv.weight[:3, :, 1, 1] = source
            conv.bias[:3] = basis["mean"]

    carry(decoder.conv_in, None, pixels)
    for block in decoder.up_blocks:
        for resnet in block.resnets:
            if resnet.conv_shortcut is not None:
                carry(resnet.conv_shortcut, torch.ones(1, 1))
        for upsampler in block.upsamplers or []:
            carry(upsampler.conv, torch.outer(tent, tent))
    # The norm divides by about level * sqrt(2 / channels), and SiLU is straight far above 0.
    decoder.conv_norm_out.weight[:3] = level * (2 / decoder.conv_norm_out.num_channels) ** 0.5
    decoder.conv_norm_out.bias[:3] = high
    decoder.conv_out.weight.mul_(0.01)
    decoder.conv_out.weight[:, :3] = 0
    for c in range(3):
        decoder.conv_out.weight[c, c, 1, 1] = 1
    decoder.conv_out.bias.fill_(-torch.nn.functional.silu(torch.tensor(high)))


def make_unet():
    return UNet2DConditionModel(
        sample_size=data.SIZE // 8, in_channels=4, out_channels=4, layers_per_block=1,
        block_out_channels=(32, 64, 128), cross_attention_dim=TEXT_WIDTH, attention_head_dim=4,
        norm_num_groups=16,
        down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"])


def make_text(vocab_size, bos, eos):
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=vocab_size, hidden_size=TEXT_WIDTH, intermediate_size=4 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=TOKENS, hidden_act="quick_gelu", bos_token_id=bos,
        eos_token_id=eos, pad_token_id=eos))


def load_glyphs(rows):
    """RGBA [emoji, 4, SIZE, SIZE], as bytes."""
    glyphs = np.stack([data.draw_glyph(emoji) for emoji, _ in rows])
    return torch.from_numpy((glyphs * 255).round().astype(np.uint8)).permute(0, 3, 1, 2).contiguous()


COLOUR_NAMES = list(data.COLOURS)
COLOUR_VALUES = torch.tensor(list(data.COLOURS.values()), dtype=torch.float32)


def compose(glyphs, colours):
    """RGB -1 to 1 [n, 3, SIZE, SIZE] of glyphs (bytes) on colours [n, 3] (0 to 255)."""
    g = glyphs.float() / 255
    alpha = g[:, 3:]
    return (g[:, :3] * alpha + colours[:, :, None, None] / 255 * (1 - alpha)) * 2 - 1


def save(path, value):
    part = pathlib.Path(f"{path}.part")
    torch.save(value, part)
    os.replace(part, path)


class Clock:
    """The share of the minutes that has passed, and the learning rate that goes with it. It
    starts where a checkpoint left it, so that a stopped run goes on."""

    def __init__(self, minutes, done=0.0):
        self.seconds, self.start = minutes * 60, time.time() - done * minutes * 60

    def share(self):
        return min(1.0, (time.time() - self.start) / self.seconds)

    def rate(self, peak, warmup=0.02):
        s = self.share()
        return peak * min(1.0, s / warmup + 0.01) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * s)))


def train_together(workers, function, *args):
    """Runs function(rank, *args) in processes of one thread each; modules among the arguments
    must have share_memory() called before."""
    torch.set_num_threads(1)
    context = mp.get_context("fork")
    processes = [context.Process(target=function, args=(rank, *args)) for rank in range(workers)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()
    if any(p.exitcode for p in processes):
        raise SystemExit("a worker failed")
