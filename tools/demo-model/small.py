# SPDX-License-Identifier: MIT
"""What the nets beside the small model are trained with: its parts, which stay as they are, its
text of each caption, its latents of pictures, and the loop itself, on one core."""
import copy
import json
import os
import random
import time
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer
import common
import data
from export import shrink
from train_unet import tokens_of


def load_part(kind, folder):
    return kind.from_pretrained(folder, dtype=torch.float32).eval().requires_grad_(False)


@torch.no_grad()
def encode(vae, pictures):
    """Latents [n, 4, h/8, w/8] of pictures [n, 3, h, w] from -1 to 1."""
    return torch.cat([vae.encode(x).latent_dist.mode() for x in pictures.split(8)])


class Denoiser:
    """The U-Net with its text encoder, and what it is asked in training."""

    def __init__(self, folder, drop=0.1):
        self.unet = load_part(UNet2DConditionModel, folder / "unet")
        self.text = load_part(CLIPTextModel, folder / "text_encoder")
        self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        self.names = [names for _, names in data.read_captions()]
        self.drop, self.texts = drop, {}
        self.schedule = DDPMScheduler(beta_start=0.00085, beta_end=0.012,
                                      beta_schedule="scaled_linear",
                                      prediction_type="v_prediction")

    @torch.no_grad()
    def text_of(self, caption):
        """[TOKENS, TEXT_WIDTH], kept."""
        if caption not in self.texts:
            ids = tokens_of(self.tokenizer, [caption])
            self.texts[caption] = self.text(ids).last_hidden_state[0]
        return self.texts[caption]

    def captions(self, pairs):
        """The text of (emoji, colour) pairs, of which one in ten says nothing."""
        texts = []
        for i, c in pairs:
            name = random.choice(self.names[i])
            says = random.random() >= self.drop
            texts.append(data.caption(name, common.COLOUR_NAMES[c], random) if says else "")
        return torch.stack([self.text_of(t) for t in texts])

    def noised(self, x):
        """Latents with noise, the timesteps, and the velocity that is to be told."""
        t, noise = torch.randint(1000, (len(x),)), torch.randn_like(x)
        return self.schedule.add_noise(x, noise, t), t, self.schedule.get_velocity(x, noise, t)


def learn(net, loss, minutes, rate, average=0.998):
    """Lowers loss(), which looks at the net, for that long; net ends as its weights' average."""
    weights = [w for w in net.parameters() if w.requires_grad]
    kept = [w.detach().clone() for w in weights]
    adam = torch.optim.AdamW(weights, lr=rate, betas=(0.9, 0.99), weight_decay=0.0)
    clock, step, mean, told = common.Clock(minutes), 0, None, time.time()
    while clock.share() < 1:
        for group in adam.param_groups:
            group["lr"] = clock.rate(rate)
        value = loss()
        adam.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        adam.step()
        step += 1
        with torch.no_grad():
            torch._foreach_lerp_(kept, weights, 1 - min(average, step / (step + 10)))
        mean = value.item() if mean is None else 0.98 * mean + 0.02 * value.item()
        if time.time() - told > 20:
            told = time.time()
            print(f"{clock.share():.3f} step {step} loss {mean:.5f}", flush=True)
    with torch.no_grad():
        for w, k in zip(weights, kept):
            w.copy_(k)


def save_folder(net, folder):
    """In f16, as diffusers does."""
    copy.deepcopy(net).half().to(memory_format=torch.contiguous_format).save_pretrained(folder)
    shrink(folder / "config.json")


def save_tensors(tensors, path, about):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().half().contiguous() for k, v in tensors.items()}, path,
              metadata={k: json.dumps(v) if not isinstance(v, str) else v
                        for k, v in about.items()})


def begin(args):
    """One thread, behind all else on the machine."""
    os.nice(args.nice)
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    random.seed(args.seed)
