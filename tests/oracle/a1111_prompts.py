# SPDX-License-Identifier: MIT
"""How two programs read prompts, as rules of our own writing: AUTOMATIC1111's web UI 1.10 (its
prompt_parser, sd_hijack_clip and sd_emphasis) and ComfyUI (its sd1_clip).

weights(text)              A1111: [(text, weight)], BREAK as ("BREAK", -1.0)
parts(prompt)              A1111: [(text, weight)] that AND joins
stretches(text, steps)     A1111: [(last step, text)]
chunks(pairs, ...)         A1111: [(ids, weights)], each with both ends and the padding
comfy_weights, comfy_chunks  the same of ComfyUI
emphasize(z, weights)      A1111's way to apply weights to [texts, tokens, width]
comfy_emphasize(z, weights, empty)
"""
import re

import torch

CHUNK = 75
BACKTRACK = 20

# ---- A1111: weights ----

TOKEN = re.compile(r"\\[()\[\]\\]|\\|[()\[\]]|:\s*(?P<w>[+-]?[.\d]+)\s*\)|[^\\()\[\]:]+|:")
BREAK = re.compile(r"\s*\bBREAK\b\s*")


def weights(text):
    """Brackets are a stack of where they began; closing one multiplies all pieces since then."""
    pieces, opened = [], {"(": [], "[": []}

    def scale(first, factor):
        for piece in pieces[first:]:
            piece[1] *= factor

    for match in TOKEN.finditer(text):
        token, number = match.group(0), match.group("w")
        if token[0] == "\\":
            pieces.append([token[1:], 1.0])
        elif token in opened:
            opened[token].append(len(pieces))
        elif number is not None and opened["("]:
            scale(opened["("].pop(), float(number))
        elif token == ")" and opened["("]:
            scale(opened["("].pop(), 1.1)
        elif token == "]" and opened["["]:
            scale(opened["["].pop(), 1 / 1.1)
        else:
            for i, part in enumerate(BREAK.split(token)):
                pieces += [["BREAK", -1.0]] if i else []
                pieces.append([part, 1.0])
    for first in opened["("]:
        scale(first, 1.1)
    for first in opened["["]:
        scale(first, 1 / 1.1)
    merged = []
    for piece in pieces or [["", 1.0]]:
        if merged and merged[-1][1] == piece[1]:
            merged[-1][0] += piece[0]
        else:
            merged.append(piece)
    return [tuple(piece) for piece in merged]


# ---- A1111: AND, scheduling, alternation ----

PART = re.compile(r"^((?:\s|.)*?)(?:\s*:\s*([-+]?(?:\d+\.?|\d*\.\d+)))?\s*$")
NUMBER = re.compile(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*")


def parts(prompt):
    out = []
    for part in re.split(r"\bAND\b", prompt):
        text, weight = PART.match(part).groups()
        out.append((text, 1.0 if weight is None else float(weight)))
    return out


class Node:
    """A pair of brackets: kind, and what is in it, a list of texts and nodes for each piece."""

    def __init__(self, kind, pieces, number=None, shown=""):
        self.kind, self.pieces, self.number, self.shown = kind, pieces, number, shown


class Reader:
    def __init__(self, text):
        self.text = text

    def within(self, i):
        """Texts and nodes from i on, up to what cannot go on within brackets: (items, end)."""
        items = []
        while i < len(self.text):
            c = self.text[i]
            if c in "([":
                node, end = self.bracket(i)
                if node is None:
                    break
                items.append(node)
                i = end
            elif c in ")]:|":
                break
            elif c == "\\":
                if i + 1 == len(self.text) or self.text[i + 1] == "\n":
                    break
                items.append(self.text[i:i + 2])
                i += 2
            else:
                items.append(c)
                i += 1
        return items, i

    def bracket(self, i):
        """The node that a bracket at i opens, and where it ends; None where it is only text."""
        opening, pieces, between, spans = self.text[i], [], "", []
        i += 1
        while True:
            items, end = self.within(i)
            pieces.append(items)
            spans.append(self.text[i:end])
            i = end
            if i == len(self.text) or self.text[i] not in ":|":
                break
            between += self.text[i]
            i += 1
        if i == len(self.text) or self.text[i] != {"(": ")", "[": "]"}[opening]:
            return None, 0
        i += 1
        if opening == "(" and between in ("", ":"):
            inner = pieces[0] + [":"] + pieces[1] if between else pieces[0]
            return Node("plain", [["("] + inner + [")"]]), i
        if opening == "(":
            return None, 0
        if between == "":
            return Node("plain", [["["] + pieces[0] + ["]"]]), i
        if set(between) == {"|"}:
            return Node("alternate", pieces), i
        if between in (":", "::") and NUMBER.fullmatch(spans[-1]):
            before = pieces[0] if between == "::" else []
            return Node("scheduled", [before, pieces[-2]], NUMBER.fullmatch(spans[-1]).group(1)), i
        return None, 0

    def whole(self):
        """All of the text; None where the grammar does not take it."""
        items, i = [], 0
        while i < len(self.text):
            more, end = self.within(i)
            items += more
            i = end
            if i < len(self.text):
                if self.text[i] not in "()[]:":
                    return None
                items.append(self.text[i])
                i += 1
        return items


def step_of(number, steps):
    value = float(number)
    return min(steps, int(value * steps if "." in number else value))


def changes(items, steps):
    out = set()
    for item in items:
        if isinstance(item, Node):
            if item.kind == "alternate":
                out |= set(range(1, steps + 1))
            if item.kind == "scheduled" and step_of(item.number, steps) >= 1:
                out.add(step_of(item.number, steps))
            for piece in item.pieces:
                out |= changes(piece, steps)
    return out


def at_step(items, step, steps):
    out = ""
    for item in items:
        if not isinstance(item, Node):
            out += item
        elif item.kind == "plain":
            out += at_step(item.pieces[0], step, steps)
        elif item.kind == "alternate":
            out += at_step(item.pieces[(step - 1) % len(item.pieces)], step, steps)
        else:
            out += at_step(item.pieces[step > step_of(item.number, steps)], step, steps)
    return out


def stretches(text, steps):
    items = Reader(text).whole()
    if items is None:
        return [(steps, text)]
    return [(t, at_step(items, t, steps)) for t in sorted(changes(items, steps) | {steps})]


def text_index(lasts, evaluation):
    """Which stretch holds in an evaluation, counted from 0."""
    for i, last in enumerate(lasts):
        if evaluation <= last:
            return i
    return len(lasts) - 1


# ---- A1111: chunks ----

def padded(tokens, multipliers, begin, end, pad):
    """One chunk with its ends; behind the first end token stands the padding."""
    lacking = CHUNK - len(tokens)
    ids = [begin] + tokens + [end] * (lacking + 1)
    first = ids.index(end)
    return ids[:first + 1] + [pad] * (CHUNK + 1 - first), [1.0] + multipliers + [1.0] * (lacking + 1)


def chunks(pairs, encode, begin, end, pad):
    comma = encode(",")[0]
    out, now, weight_of, last_comma = [], [], [], None

    def finish():
        nonlocal now, weight_of, last_comma
        out.append(padded(now, weight_of, begin, end, pad))
        now, weight_of, last_comma = [], [], None

    for text, weight in pairs:
        if text == "BREAK" and weight == -1:
            finish()
            continue
        for token in encode(text):
            full = len(now) == CHUNK
            if token == comma:
                last_comma = len(now)
            elif full and last_comma is not None and len(now) - last_comma <= BACKTRACK:
                cut = last_comma + 1
                rest, rest_weights = now[cut:], weight_of[cut:]
                now, weight_of = now[:cut], weight_of[:cut]
                finish()
                now, weight_of = rest, rest_weights
            if len(now) == CHUNK:
                finish()
            now.append(token)
            weight_of.append(weight)
    if now or not out:
        finish()
    return out


def emphasize(z, multipliers):
    """The means in double: near 0, those of float32 are mostly rounding."""
    mean = z.double().mean()
    z = z * multipliers[..., None]
    return z * (mean / z.double().mean()).float()


# ---- ComfyUI ----

def comfy_weights(text, weight=1.0, top=True):
    if top:
        text = text.replace("\\)", "\1").replace("\\(", "\2")
    items, now, depth = [], "", 0
    for c in text:
        if c == "(" and depth == 0 and now:
            items.append(now)
            now = ""
        now += c
        depth += {"(": 1, ")": -1}.get(c, 0)
        if c == ")" and depth == 0:
            items.append(now)
            now = ""
    out = []
    for item in items + ([now] if now else []):
        if len(item) < 2 or item[0] != "(" or item[-1] != ")":
            out.append((item.replace("\1", ")").replace("\2", "("), weight))
            continue
        inner, own, colon = item[1:-1], weight * 1.1, item[1:-1].rfind(":")
        if colon > 0:
            try:
                own = float(inner[colon + 1:])
                inner = inner[:colon]
            except ValueError:
                pass
        out += comfy_weights(inner, own, False)
    return out


def comfy_chunks(pairs, encode, begin, end, pad):
    words = []
    for text, weight in pairs:
        for word in text.replace("\n", " ").split(" "):
            if word:
                words.append([(token, weight) for token in encode(word)])
    batches = [[]]
    for word in words:
        large = len(word) >= 8
        while word:
            room = CHUNK - len(batches[-1])
            if len(word) <= room:
                batches[-1] += word
                break
            if large:
                batches[-1] += word[:room]
                word = word[room:]
            batches.append([])
    return [padded([t for t, _ in b], [w for _, w in b], begin, end, pad) for b in batches]


def comfy_emphasize(z, multipliers, empty):
    w = multipliers[..., None]
    return torch.where(w == 1.0, z, (z - empty) * w + empty)
