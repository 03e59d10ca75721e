# SPDX-License-Identifier: MIT
"""Write tests/golden/pickle/: small files by torch.save(), and beside each of those that are read a
NAME.safetensors with the tensors that torch.load() finds in it, by the reference implementation.

    python make_pickle_golden.py FOLDER
"""
import collections
import os
import pickle
import sys
import types

import numpy as np
import torch
from safetensors.torch import save_file

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
torch.manual_seed(1)


def flat(value, name=""):
    """The tensors in value under the keys that lead to them."""
    if isinstance(value, torch.Tensor):
        return {name: value.detach()}
    if isinstance(value, torch.nn.Module):
        value = value.state_dict()
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(
        value, (list, tuple)) else ()
    found = {}
    for key, inner in pairs:
        found |= flat(inner, f"{name}.{key}" if name else str(key))
    return found


def write(name, value, tensors=None, **options):
    torch.save(value, f"{out}/{name}", **options)
    back = torch.load(f"{out}/{name}", weights_only=False)
    tensors = flat(back if tensors is None else tensors(back))
    save_file({k: v.contiguous().clone() for k, v in tensors.items()},
              f"{out}/{os.path.splitext(name)[0]}.safetensors")


def numbers(*shape, dtype=torch.float32):
    return (torch.randn(shape) * 20).to(dtype)


def all_kinds(eight=False):
    base = numbers(4, 6)
    kinds = {str(d).removeprefix("torch."): numbers(2, 3, dtype=d)
             for d in (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64,
                       torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)}
    if eight:  # there is no old class of storages for them
        kinds |= {"e4m3": numbers(2, 3).to(torch.float8_e4m3fn),
                  "e5m2": numbers(2, 3).to(torch.float8_e5m2)}
    return kinds | {
        "views": {"whole": base, "rows": base[1:3], "turned": base.T, "column": base[:, 2],
                  "every": base[::2, 1::3], "wide": base[0, :1].expand(3, 2), "again": base},
        "last": numbers(2, 3, 2, 2, dtype=torch.float16).to(memory_format=torch.channels_last),
        "scalar": torch.tensor(0.5), "none": torch.zeros(0, 3), "one": numbers(1, 4).T,
        "parameter": torch.nn.Parameter(numbers(3)), "number": 3, "text": "a", "real": 0.1,
        "list": [numbers(1), numbers(2)], 7: numbers(1), "big": 1 << 100, "size": base.size(),
        "ordered": collections.OrderedDict(x=numbers(2)), "set": {1, 2}, "nothing": None,
    }


write("zip.pt", all_kinds(eight=True))
write("zip4.pt", all_kinds(eight=True), pickle_protocol=4)
write("old.pt", all_kinds(), _use_new_zipfile_serialization=False)
write("old4.pt", all_kinds(), _use_new_zipfile_serialization=False, pickle_protocol=4)


def oldest(name, tensors):
    """The tar archive of PyTorch before 0.1.10, of which torch.load() has the only description."""
    import io
    import tarfile
    pickled = lambda x: pickle.dumps(x, protocol=2)

    class Pickler(pickle.Pickler):
        def persistent_id(self, x):
            return str(1000 + list(tensors).index(x[0])) if isinstance(x, tuple) and x[:1] and \
                x[0] in tensors and len(x) == 1 else None

    storages, layouts = pickled(len(tensors)), pickled(len(tensors))
    for i, t in enumerate(tensors.values()):
        kind = str(t.dtype).removeprefix("torch.")
        kind = {"float32": "Float", "float16": "Half", "int64": "Long"}[kind]
        raw = t.untyped_storage()
        storages += pickled((2000 + i, "cpu", getattr(torch, f"{kind}Storage")))
        storages += (len(raw) // t.element_size()).to_bytes(8, "little") + bytes(raw)
        layouts += pickled((1000 + i, 2000 + i, getattr(torch, f"{kind}Tensor")))
        layouts += t.dim().to_bytes(8, "little")
        for n in (*t.shape, *t.stride(), t.storage_offset()):
            layouts += n.to_bytes(8, "little")
    storages += pickled([])
    body = io.BytesIO()
    Pickler(body, protocol=2).dump(collections.OrderedDict(
        {"a": {k: (k,) for k in tensors}, "epoch": 3}))
    with tarfile.open(f"{out}/{name}", "w:", format=tarfile.PAX_FORMAT) as tar:
        for entry, data in (("sys_info", pickled({"little_endian": True})),
                            ("pickle", body.getvalue()), ("tensors", layouts),
                            ("storages", storages)):
            info = tarfile.TarInfo(entry)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    back = torch.load(f"{out}/{name}", weights_only=False)
    save_file({k: v.contiguous().clone() for k, v in flat(back).items()},
              f"{out}/{os.path.splitext(name)[0]}.safetensors")


# What a training leaves: its state is passed over, and so are names of its framework.
callbacks = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")
for name in ("pytorch_lightning", "pytorch_lightning.callbacks"):
    sys.modules[name] = types.ModuleType(name)
sys.modules[callbacks.__name__] = callbacks
callbacks.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": callbacks.__name__})
write("training.ckpt", {
    "epoch": 2, "global_step": 470000, "pytorch-lightning_version": "1.4.2",
    "state_dict": collections.OrderedDict({
        "model.diffusion_model.out.2.bias": numbers(4), "loss.logvar": numbers(1),
        "model_ema.decay": torch.tensor(0.9999), "first_stage_model.quant_conv.bias": numbers(8)}),
    "callbacks": {callbacks.ModelCheckpoint: {
        "monitor": "val/loss", "best_model_score": torch.tensor(0.25), "path": "a/b.ckpt",
        "current": np.float64(0.25), "array": np.arange(3)}},
    "optimizer_states": [{"state": {0: {"step": 3, "exp_avg": numbers(4)}},
                          "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999), "params": [0]}]}],
    "lr_schedulers": [{"base_lrs": [1.0], "last_epoch": 470000}],
}, lambda x: {"state_dict": x["state_dict"]})

# AUTOMATIC1111's textual inversion, and diffusers'.
write("inversion.pt", {
    "string_to_token": {"*": torch.tensor(265)},
    "string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(numbers(2, 8))}),
    "name": "style", "step": 1499, "sd_checkpoint": "cc6cb27103", "sd_checkpoint_name": "v1-5"},
    lambda x: {"string_to_token": x["string_to_token"],
               "string_to_param": dict(x["string_to_param"].items())})
write("learned.bin", {"<style>": numbers(8)})


# Refused, each for what the test says.
class Runs:
    def __reduce__(self):
        return eval, ("print('this was run')",)


def refused(name, value, **options):
    torch.save(value, f"{out}/{name}", **options)


refused("runs.pt", {"a": numbers(1), "b": Runs()})
refused("runs-old.pt", {"a": numbers(1), "b": Runs()}, _use_new_zipfile_serialization=False)
refused("network.pt", torch.nn.Linear(1, 1))
refused("sparse.pt", {"a": torch.eye(2).to_sparse()})
refused("bare.pt", numbers(2))
refused("nothing.pt", {"lr": 0.1, "steps": [1, 2]})
torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), f"{out}/script.pt")
with open(f"{out}/python.pt", "wb") as f:
    pickle.dump({"a": numbers(1)}, f, protocol=2)
np.savez(f"{out}/arrays.npz", a=np.zeros(1))

oldest("oldest.pt", {"x": numbers(2, 3), "turned": numbers(3, 4).T, "half": numbers(5).half()[1:4],
                     "step": torch.tensor([7]), "last": numbers(1, 2, 2, 2).to(
                         memory_format=torch.channels_last)})
