/* SPDX-License-Identifier: MIT */
#include "runtime/files/file_kind.h"

#include <string.h>
#include <strings.h>

struct magic {
    const char *bytes;
    size_t      size;
    const char *kind;
};

#define MAGIC(text, kind) { text, sizeof text - 1, kind }

static const struct magic magics[] = {
    MAGIC("PK\003\004", "a PyTorch checkpoint (.ckpt, .pt, .bin: a zip of pickles) or another zip"),
    MAGIC("\x80\x02", "an old PyTorch checkpoint (a bare pickle)"),
    MAGIC("\x80\x03", "a Python pickle"),
    MAGIC("\x80\x04", "a Python pickle"),
    MAGIC("GGUF", "a GGUF file"),
    MAGIC("lmgg", "an old GGML file"),
    MAGIC("tjgg", "an old GGML file"),
    MAGIC("\x89PNG\r\n\x1a\n", "a PNG image"),
    MAGIC("\xff\xd8\xff", "a JPEG image"),
    MAGIC("RIFF", "a RIFF file (WebP, WAV)"),
    MAGIC("\x89HDF\r\n\x1a\n", "an HDF5 file (.h5)"),
    MAGIC("\x93NUMPY", "a NumPy array (.npy)"),
    MAGIC("\x1f\x8b", "a gzip archive"),
    MAGIC("\x28\xb5\x2f\xfd", "a zstd archive"),
    MAGIC("7z\xbc\xaf\x27\x1c", "a 7-zip archive"),
    MAGIC("Rar!", "a RAR archive"),
    MAGIC("\x7f" "ELF", "a program (ELF)"),
    MAGIC("%PDF", "a PDF document"),
    MAGIC("version https://git-lfs", "a git-lfs pointer; the file itself was not downloaded"),
};

/* Texts may have white space or a byte order mark in front, and any case. */
static const struct magic texts[] = {
    MAGIC("<!doctype", "an HTML page, perhaps a failed download"),
    MAGIC("<html", "an HTML page, perhaps a failed download"),
    MAGIC("<?xml", "an XML file, perhaps a failed download"),
    MAGIC("{", "a JSON text"),
    MAGIC("[", "a JSON text"),
};

const char *sdrt_file_kind(const void *bytes, size_t size)
{
    const char *text = bytes;

    if (size == 0) return "an empty file";
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++)
        if (size >= magics[i].size && !memcmp(bytes, magics[i].bytes, magics[i].size))
            return magics[i].kind;
    if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3;
        size -= 3;
    }
    while (size && strchr(" \t\r\n", *text) && *text) {
        text++;
        size--;
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (size >= texts[i].size && !strncasecmp(text, texts[i].bytes, texts[i].size))
            return texts[i].kind;
    return NULL;
}
