# SPDX-License-Identifier: MIT
"""What the small model's IP-Adapter does, by sdgen without a prompt: is the nearest of all emoji, on
the picture's own background, the one that the picture shows, and how far is the image's background
from its colour?"""
import pathlib
import random
import tempfile
import torch
from PIL import Image
import common
import data
from evaluate import choose
from evaluate_nets import arguments, bytes_of, draw, nearest, write_sheet
from train_control import place

PARSER = arguments(__doc__, "adapter.safetensors, image_encoder/ in it")
PARSER.add_argument("--placed", action="store_true", help="smaller, anywhere, perhaps mirrored")


def main():
    args = PARSER.parse_args()
    torch.set_num_threads(1)
    rows = data.read_captions()
    glyphs = common.load_glyphs(rows)
    rng = random.Random(7)
    right, off, images = 0, [], []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "shown.png"
        for i, colour, _ in choose(rows, args.captions):
            ground = torch.tensor(data.COLOURS[colour]).float().expand(len(rows), 3)
            plain = common.compose(glyphs, ground)
            glyph = place(glyphs[i], rng) if args.placed else glyphs[i]
            shown = common.compose(glyph[None], ground[:1])[0]
            Image.fromarray(bytes_of(shown)).save(path)
            image = draw(args, "", "--cfg-scale", "3",
                         "--ip-adapter", f"{args.net}/adapter.safetensors={path}",
                         "--clip-vision", args.net / "image_encoder")
            right += nearest(image, plain) == i
            off.append((image[:, :4, :4] - shown[:, :4, :4]).square().mean().sqrt() * 127.5)
            images += [shown, image]
    print(f"nearest of all emoji is the one shown in {right} of {len(off)}; a corner is "
          f"{torch.stack(off).mean():.1f} of 255 off, at most {max(off):.1f}")
    if args.sheet:
        write_sheet(args.sheet, images[:64])


if __name__ == "__main__":
    main()
