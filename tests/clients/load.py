#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many clients at once against a running sdserve, without a package:

    load.py URL [CLIENTS [IMAGES [VANISHING]]]

Each answer's seed and prompt are to be its own; then VANISHING clients leave in the midst of a body or
while they wait.  Prints the times beside the time of one request alone, and the server's memory.
"""
import base64
import http.client
import json
import queue
import socket
import statistics
import sys
import threading
import time
from urllib.parse import urlsplit

where = urlsplit(sys.argv[1])
clients, images, vanishing = (int(x) for x in (sys.argv[2:] + ["32", "200", "100"][len(sys.argv) - 2:]))


def ask(method, path, body=None, client="", timeout=600):
    line = http.client.HTTPConnection(where.hostname, where.port, timeout=timeout)
    line.request(method, path, body and json.dumps(body), {"X-Client-Id": client})
    answer = line.getresponse()
    data = answer.read()
    line.close()
    return answer.status, data


def draw(i, client):
    begun = time.time()
    status, data = ask("POST", "/sdapi/v1/txt2img", {"prompt": f"apple {i}", "seed": i, "steps": 1, "width": 64,
                                                    "height": 64}, client)
    took = time.time() - begun
    value = json.loads(data)
    assert status == 200, value
    info = json.loads(value["info"])
    assert info["all_seeds"] == [i] and info["all_prompts"] == [f"apple {i}"], (i, info)
    png = base64.b64decode(value["images"][0])
    assert f"apple {i}\n".encode() in png and f"Seed: {i},".encode() in png, i
    return took


def memory():
    text = ask("GET", "/metrics")[1].decode()
    return next(float(line.split()[1]) for line in text.splitlines()
                if line.startswith("sdserve_resident_memory_bytes ")) / 2**20


draw(0, "alone")
alone = sorted(draw(i, "alone") for i in range(20))
before = memory()
work, times, wrong = queue.Queue(), [], []
for i in range(1, images + 1):
    work.put(i)


def run(client):
    while True:
        try:
            i = work.get_nowait()
        except queue.Empty:
            return
        try:
            times.append(draw(i, client))
        except Exception as error:
            wrong.append(error)


begun = time.time()
threads = [threading.Thread(target=run, args=(f"client {n}",)) for n in range(clients)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
took = time.time() - begun
times.sort()
print(f"alone: p50 {alone[len(alone) // 2] * 1e3:.1f} ms, p99 {alone[-1] * 1e3:.1f} ms")
print(f"{clients} clients, {images} images: {len(times)} good, {len(wrong)} wrong, {len(times) / took:.1f} a second, "
      f"p50 {statistics.median(times) * 1e3:.0f} ms, p99 {times[int(len(times) * 0.99)] * 1e3:.0f} ms")
print(f"memory: {before:.1f} MiB before, {memory():.1f} MiB after")
for error in wrong[:3]:
    print("wrong:", error)

for n in range(vanishing):
    line = socket.create_connection((where.hostname, where.port))
    body = json.dumps({"prompt": "gone", "steps": 50}).encode()
    half = body if n % 2 else body[:10]
    line.sendall(b"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n" %
                 (where.netloc.encode(), len(body)) + half)
    line.close()
begun = time.time()
while time.time() - begun < 60:
    state = json.loads(ask("GET", "/v1/status")[1])
    if not state["queued"] and not state["drawing"]:
        break
    time.sleep(0.05)
print(f"{vanishing} clients that vanish: idle after {time.time() - begun:.2f} s, memory {memory():.1f} MiB")
again = draw(7, "after")
print(f"a request after them: {again * 1e3:.1f} ms")
sys.exit(bool(wrong) or state["queued"] + state["drawing"] > 0)
