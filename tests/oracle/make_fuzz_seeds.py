#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the small files that fuzzers begin with: pictures with each kind of pixels and of metadata that
readers know, and an array.

  make_fuzz_seeds.py [DIR]   (DIR: ../golden/fuzz-seeds beside this script)

Pictures are of 8x6 and some hundred bytes. Pillow has written those that are there (13.0).
"""

import os
import struct
import sys

from PIL import Image, PngImagePlugin

SIZE = (8, 6)
ORIENTATION, USER_COMMENT, EXIF_IFD = 0x0112, 0x9286, 0x8769


def gradient():
    picture = Image.new("RGB", SIZE)
    picture.putdata([(30 * x, 40 * y, 99) for y in range(SIZE[1]) for x in range(SIZE[0])])
    return picture


def exif(comment):
    data = Image.Exif()
    data[ORIENTATION] = 6
    data.get_ifd(EXIF_IFD)[USER_COMMENT] = comment
    return data


def texts():
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "a cat\nSteps: 4", zip=True)
    text.add_itxt("parameters", "a cät", "de", "Worte")
    return text


def array():
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head + struct.pack("<6f", *range(6))


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../golden/fuzz-seeds")
    os.makedirs(out, exist_ok=True)
    picture = gradient()
    ascii_comment, wide_comment = b"ASCII\0\0\0a cat", b"UNICODE\0" + "a cat".encode("utf-16-be")

    def save(name, image, **options):
        image.save(os.path.join(out, name), **options)

    save("turned.jpg", picture, quality=80, exif=exif(wide_comment))
    save("progressive.jpg", picture, quality=80, progressive=True, exif=exif(ascii_comment))
    save("grey.jpg", picture.convert("L"), quality=80)
    save("lossy.webp", picture, quality=80, exif=exif(wide_comment))
    save("lossless.webp", picture.convert("RGBA"), lossless=True)
    save("texts.png", picture, pnginfo=texts(), exif=exif(ascii_comment))
    save("palette.png", picture.quantize(4), transparency=1)
    save("alpha.png", picture.convert("LA"))
    save("bits.png", picture.convert("1"))
    with open(os.path.join(out, "array.npy"), "wb") as f:
        f.write(array())


if __name__ == "__main__":
    main()
