# SPDX-License-Identifier: MIT
"""Fixes the latent space before anything is trained: each 8x8 patch of RGB onto its four
principal directions, each scaled to a deviation near 1. So the U-Net and the autoencoder can be
trained at the same time. Writes latents.pt: the projection, and the latents of every emoji on
every colour, [emoji, colour, 4, 16, 16]."""
import pathlib
import sys
import torch
import torch.nn.functional as F
import common
import data

PATCH = 8
# The last direction is detail, which is hard to foretell and counts little.
DEVIATIONS = (1.0, 0.95, 0.7, 0.4)


def project(x, basis):
    """Latents [n, 4, h/8, w/8] of pictures [n, 3, h, w] from -1 to 1."""
    return F.conv2d(x - basis["mean"], basis["weight"], stride=PATCH)


def find_basis(x):
    patches = F.unfold(x, PATCH, stride=PATCH).transpose(1, 2).reshape(-1, 3 * PATCH * PATCH)
    # One level for all three colours and places, so that the projection is one conv.
    mean = x.mean().item()
    centred = (patches - mean).double()
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    values, vectors = values.flip(0)[:4], vectors.flip(1)[:, :4]
    print("share of the variance:", (values / centred.square().mean(0).sum()).tolist())
    weight = (vectors / values.sqrt() * torch.tensor(DEVIATIONS)).T.reshape(4, 3, PATCH, PATCH).float()
    return {"mean": mean, "weight": weight}


def main(folder):
    glyphs = common.load_glyphs(data.read_captions())
    pictures = torch.stack([
        common.compose(glyphs, colour.expand(len(glyphs), 3)) for colour in common.COLOUR_VALUES])
    basis = find_basis(pictures.flatten(0, 1))
    latents = torch.stack([project(x, basis) for x in pictures], 1)
    print(latents.shape, "std", latents.std().item())
    common.save(folder / "latents.pt", {"basis": basis, "latents": latents})


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
