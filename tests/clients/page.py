#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The page of a running sdserve in a headless Chromium, by the DevTools protocol:

    pip install websocket-client
    page.py URL FOLDER [SDGEN]

Types a prompt and draws, paints a mask and draws again, cancels, and has an error shown; leaves
screenshots at 1280 and 360 pixels, light and dark, in FOLDER.  With sdgen's path, its image of the same
seed has to be the page's, byte for byte.
"""
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

import websocket

url, folder = sys.argv[1].rstrip("/") + "/", sys.argv[2]
os.makedirs(folder, exist_ok=True)


class Browser:
    def __init__(self, profile):
        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
             "--remote-allow-origins=*", f"--user-data-dir={profile}", "--no-first-run", "about:blank"],
            stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.search(r"ws://([^/]+)/", line)
            if found:
                break
        pages = json.load(urllib.request.urlopen(f"http://{found[1]}/json"))
        page = next(p for p in pages if p["type"] == "page")
        self.socket = websocket.create_connection(page["webSocketDebuggerUrl"], timeout=120)
        self.number = 0
        for domain in ("Page", "Runtime"):
            self.call(domain + ".enable")

    def call(self, method, **params):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer)
                return answer["result"]

    def value(self, script):
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, script, seconds=120):
        begun = time.time()
        while not self.value(script):
            assert time.time() - begun < seconds, f"never: {script}"
            time.sleep(0.05)

    def size(self, width, height, scheme):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 500)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def shot(self, name):
        time.sleep(0.2)
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(os.path.join(folder, name + ".png"), "wb") as file:
            file.write(base64.b64decode(data))

    def key(self, name, code, modifiers=0):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=code, modifiers=modifiers)

    def type(self, id, text):
        self.value(f"document.getElementById('{id}').focus(); document.getElementById('{id}').select()")
        self.call("Input.insertText", text=text)

    def drag(self, points):
        for i, (x, y) in enumerate(points):
            kind = "mousePressed" if i == 0 else "mouseMoved"
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, button="left", clickCount=1)


with tempfile.TemporaryDirectory() as profile:
    browser = Browser(profile)
    try:
        browser.size(1280, 900, "light")
        browser.call("Page.navigate", url=url)
        browser.until("document.readyState === 'complete' && document.getElementById('sampler')?.options.length > 3")

        browser.type("prompt", "a red apple")
        browser.type("seed", "7")
        browser.key("Enter", 13, 2)
        browser.until("document.querySelectorAll('#results img').length === 1 && "
                      "document.querySelector('#results img').complete")
        print("drawn by typing:", browser.value("document.querySelector('#results figcaption').firstChild.data"))
        browser.until("document.getElementById('estimate').textContent.startsWith('about')")
        source = browser.value("document.querySelector('#results img').src")
        image = urllib.request.urlopen(source).read()
        if len(sys.argv) > 3:
            steps = browser.value("document.getElementById('steps').value")
            same = subprocess.run([sys.argv[3], "-p", "a red apple", "--seed", "7", "--steps", steps, "--quiet",
                                   "-o", "-"], stdout=subprocess.PIPE, check=True).stdout
            assert same == image, "sdgen draws another image"
            print("sdgen draws the same bytes")
        for width, height in ((1280, 900), (360, 780)):
            for scheme in ("light", "dark"):
                browser.size(width, height, scheme)
                assert browser.value("document.documentElement.scrollWidth") <= width, "wider than the window"
                browser.shot(f"page-{width}-{scheme}")
        print("screenshots: 1280 and 360, light and dark, none wider than its window")

        browser.size(1280, 1100, "light")
        browser.value("[...document.querySelectorAll('#results button')].find(b => b.textContent === 'Begin with it').click()")
        browser.until("!document.getElementById('init').hidden")
        browser.value("document.getElementById('canvas').scrollIntoView()")
        box = json.loads(browser.value("JSON.stringify(document.getElementById('canvas').getBoundingClientRect())"))
        x, y = box["left"] + box["width"] / 4, box["top"] + box["height"] / 4
        browser.drag([(x + i * 4, y + i * 4) for i in range(20)])
        browser.type("strength", "1")
        browser.type("prompt", "a blue heart")
        browser.shot("page-mask")
        browser.key("Enter", 13, 2)
        browser.until("document.querySelectorAll('#results img').length === 2 && "
                      "document.querySelector('#results img').complete")
        differ = browser.value("""(async () => {
            const data = async image => {
                const canvas = document.createElement('canvas');
                canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
                const to = canvas.getContext('2d');
                to.drawImage(image, 0, 0);
                return to.getImageData(0, 0, canvas.width, canvas.height).data;
            };
            const [after, before] = await Promise.all([...document.querySelectorAll('#results img')].map(data));
            const side = Math.sqrt(after.length / 4);
            let inside = 0, outside = 0;
            for (let i = 0; i < after.length; i++) if (after[i] !== before[i]) {
                const x = (i >> 2) % side, y = Math.floor((i >> 2) / side);
                if (Math.abs(x - y) < side / 4) inside++; else outside++;
            }
            return JSON.stringify([inside, outside]);
        })()""")
        inside, outside = json.loads(differ)
        assert inside > 0 and outside == 0, (inside, outside)
        print("a painted mask: bytes that differ inside, outside:", inside, outside)
        browser.value("document.getElementById('remove').click()")

        browser.type("steps", "150")
        browser.type("width", "512")
        browser.type("height", "512")
        browser.key("Enter", 13, 2)
        browser.until("!document.getElementById('preview').hidden && document.getElementById('bar').value > 0")
        browser.shot("page-progress")
        begun = time.time()
        browser.key("Escape", 27)
        browser.until("document.getElementById('error').textContent === 'cancelled'")
        print(f"cancelled in {time.time() - begun:.2f} s")

        browser.type("width", "8192")
        browser.type("height", "8192")
        browser.key("Enter", 13, 2)
        browser.until("document.getElementById('error').textContent.includes('at most')")
        browser.shot("page-error")
        print("an error:", browser.value("document.getElementById('error').textContent"))
    finally:
        browser.process.terminate()
        browser.process.wait()
print("all good")
