# SPDX-License-Identifier: MIT
"""Trains the U-Net and the text encoder together on the latents of make_latents.py:
v-prediction (Salimans and Ho 2022) on Stable Diffusion's noise schedule, every tenth caption
left out for classifier-free guidance. Keeps the average of the weights as well."""
import argparse
import copy
import os
import pathlib
import random
import time
import torch
from diffusers import DDPMScheduler
from transformers import CLIPTokenizer
import common
import data

PARSER = argparse.ArgumentParser(description=__doc__)
PARSER.add_argument("folder", type=pathlib.Path, help="has latents.pt and tokenizer/")
PARSER.add_argument("--minutes", type=float, default=90)
PARSER.add_argument("--workers", type=int, default=2)
PARSER.add_argument("--batch", type=int, default=16)
PARSER.add_argument("--rate", type=float, default=1e-3)
PARSER.add_argument("--only", type=int, help="learn the first so many emoji")
PARSER.add_argument("--drop", type=float, default=0.1)
PARSER.add_argument("--average", type=float, default=0.998)


def make_networks(folder):
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    text = common.make_text(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id)
    return tokenizer, torch.nn.ModuleDict({"unet": common.make_unet(), "text": text})


def tokens_of(tokenizer, captions):
    return tokenizer(captions, padding="max_length", truncation=True,
                     max_length=common.TOKENS, return_tensors="pt").input_ids


class Batches:
    def __init__(self, folder, tokenizer, args):
        self.latents = torch.load(folder / "latents.pt")["latents"]
        self.names = [names for _, names in data.read_captions()][:args.only]
        self.tokenizer, self.args = tokenizer, args
        self.schedule = DDPMScheduler(beta_start=0.00085, beta_end=0.012,
                                      beta_schedule="scaled_linear",
                                      prediction_type="v_prediction")

    def next(self):
        n, captions, pictures = self.args.batch, [], []
        for _ in range(n):
            i, c = random.randrange(len(self.names)), random.randrange(len(common.COLOUR_NAMES))
            name = self.names[i][0] if random.random() < 0.5 else random.choice(self.names[i])
            drop = random.random() < self.args.drop
            captions.append("" if drop else data.caption(name, common.COLOUR_NAMES[c], random))
            pictures.append(self.latents[i, c])
        x, t = torch.stack(pictures), torch.randint(1000, (n,))
        noise = torch.randn_like(x)
        return (self.schedule.add_noise(x, noise, t).contiguous(memory_format=torch.channels_last),
                t, tokens_of(self.tokenizer, captions), self.schedule.get_velocity(x, noise, t))


def train(rank, networks, average, tokenizer, args, clock, adam_state):
    random.seed(time.time_ns() + rank)
    torch.manual_seed(random.randrange(2**31))
    torch.set_num_threads(1)
    batches = Batches(args.folder, tokenizer, args)
    weights = list(networks.parameters())
    adam = torch.optim.AdamW(weights, lr=args.rate, betas=(0.9, 0.99), weight_decay=0.01)
    if adam_state:
        adam.load_state_dict(adam_state)
    step, mean, saved, start = 0, [None, None], time.time(), time.time()
    while clock.share() < 1:
        for group in adam.param_groups:
            group["lr"] = clock.rate(args.rate)
        x, t, ids, velocity = batches.next()
        text = networks["text"](ids).last_hidden_state
        errors = (networks["unet"](x, t, text).sample - velocity).square().mean((1, 2, 3))
        adam.zero_grad()
        errors.mean().backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        adam.step()
        step += 1
        if rank:
            continue
        keep = min(args.average, step / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), weights, 1 - keep)
        for half, these in enumerate((errors[t < 500], errors[t >= 500])):
            if len(these):
                value = these.mean().item()
                mean[half] = value if mean[half] is None else 0.97 * mean[half] + 0.03 * value
        if step % 25 == 0:
            print(f"{clock.share():.3f} step {step} {step / (time.time() - start):.2f}/s "
                  f"loss {mean[0]:.4f} {mean[1]:.4f}", flush=True)
        if time.time() - saved > 120 or clock.share() >= 1:
            saved = time.time()
            common.save(args.folder / "unet.pt", {
                "networks": networks.state_dict(), "average": average.state_dict(),
                "adam": adam.state_dict(), "share": clock.share()})


def main():
    args = PARSER.parse_args()
    os.nice(3)
    tokenizer, networks = make_networks(args.folder)
    networks["unet"].to(memory_format=torch.channels_last)
    average = copy.deepcopy(networks).requires_grad_(False)
    done, adam, path = 0.0, None, args.folder / "unet.pt"
    if path.exists():
        state = torch.load(path)
        networks.load_state_dict(state["networks"])
        average.load_state_dict(state["average"])
        done, adam = state["share"], state["adam"]
    for name, module in networks.items():
        print(name, sum(p.numel() for p in module.parameters()) / 1e6, "M")
    networks.share_memory()
    common.train_together(args.workers, train, networks, average, tokenizer, args,
                          common.Clock(args.minutes, done), adam)


if __name__ == "__main__":
    main()
