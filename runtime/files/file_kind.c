/* SPDX-License-Identifier: MIT */
#include "runtime/files/file_kind.h"

#include "runtime/base/printable.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct magic {
    const char *bytes;
    size_t      size;
    const char *kind;
    size_t      at; /* where in the file */
};

#define MAGIC(text, kind) { text, sizeof text - 1, kind, 0 }
#define MAGIC_AT(at, text, kind) { text, sizeof text - 1, kind, at }

static const struct magic magics[] = {
    MAGIC("PK\003\004", "a zip archive"),
    MAGIC("PK\005\006", "an empty zip archive"),
    MAGIC("\x80\x02", "a Python pickle"),
    MAGIC("\x80\x03", "a Python pickle"),
    MAGIC("\x80\x04", "a Python pickle"),
    MAGIC("\x80\x05", "a Python pickle"),
    MAGIC("(dp", "a Python pickle of protocol 0"),
    MAGIC("(lp", "a Python pickle of protocol 0"),
    MAGIC("ccopy_reg\n", "a Python pickle of protocol 0"),
    MAGIC("lmgg", "an old GGML file"),
    MAGIC("tjgg", "an old GGML file"),
    MAGIC("fmgg", "an old GGML file"),
    MAGIC("\x89PNG\r\n\x1a\n", "a PNG image"),
    MAGIC("\xff\xd8\xff", "a JPEG image"),
    MAGIC("GIF8", "a GIF image"),
    MAGIC("II*\0", "a TIFF image"),
    MAGIC("MM\0*", "a TIFF image"),
    MAGIC("8BPS", "a Photoshop picture (.psd)"),
    MAGIC_AT(8, "WEBP", "a WebP image"),
    MAGIC_AT(4, "ftypavif", "an AVIF image"),
    MAGIC_AT(4, "ftyp", "a video (.mp4)"),
    MAGIC("\x1a\x45\xdf\xa3", "a video (.mkv, .webm)"),
    MAGIC("RIFF", "a RIFF file (AVI, WAV)"),
    MAGIC("\x89HDF\r\n\x1a\n", "an HDF5 file (.h5), as Keras and TensorFlow write them"),
    MAGIC("\x93NUMPY", "a NumPy array (.npy)"),
    MAGIC("SQLite format 3\0", "an SQLite database"),
    MAGIC("\0\x05\x16\x07", "what macOS keeps beside a file (._NAME); the file is the one without ._"),
    MAGIC_AT(4, "TFL3", "a TensorFlow Lite model"),
    MAGIC("ptrt", "a TensorRT engine"),
    MAGIC("ftrt", "a TensorRT engine"),
    MAGIC("PAR1", "a Parquet table"),
    MAGIC("d8:announce", "a torrent; the file itself was not downloaded"),
    MAGIC("d10:created by", "a torrent; the file itself was not downloaded"),
    MAGIC("\x1f\x8b", "a gzip archive"),
    MAGIC("BZh", "a bzip2 archive"),
    MAGIC("\xfd" "7zXZ\0", "an xz archive"),
    MAGIC("\x28\xb5\x2f\xfd", "a zstd archive"),
    MAGIC("\x04\x22\x4d\x18", "an lz4 archive"),
    MAGIC("7z\xbc\xaf\x27\x1c", "a 7-zip archive"),
    MAGIC("Rar!", "a RAR archive"),
    MAGIC("\x7f" "ELF", "a program (ELF)"),
    MAGIC("MZ", "a program or library of Windows"),
    MAGIC("\xcf\xfa\xed\xfe", "a program of macOS"),
    MAGIC("\xca\xfe\xba\xbe", "a program of macOS or of Java"),
    MAGIC("%PDF", "a PDF document"),
    MAGIC("#!", "a script"),
    MAGIC("\xff\xfe", "a text in UTF-16"),
    MAGIC("\xfe\xff", "a text in UTF-16"),
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

static int printable(unsigned char c) { return c >= 0x20 && c < 0x7f; }

/* A protobuf that begins with a small version and the name of what wrote it
 * (onnx/onnx.proto: ir_version, producer_name). */
static int is_onnx(const unsigned char *b, size_t size)
{
    return size > 8 && b[0] == 8 && b[1] && b[1] < 32 && b[2] == 0x12 && b[3] >= 2 && b[3] < 60 &&
           printable(b[4]) && printable(b[5]);
}

/* A map of MessagePack whose first key is a short text, as Flax writes it. */
static int is_flax(const unsigned char *b, size_t size)
{
    const size_t key = size && b[0] == 0xde ? 3 : 1;

    if (size < 8 || (key == 1 && (b[0] & 0xf0) != 0x80)) return 0;
    return b[0] != 0x80 && (b[key] & 0xe0) == 0xa0 && (b[key] & 0x1f) >= 2 &&
           printable(b[key + 1]) && printable(b[key + 2]);
}

static int is_zeros(const char *bytes, size_t size)
{
    const size_t n = size < SDRT_FILE_KIND_DESCRIBED ? size : SDRT_FILE_KIND_DESCRIBED;

    return n >= 16 && !*bytes && !memcmp(bytes, bytes + 1, n - 1);
}

/* Moves behind a byte order mark and white space. */
static const char *skip_front(const char *text, size_t *size)
{
    if (*size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3;
        *size -= 3;
    }
    while (*size && *text && strchr(" \t\r\n", *text)) {
        text++;
        --*size;
    }
    return text;
}

const char *sdrt_file_kind(const void *bytes, size_t size)
{
    const char *text = bytes;

    if (size == 0) return "an empty file";
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
        const struct magic *m = &magics[i];
        if (size >= m->at + m->size && !memcmp(text + m->at, m->bytes, m->size)) return m->kind;
    }
    if (size >= 262 && !memcmp(text + 257, "ustar", 5)) return "a tar archive";
    if (is_onnx(bytes, size)) return "an ONNX model";
    if (is_flax(bytes, size)) return "weights of Flax (MessagePack)";
    if (is_zeros(bytes, size)) return "zeros, perhaps of a download that was cut off";
    text = skip_front(text, &size);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (size >= texts[i].size && !strncasecmp(text, texts[i].bytes, texts[i].size))
            return texts[i].kind;
    return NULL;
}

int sdrt_file_describe(char out[SDRT_FILE_KIND_ROOM], const void *bytes, size_t size)
{
    enum { SHOWN = 100 };
    const char *kind = sdrt_file_kind(bytes, size), *text;
    const int json = kind && !strcmp(kind, "a JSON text");
    size_t n = size < SDRT_FILE_KIND_DESCRIBED ? size : SDRT_FILE_KIND_DESCRIBED;

    *out = 0;
    if (kind && !json) return snprintf(out, SDRT_FILE_KIND_ROOM, "%s", kind) > 0;
    if (!sdrt_text_is_plain(bytes, n)) return 0;
    text = skip_front(bytes, &n);
    const size_t shown = n < SHOWN ? n : SHOWN;
    int used = snprintf(out, SDRT_FILE_KIND_ROOM, "%s: ", json ? "a JSON text" : "a text");
    for (size_t i = 0; i < shown && (json || text[i] != '\n'); i++)
        out[used++] = (char)(strchr("\t\r\n", text[i]) ? ' ' : text[i]);
    while (out[used - 1] == ' ') used--;
    snprintf(out + used, SDRT_FILE_KIND_ROOM - (size_t)used, "%s", n > SHOWN ? " ..." : "");
    return 1;
}
