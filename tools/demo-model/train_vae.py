# SPDX-License-Identifier: MIT
"""Trains the autoencoder for the latent space of make_latents.py: the decoder from a little
noise on the latents to pictures, the encoder, in every eighth step, from pictures to latents
with a standard deviation of exp(-3)."""
import argparse
import os
import pathlib
import time
import torch
import common
import data
from make_latents import project

PARSER = argparse.ArgumentParser(description=__doc__)
PARSER.add_argument("folder", type=pathlib.Path, help="has latents.pt; vae.pt is kept there")
PARSER.add_argument("--minutes", type=float, default=100)
PARSER.add_argument("--workers", type=int, default=1)
PARSER.add_argument("--batch", type=int, default=2)
PARSER.add_argument("--rate", type=float, default=1e-3)
PARSER.add_argument("--only", type=int, help="learn the first so many emoji")
PARSER.add_argument("--noise", type=float, default=0.15, help="the most on the latents")
PARSER.add_argument("--nice", type=int, default=5)

LOG_VARIANCE = -6.0


def edges(x):
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def decoder_loss(y, x):
    steps = sum((a - b).abs().mean() for a, b in zip(edges(y), edges(x)))
    return (y - x).abs().mean() + (y - x).square().mean() + steps


def encoder_loss(latent, z):
    return (latent.mean - z).square().mean() + 0.1 * (latent.logvar - LOG_VARIANCE).square().mean()


def update(adam, weights, loss):
    adam.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(weights, 1.0)
    adam.step()


def train(rank, vae, basis, glyphs, args, clock):
    torch.manual_seed(time.time_ns() % 2**31 + rank)
    torch.set_num_threads(1)
    decoder = [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]
    encoder = [*vae.encoder.parameters(), *vae.quant_conv.parameters()]
    adams = [torch.optim.Adam(w, lr=args.rate, betas=(0.9, 0.99)) for w in (decoder, encoder)]
    step, mean, far, saved, start = 0, None, 0.0, time.time(), time.time()
    while clock.share() < 1:
        for adam in adams:
            adam.param_groups[0]["lr"] = clock.rate(args.rate)
        i = torch.randint(len(glyphs), (args.batch,))
        colours = common.COLOUR_VALUES[torch.randint(len(common.COLOUR_VALUES), (args.batch,))]
        x = common.compose(glyphs[i], colours).contiguous(memory_format=torch.channels_last)
        z = project(x, basis)
        noisy = z + torch.randn_like(z) * args.noise * torch.rand(len(z), 1, 1, 1)
        y = vae.decode(noisy).sample
        update(adams[0], decoder, decoder_loss(y, x))
        if step % 8 == 0:
            loss = encoder_loss(vae.encode(x).latent_dist, z)
            update(adams[1], encoder, loss)
            far = loss.item()
        step += 1
        mse = (y.detach() - x).square().mean().item() / 4
        mean = mse if mean is None else 0.98 * mean + 0.02 * mse
        if rank == 0 and step % 50 == 0:
            print(f"{clock.share():.3f} step {step} {step / (time.time() - start):.2f}/s psnr "
                  f"{-10 * torch.tensor(mean).log10().item():.2f} encoder {far:.4f}", flush=True)
        if rank == 0 and (time.time() - saved > 120 or clock.share() >= 1):
            saved = time.time()
            common.save(args.folder / "vae.pt", {"vae": vae.state_dict(), "share": clock.share()})


def main():
    args = PARSER.parse_args()
    os.nice(args.nice)
    vae = common.make_vae().to(memory_format=torch.channels_last)
    done, path = 0.0, args.folder / "vae.pt"
    basis = torch.load(args.folder / "latents.pt")["basis"]
    common.start_linear(vae, basis)
    if path.exists():
        state = torch.load(path)
        vae.load_state_dict(state["vae"])
        done = state["share"]
    print("vae", sum(p.numel() for p in vae.parameters()) / 1e6, "M")
    glyphs = common.load_glyphs(data.read_captions()[:args.only])
    vae.share_memory()
    common.train_together(args.workers, train, vae, basis, glyphs, args,
                          common.Clock(args.minutes, done))


if __name__ == "__main__":
    main()
