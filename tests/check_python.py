# SPDX-License-Identifier: MIT
"""What tests/check_python.sh runs: a line "ok NAME" for each check, an exception at the first that
fails."""

import ctypes
import json
import os
import pathlib
import re
import shlex
import signal
import struct
import subprocess
import sys
import threading
import zlib

import numpy as np

import sdrt
from sdrt import _abi

work = pathlib.Path(sys.argv[1])
source = pathlib.Path(os.environ["SDRT_SOURCE"])
headers = [source / "model/sdrt.h", source / "runtime/base/sdrt_status.h"]
text = re.sub(r"/\*.*?\*/", "", "".join(h.read_text(encoding="utf-8") for h in headers), flags=re.S)
text = re.sub(r"^#.*$", "", text, flags=re.M)


def equal(what, got, expected):
    if got != expected:
        raise AssertionError(f"{what}: {got!r}: expected {expected!r}")


def refused(kind, words, call, *arguments, **named):
    """The call raises that, with the words in its text."""
    try:
        call(*arguments, **named)
    except kind as error:
        assert words in str(error), f"{error}: expected {words!r}"
        return error
    raise AssertionError(f"{words}: nothing was raised")


# ---- the header ----

SCALARS = {ctypes.c_int: "int", ctypes.c_float: "float", ctypes.c_double: "double",
           ctypes.c_size_t: "size_t", ctypes.c_uint64: "uint64_t", ctypes.c_char_p: "const char *",
           ctypes.c_void_p: "void *", _abi.LogFn: "sdrt_log_fn *",
           _abi.ProgressFn: "sdrt_progress_fn *", _abi.DumpFn: "sdrt_dump_fn *",
           _abi.PreviewFn: "sdrt_preview_fn *", _abi.CancelledFn: "sdrt_cancelled_fn *", ctypes.POINTER(ctypes.c_double): "const double *",
           ctypes.POINTER(ctypes.c_char_p): "const char *const *"}
SCALARS.update({ctypes.POINTER(t): f"const struct {name} *" for name, t in _abi.STRUCTS.items()})
TAGS = {"sdrt_list": ("SDRT_LIST_", _abi.LISTS), "sdrt_stage": ("SDRT_STAGE_", _abi.STAGES),
        "sdrt_log_level": ("SDRT_LOG_", _abi.LEVELS)}


def c_type(owner, name, kind):
    return "const uint8_t *" if (owner, name) == ("sdrt_picture", "pixels") else SCALARS[kind]


def layout_program():
    """Prints each size, offset and type's name as the compiler has them."""
    lines = ["#include <stdio.h>", '#include "sdrt.h"', "int main(void)", "{"]
    for name, fields in _abi.STRUCTS.items():
        lines.append(f'printf("{name} %zu\\n", sizeof(struct {name}));')
        for field, kind in fields._fields_:
            of = f"((struct {name} *)0)->{field}"
            lines.append(f'printf("{name}.{field} %zu %zu %d\\n", offsetof(struct {name}, {field}), '
                         f"sizeof({of}), _Generic({of}, {c_type(name, field, kind)}: 1, default: 0));")
    for prefix, values in TAGS.values():
        lines += [f'printf("{prefix}{v.upper()} %d\\n", (int){prefix}{v.upper()});' for v in values]
    for v in _abi.STATUSES:
        tag = "SDRT_OK" if v == "ok" else "SDRT_E_" + v.upper()
        lines.append(f'printf("{tag} %d\\n", (int){tag});')
    lines += ['printf("SDRT_ABI %d\\n", SDRT_ABI);', "return 0;", "}"]
    return "\n".join(lines)


def ctypes_layout():
    lines = []
    for name, fields in _abi.STRUCTS.items():
        lines.append(f"{name} {ctypes.sizeof(fields)}")
        for field, _ in fields._fields_:
            at = getattr(fields, field)
            lines.append(f"{name}.{field} {at.offset} {at.size} 1")
    for prefix, values in TAGS.values():
        lines += [f"{prefix}{v.upper()} {i}" for i, v in enumerate(values)]
    lines += [f"{'SDRT_OK' if v == 'ok' else 'SDRT_E_' + v.upper()} {-i}"
              for i, v in enumerate(_abi.STATUSES)]
    return lines + [f"SDRT_ABI {_abi.ABI}"]


def check_layout():
    (work / "layout.c").write_text(layout_program())
    includes = [f"-I{h.parent}" for h in headers]
    subprocess.run(shlex.split(os.environ.get("CC", "cc")) + ["-std=c11", *includes, "-o",
                   str(work / "layout"), str(work / "layout.c")], check=True)
    said = subprocess.run([str(work / "layout")], check=True, capture_output=True, text=True)
    for got, expected in zip(ctypes_layout(), said.stdout.splitlines()):
        equal("the bindings", got, expected)


def declared(pattern):
    """What stands in the braces of struct or enum."""
    found = re.search(pattern + r"\s*\{(.*?)\}", text, re.S)
    assert found, f"{pattern}: not in the header"
    return found.group(1)


def check_names():
    """Nothing of the header is left out: what stands in padding changes no size."""
    for name, known in _abi.STRUCTS.items():
        fields = [re.search(r"(\w+)\s*$", piece).group(1) for line in
                  declared(f"struct {name}").split(";") if line.strip() for piece in line.split(",")]
        equal(name, [f for f, _ in known._fields_], fields)
    tags = dict(TAGS, sdrt_status=("SDRT_E_", _abi.STATUSES))
    for name, (_, values) in tags.items():
        equal(name, len(values), len([v for v in declared(f"enum {name}").split(",") if v.strip()]))


def check_functions():
    for name, (_, arguments) in _abi.FUNCTIONS.items():
        found = re.search(rf"SDRT_API[^;(]*\b{name}\(([^)]*)\)", text)
        assert found, f"{name}: not in the header"
        listed = [] if found.group(1).strip() == "void" else found.group(1).split(",")
        equal(f"arguments of {name}", len(arguments), len(listed))


def check_hints():
    """The typed names are those of the structs."""
    hints = (source / "bindings/python/sdrt/_request.py").read_text(encoding="utf-8")
    for name, known, hidden in (("Options", _abi.Options, {"size", "model", "log", "cancelled_user"}),
                                 ("Request", _abi.Request, sdrt._request._DERIVED)):
        body = re.search(rf"class {name}\(TypedDict.*?\n\n(.*?)\n\n", hints, re.S).group(1)
        equal(name, sorted(re.findall(r"^ +(\w+):", body, re.M)),
              sorted(f for f, _ in known._fields_ if f not in hidden))


# ---- pictures ----

def run_sdgen(*arguments):
    out = work / "sdgen.png"
    subprocess.run([os.environ["SDRT_SDGEN"], *arguments, "--threads", "1", "--quiet", "--force", "-o",
                    str(out)], check=True)
    return out.read_bytes()


def sdgen(*arguments, model=source / "demo-model"):
    return run_sdgen("-m", str(model), "-p", "a red apple", "--seed", "7", "--steps", "3", "--cfg-scale",
                     "3", *arguments)


ASKED = {"seed": 7, "steps": 3, "cfg_scale": 3}


def write_picture(name, array):
    """As a PNG."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + row.tobytes() for row in array)
    head = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 8, 0 if array.ndim == 2 else 2, 0, 0, 0)
    (work / name).write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) +
                              chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return str(work / name)


def pixels_of(png):
    """An 8-bit RGB PNG's."""
    at, data, width, height = 8, b"", 0, 0
    while at < len(png):
        size, = struct.unpack(">I", png[at:at + 4])
        if png[at + 4:at + 8] == b"IHDR":
            width, height = struct.unpack(">II", png[at + 8:at + 16])
        if png[at + 4:at + 8] == b"IDAT":
            data += png[at + 8:at + 8 + size]
        at += size + 12
    rows = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, 1 + 3 * width)
    out = np.zeros((height + 1, 3 * width + 3), np.uint8)
    for y, row in enumerate(rows, 1):
        for x in range(3, 3 * width + 3):
            a, b, c = int(out[y, x - 3]), int(out[y - 1, x]), int(out[y - 1, x - 3])
            paeth = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            out[y, x] = (int(row[x - 2]) + (0, a, b, (a + b) // 2, paeth)[row[0]]) & 255
    return out[1:, 3:].reshape(height, width, 3)


def check_images(model):
    pixels = model.generate("a red apple", **ASKED)
    equal("an array", (pixels.dtype, pixels.shape), (np.dtype(np.uint8), (128, 128, 3)))
    png = sdgen()
    assert np.array_equal(pixels, pixels_of(png)), "pixels differ from sdgen's"
    equal("the file", model.own.encode() == png, True)
    image = model.own.image()
    assert image.parameters.startswith("a red apple\nSteps: 3"), image.parameters
    refused(IndexError, "image 1", model.own.image, 1)
    two = model.draw("a red apple", batch=2, **ASKED)
    assert len(two) == 2 and np.array_equal(two[0].pixels, pixels), "a batch's first"
    assert not np.array_equal(two[1].pixels, pixels), "a batch's second"

    mask = np.zeros((128, 128), bool)
    mask[:, 64:] = True
    files = ["--init", write_picture("init.png", pixels), "--strength", "0.7"]
    wide = np.zeros((128, 256, 3), np.uint8)
    wide[:, ::2] = pixels
    begun = {"init": wide[:, ::2], "strength": 0.7}  # a view with strides
    model.generate("a red apple", **ASKED, **begun)
    assert model.own.encode() == sdgen(*files), "img2img differs from sdgen's"
    masked = model.generate("a red apple", mask=mask, **ASKED, **begun)
    files += ["--mask", write_picture("mask.png", mask * np.uint8(255))]
    assert model.own.encode() == sdgen(*files), "an image with a mask differs from sdgen's"
    assert np.array_equal(masked[:, :64], pixels[:, :64]), "what is not masked"


TINY = source / "tests/golden/tiny-sd15"


def make_net(name, kind):
    """A net of golden/nets/KIND.txt with weights that are made up, as safetensors."""
    header, data, chance = {}, b"", np.random.RandomState(1)
    for line in (source / f"tests/golden/nets/{kind}.txt").read_text(encoding="utf-8").splitlines():
        tensor, _, shape = line.split("\t")
        dims = [int(n) for n in shape.split(",")]
        fan = np.prod(dims[1:]) if len(dims) > 1 else 100.0
        values = (chance.uniform(-1, 1, dims) * (3.0 / fan) ** 0.5).astype("<f4")
        if len(dims) == 1 and "norm" in tensor and tensor.endswith(".weight"):
            values += 1
        header[tensor] = {"dtype": "F32", "shape": dims, "data_offsets": [len(data), len(data) + values.nbytes]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    (work / name).write_bytes(struct.pack("<Q", len(text)) + text + data)
    return work / name


def check_loras(model):
    """Each image is sdgen's, and none is the one without."""
    plain = model.generate("a red apple", width=64, height=64, **ASKED)
    loras = source / "tests/golden/lora"
    one, two = loras / "loha.safetensors", loras / "lokr.safetensors"
    drawn = model.generate("a red apple", width=64, height=64, loras=[(one, 0.8), (two, 0.5)], **ASKED)
    png = sdgen("-W", "64", "-H", "64", "--lora", f"{one}:0.8", "--lora", f"{two}:0.5", model=TINY)
    assert np.array_equal(drawn, pixels_of(png)), "two LoRAs: another image than sdgen's"
    assert not np.array_equal(drawn, plain), "the LoRAs change nothing"
    tagged = model.generate("a red apple<lora:loha:0.8><lora:lokr:0.5>", width=64, height=64,
                            lora_dir=loras, **ASKED)
    assert np.array_equal(tagged, drawn), "tags: another image than by paths"
    again = model.generate("a red apple", width=64, height=64, **ASKED)
    assert np.array_equal(again, plain), "after a LoRA"


def check_controls(model):
    plain = model.generate("a red apple", width=64, height=64, **ASKED)
    guide = np.zeros((64, 64, 3), np.uint8)
    guide[16:48, 20:40] = (200, 90, 30)
    path = write_picture("guide.png", guide)
    for kind in ("control-sd15", "adapter-sd15"):
        net = make_net(f"{kind}.safetensors", kind)
        for map, front in ((None, ""), ("canny", "canny:")):
            drawn = model.generate("a red apple", width=64, height=64, **ASKED, controls=[
                sdrt.Control(net, guide, scale=0.8, start=0.0, end=0.7, map=map)])
            png = sdgen("-W", "64", "-H", "64", "--control", f"{net}={front}{path}:0.8:0-0.7", model=TINY)
            assert np.array_equal(drawn, pixels_of(png)), f"{kind}, {map}: another image than sdgen's"
            assert not np.array_equal(drawn, plain), f"{kind}, {map} changes nothing"


def check_enlarging(model):
    network = source / "tests/golden/nets/rrdb-x2.pth"
    for name in ("latent", "lanczos", network):
        drawn = model.generate("a red apple", width=64, height=64, **ASKED, hires=1.5, hires_upscaler=name,
                               hires_strength=0.6, hires_steps=5)
        png = sdgen("-W", "64", "-H", "64", "--hires", "1.5", "--hires-upscaler", str(name),
                    "--hires-strength", "0.6", "--hires-steps", "5", model=TINY)
        equal("hires", drawn.shape, (96, 96, 3))
        assert np.array_equal(drawn, pixels_of(png)), f"hires, {name}: another image than sdgen's"
    small, told = drawn[:40, :56], []
    with sdrt.Upscaler(network, threads=1) as upscaler:
        equal("the scale", upscaler.scale, 2)
        large = upscaler.run(small, progress=lambda *at: told.append(at))
        png = run_sdgen("--upscale", str(network), write_picture("small.png", small))
        assert np.array_equal(large, pixels_of(png)), "another picture than sdgen's"
        equal("enlarged", (large.shape, told), ((80, 112, 3), [(0, 1), (1, 1)]))
        upscaler.cancel()
        equal("of one channel", upscaler.run(small[:, :, 0]).shape, large.shape)
        refused(sdrt.Cancelled, "cancel", upscaler.run, small, progress=lambda *at: True)

        def fault(done, total):
            raise KeyError("mine")
        refused(KeyError, "mine", upscaler.run, small, progress=fault)
        refused(RuntimeError, "own callback", upscaler.run, small,
                progress=lambda *at: upscaler.run(small))
        refused(ValueError, "shape", upscaler.run, np.zeros((8, 8, 2), np.uint8))
        refused(TypeError, "image", upscaler.run, small.astype(np.float32))
    refused(ValueError, "closed", upscaler.run, small)
    refused(sdrt.Error, "none.pth", sdrt.Upscaler, "none.pth")
    refused(TypeError, "bogus", sdrt.Upscaler, network, bogus=1)


def check_finish(model):
    """What ends early is an image."""
    drawn = model.draw("a red apple", seed=7, steps=50, width=64, height=64, progress=lambda stage, done, total:
                       (stage == "denoise" and done == 2 and model.finish()))
    assert ", Stopped after: 3" in drawn[0].parameters, drawn[0].parameters


def check_callbacks(model):
    told, seen, dumped = [], [], []
    pixels = model.generate("a red apple", **ASKED, progress=lambda *a: told.append(a),
                            preview=lambda p, *at: seen.append((p.shape[2], *at)),
                            dump=lambda name, a: dumped.append((name, a.shape)))
    assert ("denoise", 3, 3) in told and seen[-1] == (3, 0, 3, 3) and dumped, (told, seen, dumped)
    assert np.array_equal(pixels, model.generate("a red apple", **ASKED)), "callbacks change pixels"
    error = refused(sdrt.Cancelled, "cancel", model.generate, "a", progress=lambda *a: True, **ASKED)
    equal("its status", error.status, "cancelled")

    def fault(stage, done, total):
        if stage == "denoise":
            raise KeyError("mine")
    refused(KeyError, "mine", model.generate, "a", progress=fault, **ASKED)
    refused(RuntimeError, "own callback", model.generate, "a", progress=lambda *a: model.generate("b"),
            **ASKED)
    refused(KeyboardInterrupt, "", model.generate, "a", steps=999, progress=lambda stage, done, total: (
        stage == "denoise" and done == 1 and os.kill(os.getpid(), signal.SIGINT)))
    asks = []
    refused(sdrt.Cancelled, "cancel", sdrt.Model, source / "demo-model",
            cancelled=lambda: asks.append(1) or len(asks) == 3)
    equal("asked", len(asks), 3)
    refused(KeyboardInterrupt, "", sdrt.Model, source / "demo-model",
            cancelled=lambda: os.kill(os.getpid(), signal.SIGINT))
    timer = threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    refused(KeyboardInterrupt, "", model.generate, "a", steps=999)
    equal("the handler", signal.getsignal(signal.SIGINT), signal.default_int_handler)
    begun = threading.Event()
    stopper = threading.Thread(target=lambda: (begun.wait(60), model.cancel()))
    stopper.start()

    def tell(stage, done, total):
        if stage == "denoise":
            begun.set()
    refused(sdrt.Cancelled, "cancel", model.generate, "a", steps=999, seed=7, progress=tell)
    stopper.join()


def check_errors(model):
    error = refused(sdrt.Error, "none-such: ", sdrt.Model, "none-such")
    assert "\n" not in str(error) and error.status in ("io", "missing"), error.status
    error = refused(sdrt.Error, "width", model.generate, width=100)
    equal("status", error.status, "arg")
    refused(sdrt.Error, "eulr", model.generate, sampler="eulr")
    refused(TypeError, "bogus", model.generate, bogus=1)
    refused(TypeError, "n_loras", model.generate, n_loras=1)
    refused(TypeError, "bogus", sdrt.Model, "x", bogus=1)
    refused(TypeError, "steps", model.generate, steps=2.5)
    refused(ValueError, "seed", model.generate, seed=-1)
    refused(ValueError, "steps", model.generate, steps=2**32 + 3)
    refused(ValueError, "zero byte", model.generate, "a\0b")
    refused(TypeError, "init", model.generate, init=np.zeros((64, 64, 3), np.float32))
    refused(ValueError, "shape", model.generate, init=np.zeros((64, 64, 2), np.uint8))
    refused(ValueError, "draw()", model.generate, batch=2)
    refused(sdrt.Error, "none.safetensors", model.generate, loras=[("none.safetensors", 1)])
    refused(sdrt.Error, "none.safetensors", model.generate, controls=[
        sdrt.Control("none.safetensors", np.zeros((64, 64), np.uint8), map="canny")])
    refused(sdrt.Error, "fog", model.generate, controls=[
        sdrt.Control("none.safetensors", np.zeros((64, 64), np.uint8), type="fog")])
    refused(ValueError, "expected one of", sdrt.names, "things")


def check_sessions(model):
    expected, drawn = model.generate("a red apple", **ASKED), []

    def draw():
        with model.session(1) as session:
            drawn.append(session.generate("a red apple", **ASKED))
    threads = [threading.Thread(target=draw) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal("images", len(drawn), 2)
    assert all(np.array_equal(d, expected) for d in drawn), "sessions differ"
    kept = model.session(1)
    model.close()
    assert np.array_equal(kept.generate("a red apple", **ASKED), expected), "after the model is closed"
    kept.close()
    kept.cancel()
    refused(ValueError, "closed", kept.generate, "a")
    refused(ValueError, "closed", model.generate, "a")


def check_others(model):
    assert "euler_a" in sdrt.samplers() and "karras" in sdrt.schedules()
    assert sdrt.usable("formats", "png") and not sdrt.usable("formats", "gif")
    memory = model.measure("a", width=64, height=64)
    assert 0 < memory.weights_bytes and memory.arena_bytes < model.measure("a").arena_bytes, memory
    model.generate("a", width=64, height=64, steps=2, cfg_scale=1)
    report = model.own.report()
    equal("the report", [report[k] for k in ("width", "height", "images")], [64, 64, 1])
    assert "kind: SD 1.x checkpoint" in sdrt.inspect(source / "demo-model")
    refused(sdrt.Error, "none-such", sdrt.inspect, "none-such")


def main():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    for check in (check_layout, check_names, check_functions, check_hints):
        check()
        print("ok", check.__name__, flush=True)
    with sdrt.Model(TINY, threads=1) as model:
        for check in (check_loras, check_controls, check_enlarging, check_finish):
            check(model)
            print("ok", check.__name__, flush=True)
    with sdrt.Model(source / "demo-model", threads=1) as model:
        for check in (check_images, check_callbacks, check_errors, check_others, check_sessions):
            check(model)
            print("ok", check.__name__, flush=True)


main()
