# SPDX-License-Identifier: MIT
"""What the nets beside the small model do.  taesd: how near pictures are that go through it, beside
the VAE, in diffusers.  lora: how far from blue and white sdgen's images are, and whether the nearest
of all cyanotypes is the prompted one."""
import argparse
import pathlib
import subprocess
import tempfile
import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from PIL import Image
import common
import data
import small
from evaluate import choose
from train_lora import DARK, LIGHT, cyanotype
from train_taesd import Pictures


def arguments(about, net, *names):
    """The parser of a net's evaluation by sdgen; net: what it is as a path; names: which of them."""
    parser = argparse.ArgumentParser(description=about)
    if names:
        parser.add_argument("what", choices=names)
    parser.add_argument("sdgen", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("net", type=pathlib.Path, help=net)
    parser.add_argument("--captions", type=int, default=200)
    parser.add_argument("--sheet", type=pathlib.Path, help="writes the first images there")
    return parser


PARSER = arguments(__doc__, "a folder, or a LoRA's file", "taesd", "lora")


def psnr(errors):
    return -10 * torch.stack(errors).mean().log10().item()


@torch.no_grad()
def taesd(args):
    vae = small.load_part(AutoencoderKL, args.model / "vae")
    tiny = small.load_part(AutoencoderTiny, args.net)
    pictures = Pictures(vae)
    errors = {"VAE": [], "TAESD decodes": [], "TAESD encodes": [], "TAESD does both": []}
    for c, colour in enumerate(common.COLOUR_VALUES):
        for x, z in zip(pictures.on(colour).split(8), pictures.latents[:, c].split(8)):
            own = tiny.encode(x).latents
            for who, y in zip(errors, (vae.decode(z), tiny.decode(z), vae.decode(own),
                                       tiny.decode(own))):
                errors[who].append((y.sample.clamp(-1, 1) - x).square().mean() / 4)
    for who, these in errors.items():
        print(f"{who}: {psnr(these):.2f} dB from {8 * len(these)} pictures")


def draw(args, caption, *more):
    """[3, SIZE, SIZE], -1 to 1."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "out.png"
        subprocess.run([args.sdgen, "-m", args.model, "-p", caption, "--seed", "1", "--quiet",
                        "-o", path, *more], check=True)
        image = torch.from_numpy(np.array(Image.open(path).convert("RGB")))
    return image.permute(2, 0, 1).float() / 127.5 - 1


def nearest(image, others):
    return (others - image).square().mean((1, 2, 3)).argmin().item()


def bytes_of(x):
    """A picture [3, h, w] from -1 to 1 as PIL has it."""
    return ((x + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()


def write_sheet(path, images, columns=8):
    images = images[:len(images) // columns * columns]
    rows = [np.concatenate([bytes_of(x) for x in images[r:r + columns]], 1)
            for r in range(0, len(images), columns)]
    Image.fromarray(np.concatenate(rows)).save(path)


def off_line(image):
    """The root mean square distance of pixels, 0 to 255, from the line between DARK and LIGHT."""
    line = (LIGHT - DARK) / (LIGHT - DARK).norm()
    off = (image.flatten(1).T + 1) * 127.5 - DARK
    return (off - (off @ line)[:, None] * line).square().sum(1).mean().sqrt().item()


def lora(args):
    rows = data.read_captions()
    glyphs = common.load_glyphs(rows)
    told = {"with": ["--lora", args.net], "without": []}
    off, right, images = {k: [] for k in told}, 0, []
    for i, colour, caption in choose(rows, args.captions):
        plain = common.compose(glyphs, torch.tensor(data.COLOURS[colour]).float().expand(len(rows), 3))
        for k, more in told.items():
            image = draw(args, caption, *more)
            off[k].append(off_line(image))
            if more:
                right += nearest(image, cyanotype(plain)) == i
                images.append(image)
    for k in told:
        print(f"{k}: {np.mean(off[k]):.1f} of 255 from blue and white, at most {max(off[k]):.1f}")
    print(f"nearest is the prompted one in {right} of {len(images)}")
    return images


def main():
    args = PARSER.parse_args()
    torch.set_num_threads(1)
    images = {"taesd": taesd, "lora": lora}[args.what](args)
    if args.sheet and images:
        write_sheet(args.sheet, images[:64])


if __name__ == "__main__":
    main()
