# SPDX-License-Identifier: MIT
"""Trains a LoRA of a style for the small model: whatever the prompt says, in blue and white, as a
cyanotype.  It changes the U-Net's attention, feed-forward layers and convolutions (LoCon).  Writes
one file in kohya's names."""
import argparse
import pathlib
import torch
from diffusers import AutoencoderKL
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
import common
import data
import small

PARSER = argparse.ArgumentParser(description=__doc__)
PARSER.add_argument("model", type=pathlib.Path, help="the small model")
PARSER.add_argument("out", type=pathlib.Path, help="a .safetensors file")
PARSER.add_argument("--minutes", type=float, default=15)
PARSER.add_argument("--rank", type=int, default=4)
PARSER.add_argument("--batch", type=int, default=16)
PARSER.add_argument("--rate", type=float, default=3e-3)
PARSER.add_argument("--nice", type=int, default=10)
PARSER.add_argument("--seed", type=int, default=1)

LUMA = torch.tensor([0.299, 0.587, 0.114])
DARK, LIGHT = torch.tensor([12.0, 40.0, 110.0]), torch.tensor([235.0, 245.0, 255.0])
CHANGED = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out",
           "conv1", "conv2", "conv_shortcut"]


def cyanotype(x):
    """Pictures [n, 3, h, w] from -1 to 1 in blue and white, by their luma."""
    share = torch.einsum("nchw,c->nhw", (x + 1) / 2, LUMA)[:, None]
    dark, light = (c[:, None, None] / 255 for c in (DARK, LIGHT))
    return (dark + (light - dark) * share) * 2 - 1


def tensors_of(unet):
    """The factors in kohya's names."""
    found = {}
    for name, layer in unet.named_modules():
        if isinstance(layer, LoraLayer):
            key = "lora_unet_" + name.replace(".", "_")
            found[f"{key}.lora_down.weight"] = layer.lora_A["default"].weight
            found[f"{key}.lora_up.weight"] = layer.lora_B["default"].weight
            found[f"{key}.alpha"] = torch.tensor(float(layer.lora_alpha["default"]))
    return found


def main():
    args = PARSER.parse_args()
    small.begin(args)
    model = small.Denoiser(args.model)
    vae = small.load_part(AutoencoderKL, args.model / "vae")
    glyphs = common.load_glyphs(data.read_captions())
    latents = torch.stack([
        small.encode(vae, cyanotype(common.compose(glyphs, colour.expand(len(glyphs), 3))))
        for colour in common.COLOUR_VALUES], 1)
    model.unet.add_adapter(LoraConfig(r=args.rank, lora_alpha=args.rank, target_modules=CHANGED,
                                      init_lora_weights="gaussian"))

    def loss():
        pairs = [(torch.randint(len(glyphs), ()).item(),
                  torch.randint(len(common.COLOUR_NAMES), ()).item()) for _ in range(args.batch)]
        noisy, t, velocity = model.noised(torch.stack([latents[i, c] for i, c in pairs]))
        return (model.unet(noisy, t, model.captions(pairs)).sample - velocity).square().mean()

    small.learn(model.unet, loss, args.minutes, args.rate, average=0.99)
    small.save_tensors(tensors_of(model.unet), args.out, {
        "ss_network_module": "networks.lora", "ss_network_dim": str(args.rank),
        "ss_network_alpha": str(args.rank), "ss_output_name": args.out.stem})


if __name__ == "__main__":
    main()
