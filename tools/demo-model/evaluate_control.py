# SPDX-License-Identifier: MIT
"""What the small model's ControlNet does, by sdgen: emoji that are smaller, elsewhere, perhaps
mirrored, drawn from their edges and their names.  Is the nearest of all emoji in that place the
prompted one, and how near is the image to what the edges are of?  Beside images without edges."""
import pathlib
import random
import tempfile
import torch
from PIL import Image
import common
import data
from evaluate import choose
from evaluate_nets import arguments, draw, nearest, psnr, write_sheet
from train_control import edges_of, place

PARSER = arguments(__doc__, "diffusers' folder")


def main():
    args = PARSER.parse_args()
    torch.set_num_threads(1)
    rows = data.read_captions()
    glyphs = common.load_glyphs(rows)
    rng = random.Random(7)
    errors, right, images = {"with": [], "without": []}, {"with": 0, "without": 0}, []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "edges.png"
        for i, colour, caption in choose(rows, args.captions):
            state = rng.getstate()
            placed = []
            for glyph in glyphs:  # each in the same place
                rng.setstate(state)
                placed.append(place(glyph, rng))
            ground = torch.tensor(data.COLOURS[colour]).float().expand(len(rows), 3)
            wanted = common.compose(torch.stack(placed), ground)
            Image.fromarray(edges_of(wanted[i])).save(path)
            for k, more in (("with", ["--control", f"{args.net}={path}"]), ("without", [])):
                image = draw(args, caption, *more)
                errors[k].append((image - wanted[i]).square().mean() / 4)
                right[k] += nearest(image, wanted) == i
                images += [image] if more else [wanted[i]]
    for k, these in errors.items():
        print(f"{k} edges: {psnr(these):.2f} dB from what they are of, nearest of all emoji there "
              f"in {right[k]} of {len(these)}")
    if args.sheet:
        write_sheet(args.sheet, images[:64])


if __name__ == "__main__":
    main()
