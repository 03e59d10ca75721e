#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Damaged requests against a running sdserve, best one built with -fsanitize=address,undefined:

    fuzz.py URL [REQUESTS [SEED]]

Good requests with bytes changed, cut, doubled and moved, several on one connection; the server has to
answer the good one between them.
"""
import base64
import json
import random
import socket
import struct
import sys
import zlib
from urllib.parse import urlsplit

where = urlsplit(sys.argv[1])
count = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
chance = random.Random(seed)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, rows):
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"tEXt", b"parameters\0a cat\nSteps: 1, Sampler: Euler") +
            chunk(b"IDAT", zlib.compress((b"\0" + b"\x80" * 24) * rows)) + chunk(b"IEND", b""))


small = base64.b64encode(png(8, 8, 8)).decode()
bomb = base64.b64encode(png(16000, 16000, 8)).decode()
quick = {"steps": 1, "width": 8, "height": 8}
bodies = [
    ("/sdapi/v1/txt2img", {"prompt": "a (cat:1.2) [x:y:1]", "negative_prompt": "b", "sampler_name": "DPM++ 2M",
                           "scheduler": "Karras", "override_settings": {"CLIP_stop_at_last_layers": 1},
                           "alwayson_scripts": {"x": {"args": [False]}}, **quick}),
    ("/sdapi/v1/txt2img", {"alwayson_scripts": {"controlnet": {"args": [
        {"image": small, "model": "net", "module": "canny", "weight": 0.5, "guidance_end": 0.5}]}}, **quick}),
    ("/sdapi/v1/extra-single-image", {"image": small, "upscaler_1": "net", "upscaling_resize": 2}),
    ("/sdapi/v1/img2img", {"prompt": "a", "init_images": ["data:image/png;base64," + small], "mask": small,
                           "denoising_strength": 1, "inpaint_full_res": False, **quick}),
    ("/sdapi/v1/img2img", {"init_images": [bomb]}),
    ("/sdapi/v1/png-info", {"image": small}),
    ("/sdapi/v1/options", {"CLIP_stop_at_last_layers": 1}),
    ("/v1/images/generations", {"prompt": "a", "n": 1, "size": "8x8", "steps": 1, "stream": True}),
    ("/v1/jobs", {"prompt": "a", "seed": "18446744073709551615", "loras": [], "format": "webp", **quick}),
]


def request(path, body, kind="application/json"):
    return (f"POST {path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def form():
    edge = "xYzZy"
    parts = [("prompt", b"a", ""), ("size", b"8x8", ""), ("steps", b"2", ""),
             ("image", base64.b64decode(small), '; filename="a.png"')]
    body = b"".join(f'--{edge}\r\nContent-Disposition: form-data; name="{n}"{f}\r\n\r\n'.encode() + d + b"\r\n"
                    for n, d, f in parts) + f"--{edge}--\r\n".encode()
    return request("/v1/images/edits", body, f"multipart/form-data; boundary={edge}")


def good():
    i = chance.randrange(len(bodies) + 2)
    if i == len(bodies):
        return form()
    if i > len(bodies):
        path = chance.choice(["/v1/jobs/", "/v1/status", "/metrics", "/v1/gallery/..%2f..", "/openapi.json", "/",
                              "/v1/jobs/00000000000000000000000000000000/images/-1", "/v1/models/%00"])
        return f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode()
    return request(bodies[i][0], json.dumps(bodies[i][1]).encode())


def damage(data):
    data = bytearray(data)
    # The head is spared three times of four, so that bodies are reached.
    first = data.find(b"\r\n\r\n") + 4 if chance.random() < 0.75 else 0
    for _ in range(chance.choice([0, 1, 1, 2, 4, 16])):
        if first >= len(data):
            break
        at = chance.randrange(first, len(data))
        what = chance.randrange(5)
        if what == 0:
            data[at] = chance.randrange(256)
        elif what == 1:
            data[at] ^= 1 << chance.randrange(8)
        elif what == 2:
            data[at:at] = chance.choice([b"\0", b"\xff", b'"', b"{", b"[", b"-1", b"1e999", b"99999999999999999999"])
        elif what == 3:
            del data[at:at + chance.randrange(1, 9)]
        else:
            data[at:at] = data[at:at + chance.randrange(1, 65)]
    if chance.random() < 0.05:
        del data[chance.randrange(len(data) + 1):]
    return bytes(data)


def send(data, wait):
    line = socket.create_connection((where.hostname, where.port), timeout=30)
    line.sendall(data)
    answer = b""
    try:
        line.settimeout(wait)
        if chance.random() < 0.9 or wait > 1:
            answer = line.recv(65536)
    except (TimeoutError, ConnectionResetError):
        pass
    line.close()
    return answer


for n in range(count):
    try:
        send(damage(good()), 0.05)
    except (ConnectionResetError, BrokenPipeError):
        pass
    if n % 1000 == 999 or n == count - 1:
        answer = send(f"GET /health HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode(), 30)
        assert b'"status":"ok"' in answer, f"no health after {n + 1} requests of seed {seed}: {answer[:100]}"
print(f"{count} requests of seed {seed}: the server is well")
