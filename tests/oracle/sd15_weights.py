# SPDX-License-Identifier: MIT
"""Random weights for Stable Diffusion 1.5 whose activations look like a trained network's.

How they are drawn, so that a wrong kernel shows and nothing vanishes or blows up:
  * Each conv and linear weight is N(0, 1/fan_in), then scaled once so that its output, without
    bias, has a chosen RMS on a calibration input (layer by layer, in order of execution).
    Biases are N(0, 0.1 * that RMS).
  * The residual streams have RMS STREAM = 0.1, small enough that the epsilon of each norm (1e-5
    and 1e-6) matters; the last layer of each residual branch gives half of that, in stacks of more
    than two transformer blocks over their number: with the half, SDXL's 70 blocks are chaotic, and
    float32 is 12 % off float64.
  * Norm weights are 1 + 0.1 N(0,1), norm biases 0.05 N(0,1).
  * Queries have RMS 2 and keys 1, so logits have a deviation of about 2: softmax is neither
    uniform nor one-hot.
  * The U-Net predicts noise that is mostly its own input, as a trained one does at high noise
    (`aim_unet`), so that guided sampling stays bounded; on top comes a share from its depth, large
    enough that 1 % of error at the middle block moves the output by 7e-4.
  * Every weight is rounded to f16, so f16 and f32 files hold the same values.
"""

import numpy as np
import torch
from torch import nn

STREAM = 0.1
BRANCH = 0.5 * STREAM


def f16(t):
    return t.to(torch.float16).to(torch.float32)


def draw(model, rng):
    """All parameters in order of name, before calibration."""
    kinds = dict(model.named_modules())
    with torch.no_grad():
        for name, p in model.named_parameters():
            module = kinds[name.rsplit(".", 1)[0]]
            x = torch.from_numpy(rng.standard_normal(tuple(p.shape), dtype=np.float32))
            if isinstance(module, (nn.GroupNorm, nn.LayerNorm)):
                x = 1 + 0.1 * x if name.endswith("weight") else 0.05 * x
            elif isinstance(module, nn.Embedding):
                x *= STREAM if "token" in name else 0.5 * STREAM
            elif name.endswith("weight"):
                x *= p[0].numel() ** -0.5
            else:
                x *= 0.1
            p.copy_(f16(x))


def target_rms(name):
    """RMS wanted at the output of the conv or linear layer called `name`."""
    last = name.removesuffix(".0").rsplit(".", 1)[-1]
    fixed = {
        "to_q": 2.0,
        "q_proj": 2.0,
        "to_k": 1.0,
        "k_proj": 1.0,
        "to_v": 1.0,
        "v_proj": 1.0,
        "fc1": 1.0,
        "linear_1": 1.0,
        "linear_2": 1.0,
        "time_emb_proj": STREAM,
        "conv2": BRANCH,
        "to_out": BRANCH,
        "out_proj": BRANCH,
        "fc2": BRANCH,
        "proj_out": BRANCH,
        "quant_conv": 3.0,
        "post_quant_conv": 5.5,
        "text_projection": 1.0,
    }
    if name.endswith("ff.net.0.proj"):
        return 1.0
    if name.endswith("ff.net.2"):
        return BRANCH
    if name == "decoder.conv_out":
        return 0.35
    if name == "encoder.conv_out":
        return 1.0
    return fixed.get(last, STREAM)


def stack_depth(model, name):
    """How many transformer blocks stand in a row where that layer is."""
    stack, inside, _ = name.partition("transformer_blocks")
    return len(model.get_submodule(stack + inside)) if inside else 1


def calibrate(model, run):
    """Scale each conv and linear layer once, in the order in which run() first executes them."""
    handles, done = [], set()

    def hook(name):
        def scale(module, args, out):
            if name in done:
                return None
            done.add(name)
            bias = module.bias
            flat = out if bias is None else out - (bias[:, None, None] if out.dim() == 4 else bias)
            want, depth = target_rms(name), stack_depth(model, name)
            if want == BRANCH and depth > 2:
                want /= depth
            rms = flat.square().mean().sqrt()
            module.weight.copy_(f16(module.weight * (want / rms)))
            if bias is not None:
                bias.copy_(f16(bias * want))
            return module.forward(*args)

        return scale

    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            handles.append(module.register_forward_hook(hook(name)))
    with torch.no_grad():
        run()
    for h in handles:
        h.remove()


def random_clip(text, rng, ids):
    draw(text, rng)
    calibrate(text, lambda: text(ids))


def random_vae(vae, rng, size):
    draw(vae, rng)
    latent = torch.from_numpy(rng.standard_normal(
        (1, vae.config.latent_channels, size, size), dtype=np.float32)) * 5.5
    image = (
        torch.from_numpy(rng.standard_normal((1, 3, 8 * size, 8 * size), dtype=np.float32)) * 0.5
    )
    calibrate(vae, lambda: (vae.decode(latent), vae.encode(image)))


def aim_unet(unet, run, x, rng, noise_share):
    """Make the prediction mostly the input itself, so that 20 guided steps stay bounded.

    conv_in's output is also the last skip connection. Most of conv_in is a 1x1 map (its centre
    tap), the last
    block's shortcut passes that skip through, and conv_out's centre tap is the least-squares
    read-out of the input
    from the last normed features, to which a random 3x3 kernel of RMS noise_share is added.
    """
    features = []
    handle = unet.conv_out.register_forward_pre_hook(lambda m, a: features.append(a[0]))
    with torch.no_grad():
        run()
    handle.remove()
    f = features[0].permute(0, 2, 3, 1).reshape(-1, features[0].shape[1]).double()
    y = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]).double()
    f1 = torch.cat([f, torch.ones_like(f[:, :1])], 1)
    ridge = 1e-3 * torch.eye(f1.shape[1], dtype=torch.float64) * f.square().mean() * f.shape[0]
    w = torch.linalg.solve(f1.T @ f1 + ridge, f1.T @ y)
    fit = 1 - (f1 @ w - y).square().mean() / y.square().mean()
    w = w / fit  # undo the shrinkage of the fit: covariance with the input becomes one
    with torch.no_grad():
        kernel = unet.conv_out.weight
        noise = torch.from_numpy(rng.standard_normal(tuple(kernel.shape), dtype=np.float32))
        rms = nn.functional.conv2d(features[0], noise, padding=1).square().mean().sqrt()
        kernel.copy_(noise * (noise_share / rms))
        kernel[:, :, 1, 1] += w[:-1].T.float()
        kernel.copy_(f16(kernel))
        unet.conv_out.bias.copy_(f16(w[-1].float()))
    return float(fit)


def random_unet(unet, rng, size, ctx, noise_share=0.4, deep_share=2.0, deep_gain=3.0, added=None):
    """ctx [2, tokens, width]: text embeddings of a prompt and of the empty one; added: what else
    SDXL takes."""
    draw(unet, rng)
    x = torch.from_numpy(rng.standard_normal((2, 4, size, size), dtype=np.float32))
    t = torch.tensor([901, 261])
    with torch.no_grad():
        conv = unet.conv_in.weight
        conv[:, :, 1, 1] *= 6.0
        deep = unet.mid_block.resnets[-1].conv2.out_channels
        for resnet in (r for block in unet.up_blocks for r in block.resnets):
            shortcut = resnet.conv_shortcut.weight
            shortcut[:, :deep] *= deep_gain  # what comes from below must not drown in the skips
            deep = shortcut.shape[0]
        shortcut[:, :deep] *= deep_share / deep_gain
        shortcut[:, -deep:, 0, 0] += 2.0 * torch.eye(deep)
    def run():
        unet(x, t, ctx, added_cond_kwargs=added)

    calibrate(unet, run)
    return aim_unet(unet, run, x, rng, noise_share)
