#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write adapters of the original SD 3.5's joined queries, keys and values whose change depends on the
weight (DoRA, GLoRA, OFT, (IA)3), as LyCORIS makes and merges them on one matrix of all three.

  make_joined_loras.py [OUTDIR]      (OUTDIR: ../golden/tiny-sd35/lora beside this script)

joined-KIND.safetensors is the adapter; joined-KIND.merged.safetensors has the three weights under the
names of sdrt. The model is ../golden/tiny-sd35.
"""

import os
import sys

import torch
from diffusers import SD3Transformer2DModel

import make_lora_golden as loras

MODEL = os.path.join(loras.HERE, "../golden/tiny-sd35")
BLOCK = "transformer_blocks.0.attn"
KEY = "lora_unet_joint_blocks_0_x_block_attn_qkv"


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else f"{MODEL}/lora"
    torch.manual_seed(6)
    model = SD3Transformer2DModel.from_pretrained(
        MODEL, subfolder="transformer", torch_dtype=torch.float32
    ).requires_grad_(False)
    parts = [model.get_submodule(f"{BLOCK}.to_{k}") for k in "qkv"]
    joined = torch.nn.Linear(parts[0].in_features, 3 * parts[0].out_features)
    joined.weight.data.copy_(torch.cat([p.weight for p in parts]))
    joined.bias.data.copy_(torch.cat([p.bias for p in parts]))
    joined.requires_grad_(False)

    dora = dict(lora_dim=4, alpha=2, weight_decompose=True)
    cases = {
        "dora-rows": loras.LoConModule(KEY, joined, 1.0, **dora, wd_on_out=True),
        "dora-columns": loras.LoConModule(KEY, joined, 1.0, **dora, wd_on_out=False),
        "glora": loras.GLoRAModule(KEY, joined, 1.0, lora_dim=4, alpha=2),
        # Blocks that lie in two of the three.
        "oft": loras.DiagOFTModule(KEY, joined, 1.0, lora_dim=12, alpha=2),
        "boft": loras.ButterflyOFTModule(KEY, joined, 1.0, lora_dim=6, alpha=2),
        "ia3": loras.IA3Module(KEY, joined, 1.0, lora_dim=4, alpha=2),
    }
    with torch.no_grad():
        for name, change in cases.items():
            scale = getattr(change, "dora_scale", None)
            kept = None if scale is None else scale.detach().clone() * 1.1
            loras.fill(change)
            if kept is not None:
                change.dora_scale.data.copy_(kept)
            state = change.custom_state_dict() or change.state_dict()
            new = change.get_merged_weight(multiplier=1.0, shape=joined.weight.shape)[0]
            merged = {f"transformer.{BLOCK}.to_{k}.weight": part
                      for k, part in zip("qkv", new.chunk(3))}
            loras.write(out, f"joined-{name}", {f"{KEY}.{k}": v for k, v in state.items()}, merged,
                        dtype=None)
            shapes = {k: list(v.shape) for k, v in state.items()}
            print(f"joined-{name}: {shapes}")


if __name__ == "__main__":
    main()
