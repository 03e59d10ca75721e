#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write what OpenCV makes of a picture for control nets to read.

  make_control_maps.py [DIR]   (DIR: ../golden/pictures beside this script; has resized-large.png)

map-<name>.png is the map of resized-large.png.
"""

import os
import sys

import cv2

MAPS = {
    "canny": lambda x: cv2.Canny(x, 100, 200),
    "invert": lambda x: 255 - x,
    "blur": lambda x: cv2.GaussianBlur(x, (0, 0), 9, borderType=cv2.BORDER_REPLICATE),
    "threshold": lambda x: cv2.threshold(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY), 127, 255,
                                         cv2.THRESH_BINARY)[1],
}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.normpath(f"{here}/../golden/pictures")
    picture = cv2.cvtColor(cv2.imread(f"{root}/resized-large.png"), cv2.COLOR_BGR2RGB)
    for name, make in MAPS.items():
        made = make(picture)
        colour = made.ndim == 3
        cv2.imwrite(f"{root}/map-{name}.png",
                    cv2.cvtColor(made, cv2.COLOR_RGB2BGR) if colour else made)


if __name__ == "__main__":
    main()
