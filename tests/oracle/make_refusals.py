# SPDX-License-Identifier: MIT
"""Write tests/golden/refusals.txt: things that are no models but are given as such, one a line: what
it is, how the refusal begins behind the file's name, and the file's bytes (its first ones, where
more do not matter).  Needs nothing but Python.

    python make_refusals.py > tests/golden/refusals.txt
"""
import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import sqlite3
import struct
import tarfile
import tempfile
import zipfile
import zlib


def png():
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(b"\0\0\0\0")) + chunk(b"IEND", b""))


def packed(files, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for name, data in files.items():
            z.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def shown(text):
    return text if len(text) <= 100 else text[:100] + " ..."


def tar():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        t.addfile(tarfile.TarInfo("model.safetensors"))
    return out.getvalue()[:512]


def sqlite():
    with tempfile.TemporaryDirectory() as folder:
        db = sqlite3.connect(f"{folder}/x.db")
        db.execute("create table a (b)")
        db.commit()
        db.close()
        return open(f"{folder}/x.db", "rb").read(100)


def protobuf(field, data):
    return bytes([field << 3 | 2, len(data)]) + data


class Runs:
    def __reduce__(self):
        return os.system, ("echo this was run",)


header = b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
runs = pickle.dumps({"a": Runs()}, protocol=2)
script = packed({"m/data.pkl": pickle.dumps(None, 2), "m/constants.pkl": b".", "m/code/a.py": b""})
SEEMS = "seems to be "
GATED = ("Access to model stabilityai/stable-diffusion-3.5-large is restricted. You must have access to "
         "it and be authenticated to access it. Please log in.")
ANSWER = ('{"error":"Unauthorized","message":"The creator of this asset requires you to be logged in to '
          'download it"}')
INDEX = json.dumps({"metadata": {"total_size": 1}, "weight_map": {
    "a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}})
ROWS = [
    ("a picture", SEEMS + "a PNG image;", png()),
    ("a photo", SEEMS + "a JPEG image;", b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"),
    ("a picture that moves", SEEMS + "a GIF image;", b"GIF89a\1\0\1\0\0\0\0;"),
    ("a preview from a model site", SEEMS + "a WebP image;", b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0/\0"),
    ("a preview that moves", SEEMS + "a video (.mp4);", b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41"),
    ("the page of a file", SEEMS + "an HTML page, perhaps a failed download;",
     b"<!doctype html>\n<html class=\"\">\n<head><title>v1-5.safetensors</title>"),
    ("a gated model without a token", SEEMS + f"a text: {shown(GATED)};", GATED.encode()),
    ("a file that the hub does not have", SEEMS + "a text: Entry not found;", b"Entry not found"),
    ("a wrong token", SEEMS + "a text: Invalid username or password.;", b"Invalid username or password."),
    ("an answer of a web service", SEEMS + f"a JSON text: {shown(ANSWER)};", ANSWER.encode()),
    ("an answer of several lines", SEEMS + 'a JSON text: {   "error": "Not found" };',
     b'{\n  "error": "Not found"\n}\n'),
    ("a bucket's refusal", SEEMS + "an XML file, perhaps a failed download;",
     b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'),
    ("a clone without git-lfs", SEEMS + "a git-lfs pointer; the file itself was not downloaded;",
     b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4265146304\n"),
    ("an index of shards", SEEMS + f"a JSON text: {shown(INDEX)};", INDEX.encode()),
    ("a torrent", SEEMS + "a torrent; the file itself was not downloaded;",
     b"d8:announce33:udp://tracker.example.org:1337/ann13:creation datei1e4:infod6:lengthi1eee"),
    ("an ONNX model", SEEMS + "an ONNX model;",
     b"\x08\x08" + protobuf(2, b"pytorch") + protobuf(3, b"2.1.0") + protobuf(7, b"\x0a\0")),
    ("weights for Flax", SEEMS + "weights of Flax (MessagePack);",
     b"\x83\xa7conv_in\x82\xa4bias\xc7\x1d\1\x93\x91\4\xa7float32\xc4\x10" + b"\0" * 16),
    ("weights for Keras", SEEMS + "an HDF5 file (.h5), as Keras and TensorFlow write them;",
     b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0"),
    ("a model for phones", SEEMS + "a TensorFlow Lite model;", b"\x1c\0\0\0TFL3\x14\0\x20\0\4\0\x08\0"),
    ("weights of an old llama.cpp", SEEMS + "an old GGML file;", b"lmgg\0\x7d\0\0\0\x10\0\0\0\1\0\0"),
    ("a NumPy array", SEEMS + "a NumPy array (.npy);",
     b"\x93NUMPY\1\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }"),
    ("NumPy arrays", SEEMS + "an archive of NumPy arrays (.npz), a.npy first", packed({"a.npy": b"x"})),
    ("a database", SEEMS + "an SQLite database;", sqlite()),
    ("a packed model", SEEMS + "a zip archive of 2 files, sd15/model.safetensors first: unpack it",
     packed({"sd15/model.safetensors": b"x", "sd15/readme.txt": b"y"}, zipfile.ZIP_DEFLATED)),
    ("a packed file", SEEMS + "a gzip archive;", gzip.compress(b"a model", mtime=0)),
    ("a packed file, bzip2", SEEMS + "a bzip2 archive;", bz2.compress(b"a model")),
    ("a packed file, xz", SEEMS + "an xz archive;", lzma.compress(b"a model")),
    ("a packed file, zstd", SEEMS + "a zstd archive;", b"\x28\xb5\x2f\xfd\x20\7\x39\0\0a model"),
    ("a 7-zip archive", SEEMS + "a 7-zip archive;", b"7z\xbc\xaf\x27\x1c\0\4" + b"\0" * 24),
    ("a RAR archive", SEEMS + "a RAR archive;", b"Rar!\x1a\7\1\0"),
    ("a tar archive", SEEMS + "a tar archive, model.safetensors first: unpack it", tar()),
    ("a program", SEEMS + "a program (ELF);", b"\x7fELF\2\1\1" + b"\0" * 9 + b"\2\0\x3e\0\1\0\0\0"),
    ("a program of Windows", SEEMS + "a program or library of Windows;", b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff"),
    ("a paper", SEEMS + "a PDF document;", b"%PDF-1.5\n%\xd0\xd4\xc5\xd8\n1 0 obj\n"),
    ("what macOS leaves beside a file", SEEMS + "what macOS keeps beside a file (._NAME); the file is "
     "the one without ._;", b"\0\5\x16\7\0\2\0\0Mac OS X        " + b"\0" * 64),
    ("a download that made room only", SEEMS + "zeros, perhaps of a download that was cut off;",
     b"\0" * 512),
    ("a file of no bytes", "is empty, ", b""),
    ("notes of Windows", SEEMS + "a text in UTF-16;", "sd 1.5".encode("utf-16")),
    ("a prompt", SEEMS + "a text: eine Katze, größer als \u732b;",
     "\ufeffeine Katze, größer als \u732b\n".encode()),
    ("a script", SEEMS + "a script;", b"#!/bin/sh\nexec sdgen\n"),
    ("a safetensors file that was cut off", "truncated: a ends at byte 16 of the data, the file has 7",
     struct.pack("<Q", len(header)) + header + b"\0" * 7),
    ("a PyTorch file that was cut off", "truncated: a zip archive (of PyTorch or others) whose end, with "
     "its directory, is missing", packed({"archive/data.pkl": b"\x80\2}q\0."})[:60]),
    ("a pickle that runs a program", "its pickle asks for posix.system of Python, which no weights need: "
     "nothing of it was run", runs),
    ("the same as PyTorch packs it", "its pickle asks for posix.system of Python, which no weights need: "
     "nothing of it was run", packed({"archive/data.pkl": runs, "archive/version": b"3\n"})),
    ("a TorchScript program", "is a TorchScript program, which is code: expected a state_dict", script),
    ("a training's other state", "is a Python pickle without tensors", pickle.dumps({"lr": 0.1}, 2)),
    ("a part of a file", "is of no kind that is known: it begins with the bytes 9a 3c 11 bd 02 e1 77 be;",
     bytes.fromhex("9a3c11bd02e177be91d40c3d55aa01be")),
]
for name, text, data in ROWS:
    print(f"{name}\t{text}\t{data.hex()}")
