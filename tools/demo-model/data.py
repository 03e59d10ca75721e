# SPDX-License-Identifier: MIT
"""The pictures and captions that the small model learns: emoji on plain backgrounds.

Needs Debian's fonts-noto-color-emoji. PIL draws its bitmaps (136x128) through FreeType.
"""
import pathlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

HERE = pathlib.Path(__file__).resolve().parent
FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
SIZE = 128       # of an image
GLYPH_WIDTH = 116  # of the emoji on it
COLOURS = {
    "white": (255, 255, 255), "black": (16, 16, 16), "gray": (140, 140, 140),
    "red": (214, 40, 40), "orange": (250, 150, 40), "yellow": (250, 220, 70),
    "green": (50, 160, 70), "blue": (50, 110, 220), "purple": (130, 60, 180),
    "pink": (250, 160, 200),
}


def read_captions():
    """[(emoji, [caption, other caption, ...]), ...]"""
    rows = []
    for line in (HERE / "captions.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            emoji, names = line.split(" ", 1)
            rows.append((emoji, names.split("|")))
    return rows


def draw_glyph(emoji):
    """RGBA [SIZE, SIZE, 4], 0 to 1, the emoji in the middle."""
    font = ImageFont.truetype(FONT, 109, layout_engine=ImageFont.Layout.BASIC)
    sheet = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    ImageDraw.Draw(sheet).text((20, 20), emoji, font=font, embedded_color=True)
    box = sheet.getchannel("A").getbbox()
    if box is None:
        raise SystemExit(f"{emoji}: the font has no such emoji")
    glyph = sheet.crop(box)
    scale = min(GLYPH_WIDTH / 136, GLYPH_WIDTH / max(glyph.size))
    glyph = glyph.resize([max(1, round(s * scale)) for s in glyph.size], Image.LANCZOS)
    canvas = Image.new("RGBA", (SIZE, SIZE), (0, 0, 0, 0))
    canvas.paste(glyph, ((SIZE - glyph.width) // 2, (SIZE - glyph.height) // 2))
    return np.asarray(canvas, np.float32) / 255


def on_background(glyph, colour):
    """RGB [SIZE, SIZE, 3], 0 to 1; colour is three numbers up to 255."""
    alpha = glyph[..., 3:]
    return glyph[..., :3] * alpha + np.asarray(colour, np.float32) / 255 * (1 - alpha)


def caption(name, colour, rng):
    """A sentence for a name on a colour; white is also what no colour means."""
    if colour == "white" and rng.random() < 0.7:
        return name
    return f"{name} on a {colour} background"


if __name__ == "__main__":
    rows = read_captions()
    names = [n for _, all_names in rows for n in all_names]
    assert len(set(names)) == len(names), "a caption stands twice"
    columns = 20
    sheet = np.ones(((len(rows) + columns - 1) // columns * SIZE, columns * SIZE, 3), np.float32)
    for i, (emoji, _) in enumerate(rows):
        y, x = i // columns * SIZE, i % columns * SIZE
        colour = list(COLOURS.values())[i % len(COLOURS)]
        sheet[y:y + SIZE, x:x + SIZE] = on_background(draw_glyph(emoji), colour)
    Image.fromarray((sheet * 255).round().astype(np.uint8)).save("emoji.png")
