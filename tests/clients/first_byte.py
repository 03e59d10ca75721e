#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How much later than sdrt_generate() alone the first byte of an image comes from a running sdserve:

    SDRT_LIBRARY=build/.libs/libsdrt.so PYTHONPATH=bindings/python first_byte.py URL MODEL [TIMES]

MODEL is the folder that the server has open; both draw the same picture of 64x64 pixels in one step, in
turn.  The server's time is from the request to the first byte of its answer, PNG and base64 and all.
Prints medians in ms.
"""
import http.client
import json
import statistics
import sys
import time
from urllib.parse import urlsplit

import sdrt

where = urlsplit(sys.argv[1])
model = sdrt.Model(sys.argv[2])
times = int(sys.argv[3]) if len(sys.argv) > 3 else 200


def served(line):
    body = json.dumps({"prompt": "an apple", "seed": 7, "steps": 1, "width": 64, "height": 64})
    begun = time.perf_counter()
    line.request("POST", "/sdapi/v1/txt2img", body, {"Content-Type": "application/json"})
    answer = line.getresponse()
    took = time.perf_counter() - begun
    value = json.loads(answer.read())
    assert answer.status == 200, value
    return took


def bare():
    begun = time.perf_counter()
    model.generate("an apple", seed=7, steps=1, width=64, height=64)
    return time.perf_counter() - begun


connection = http.client.HTTPConnection(where.hostname, where.port, timeout=600)
both = []
for i in range(times + 10):
    both.append((bare(), served(connection)))
alone, through = ([1e3 * pair[k] for pair in both[10:]] for k in (0, 1))
print(f"alone {statistics.median(alone):.2f}, first byte {statistics.median(through):.2f}, "
      f"later by {statistics.median(b - a for a, b in zip(alone, through)):.2f} ms, {times} times each")
