# SPDX-License-Identifier: MIT
"""Does the model draw what the prompt says? Makes pictures with sdgen for captions and seeds,
finds for each the nearest of all training pictures (every emoji on the prompted colour, mean
square distance), and looks whether the corners have the prompted colour. Writes a grid."""
import argparse
import pathlib
import random
import shlex
import subprocess
import tempfile
import numpy as np
from PIL import Image
import data

PARSER = argparse.ArgumentParser(description=__doc__)
PARSER.add_argument("sdgen", type=pathlib.Path)
PARSER.add_argument("model", type=pathlib.Path)
PARSER.add_argument("--captions", type=int, default=200)
PARSER.add_argument("--seeds", type=int, default=3)
PARSER.add_argument("--cfg-scale", type=float, default=None)
PARSER.add_argument("--sampler", default="euler_a")
PARSER.add_argument("--more", default="", help="further options of sdgen")
PARSER.add_argument("--only", type=int, help="draw the first so many emoji")
PARSER.add_argument("--grid", type=pathlib.Path)
PARSER.add_argument("--columns", type=int, default=8)
PARSER.add_argument("--rows", type=int, default=8)


def choose(rows, count):
    """(emoji, colour, caption) of count different pairs, spread over all emoji."""
    rng = random.Random(1)
    pairs = [(i, c) for i in range(len(rows)) for c in data.COLOURS]
    rng.shuffle(pairs)
    seen, chosen = {}, []
    for i, c in pairs:
        seen[i] = seen.get(i, -1) + 1
        chosen.append((seen[i], len(chosen), i, c))
    chosen.sort()
    # White is what no colour means, so half of the white ones say nothing.
    return [(i, c, data.caption(rows[i][1][0], c, rng)) for _, _, i, c in chosen[:count]]


def draw(args, caption, folder):
    command = [args.sdgen, "-m", args.model, "-p", caption, "--seed", "1", "--quiet", "--batch",
               str(args.seeds), "--sampler", args.sampler, "--force", "-o", folder / "out.png"]
    if args.cfg_scale is not None:
        command += ["--cfg-scale", str(args.cfg_scale)]
    subprocess.run(command + shlex.split(args.more), check=True)
    names = [f"out-{s}.png" for s in range(args.seeds)] if args.seeds > 1 else ["out.png"]
    return [np.asarray(Image.open(folder / n), np.float32) / 255 for n in names]


def colour_of(image):
    """The name of the colour nearest to the mean of the four corners."""
    corners = [image[:6, :6], image[:6, -6:], image[-6:, :6], image[-6:, -6:]]
    mean = np.mean(corners, (0, 1, 2)) * 255
    return min(data.COLOURS, key=lambda c: ((mean - data.COLOURS[c]) ** 2).sum())


def main():
    args = PARSER.parse_args()
    rows = data.read_captions()
    glyphs = [data.draw_glyph(emoji) for emoji, _ in rows]
    training = {c: np.stack([data.on_background(g, v) for g in glyphs])
                for c, v in data.COLOURS.items()}
    total = first = five = coloured = 0
    missed, tiles = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for i, colour, caption in choose(rows[:args.only], args.captions):
            for seed, image in enumerate(draw(args, caption, pathlib.Path(folder))):
                distance = ((training[colour] - image) ** 2).mean((1, 2, 3))
                rank = int((distance < distance[i]).sum())
                total, first, five = total + 1, first + (rank == 0), five + (rank < 5)
                coloured += colour_of(image) == colour
                if rank:
                    missed.setdefault(rows[i][1][0], []).append(rows[distance.argmin()][1][0])
                if seed == 0:
                    tiles.append(image)
    print(f"{total} images: nearest is the prompted one {100 * first / total:.1f} %, among five "
          f"{100 * five / total:.1f} %, background {100 * coloured / total:.1f} %")
    for name, others in sorted(missed.items(), key=lambda item: -len(item[1])):
        print(f"  {name}: {len(others)} missed, as {', '.join(sorted(set(others)))}")
    if args.grid:
        tiles = tiles[:args.columns * args.rows]
        lines = [np.concatenate(tiles[r:r + args.columns], 1)
                 for r in range(0, len(tiles), args.columns)]
        grid = (np.concatenate([x for x in lines if x.shape == lines[0].shape]) * 255).round()
        Image.fromarray(grid.astype(np.uint8)).save(args.grid, optimize=True, quality=92)


if __name__ == "__main__":
    main()
