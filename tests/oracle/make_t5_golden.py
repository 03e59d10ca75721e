# SPDX-License-Identifier: MIT
"""Makes tests/golden/t5: a tiny T5 v1.1 encoder of random weights, and what transformers makes of
some tokens with it, in float32; and transformers' buckets of relative positions.

    python make_t5_golden.py tests/golden/t5

Needs torch, transformers, safetensors, numpy.  Tokens reach further apart than the largest
distance that has a bucket of its own.  Some weights are large, so that the residual stream goes
beyond 1e5, as T5-XXL's does.
"""
import sys

import numpy
import safetensors.torch
import torch
import transformers
from transformers.models.t5.modeling_t5 import T5Attention

BATCH, TOKENS = 2, 140


def buckets(count, distance):
    positions = torch.arange(-300, 301)
    return T5Attention._relative_position_bucket(positions, True, count, distance).float().numpy()


def main(folder):
    torch.set_num_threads(1)
    torch.manual_seed(4)
    config = transformers.T5Config(
        vocab_size=96, d_model=40, d_kv=8, d_ff=72, num_layers=3, num_heads=3,
        relative_attention_num_buckets=32, relative_attention_max_distance=128,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, dropout_rate=0.0)
    model = transformers.T5EncoderModel(config).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "layer_norm" in name:
                p.copy_(1 + 0.2 * torch.randn_like(p))
            elif "relative_attention_bias" in name:
                p.copy_(2 * torch.randn_like(p))
            elif "shared" in name or "embed_tokens" in name:
                p.copy_(3 * torch.randn_like(p))
            elif ".q." in name or ".k." in name:
                p.copy_(0.35 * torch.randn_like(p) / p.shape[1] ** 0.25)
            else:
                p.copy_(torch.randn_like(p) / p.shape[1] ** 0.5)
        model.encoder.block[1].layer[1].DenseReluDense.wo.weight[5] *= 1e5
        ids = torch.randint(0, config.vocab_size, (BATCH, TOKENS))
        out = model(ids, output_hidden_states=True)
    print("largest in the residual stream:", max(h.abs().max().item() for h in out.hidden_states[:-1]))
    weights = {k: v.contiguous() for k, v in model.state_dict().items() if "embed_tokens" not in k}
    weights = {"text_encoder_3." + k: v for k, v in weights.items()}
    safetensors.torch.save_file(weights, folder + "/encoder.safetensors")
    numpy.save(folder + "/ids.npy", ids.numpy().astype(numpy.float32))
    numpy.save(folder + "/hidden.npy", out.last_hidden_state.numpy())
    numpy.save(folder + "/buckets-32-128.npy", buckets(32, 128))
    numpy.save(folder + "/buckets-16-40.npy", buckets(16, 40))


if __name__ == "__main__":
    main(sys.argv[1])
