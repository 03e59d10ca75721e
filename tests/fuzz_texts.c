/* SPDX-License-Identifier: MIT
 *
 * Three seconds (or as many as the second argument says) of mutated pictures and small texts through all
 * their readers that have no fuzzer of their own, from a seed that is fixed unless the first argument
 * gives another; a third argument names one kind.  Nothing may crash or hang, a refusal is one line, and
 * what is read keeps to its limits.  A seed itself has to be taken, since edits of a refused one stop at
 * the same check.  As a target of libFuzzer SDRT_FUZZ_KIND says which kind it is.
 */
#include <config.h>

#include "bench/shape_text.h"
#include "model/checkpoint/folder_weights.h"
#include "model/lora/tags.h"
#include "model/text/clip_tokenizer.h"
#include "runtime/files/file_hash.h"
#include "runtime/files/npy.h"
#include "runtime/files/picture_file.h"
#include "tests/fuzz.h"
#include "tools/fetch_reply.h"
#include "tools/prompt_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { CAPACITY = 1 << 16 };

static size_t taken; /* inputs that a reader took */
static char folder[64];
static const char *const files[] = {
    "vocab.json", "merges.txt", "x", "hashed", "model.safetensors.index.json", "name.safetensors"
};
enum { FILES = sizeof files / sizeof *files };

static void remove_folder(void)
{
    char path[128];

    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
}

/* A file of these bytes in a folder of its own; its path, one of two. */
static const char *put(const char *name, const void *data, size_t size)
{
    static char paths[2][128];
    static int turn;

    if (!*folder) {
        /* In memory, where there is such a place. */
        snprintf(folder, sizeof folder, "%s/fuzz-texts-XXXXXX",
                 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
        if (!mkdtemp(folder) || atexit(remove_folder)) abort();
    }
    turn ^= 1;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder, name);
    FILE *f = fopen(paths[turn], "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f)) abort();
    return paths[turn];
}

/* A file for others to find; its name in the folder is name.safetensors. */
static void put_weights(void)
{
    static int made;

    if (!made) put("name.safetensors", "", 0);
    made = 1;
}

static int is_within_folder(const char *path)
{
    return !strncmp(path, folder, strlen(folder)) && !strstr(path, "/../");
}

/* A text with a 0 behind it, up to the first; freed by the caller. */
static char *text_of(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (!text) abort();
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* SDRT_OK in silence, or a refusal of one line. */
static int fair(int status)
{
    const int good = status == SDRT_OK ? fuzz_lines == 0 : fuzz_lines == 1;

    taken += status == SDRT_OK;
    fuzz_lines = 0;
    return good;
}

/* ---- kinds ---- */

static int try_pixels(const uint8_t *data, size_t size)
{
    enum { MOST = 1 << 18 };
    static volatile unsigned sum;
    struct sdrt_picture_file p = { 0 };
    const int status = sdrt_picture_file_decode(&p, data, size, MOST, "x", &fuzz_log);
    int good = fair(status) && (status == SDRT_OK) == (p.pixels != NULL);

    if (good && p.pixels) {
        const size_t n = (size_t)p.width * (size_t)p.height;
        good = n && n <= MOST && (p.channels == 3 || p.channels == 4);
        for (size_t i = 0; good && i < n * (size_t)p.channels; i++) sum += p.pixels[i];
        if (p.parameters) sum += (unsigned)strlen(p.parameters);
    }
    sdrt_picture_file_free(&p);
    return good;
}

/* The chunks of a PNG get their right sums, or an edit never comes past them. */
static void mend_sums(uint8_t *png, size_t size)
{
    for (size_t at = 8; at + 12 <= size;) {
        const size_t n = (size_t)png[at] << 24 | (size_t)png[at + 1] << 16 |
                         (size_t)png[at + 2] << 8 | png[at + 3];
        if (n > size - at - 12) return;
        const uLong sum = crc32(0, png + at + 4, (uInt)n + 4);
        for (int i = 0; i < 4; i++) png[at + 8 + n + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
        at += 12 + n;
    }
}

/* A PNG as it is and with right sums. */
static int try_picture(const uint8_t *data, size_t size)
{
    if (!try_pixels(data, size)) return 0;
    if (size < 8 || memcmp(data, "\x89PNG\r\n\x1a\n", 8)) return 1;
    uint8_t *mended = malloc(size);
    if (!mended) abort();
    memcpy(mended, data, size);
    mend_sums(mended, size);
    const int good = try_pixels(mended, size);
    free(mended);
    return good;
}

static int encodes(const struct sdrt_clip_tokenizer *t)
{
    enum { IDS = 64 };
    int32_t ids[IDS];
    int n = 0;
    const int status = sdrt_clip_tokenizer_encode(t, "low LO l <|endoftext|> w!", 0, ids, IDS, &n);

    for (int i = 0; i < n && i < IDS; i++)
        if (ids[i] < 0 || ids[i] >= sdrt_clip_tokenizer_vocab_size(t)) return 0;
    return status == SDRT_OK && n >= 0;
}

/* A vocabulary and, behind a 0, merges. */
static int try_vocab(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    const size_t first = end ? (size_t)(end - data) : size;
    const char *vocab = put("vocab.json", data, first);
    const char *merges = put("merges.txt", end ? end + 1 : data, end ? size - first - 1 : 0);
    struct sdrt_clip_tokenizer *t = NULL;
    const int status = sdrt_clip_tokenizer_open(&t, vocab, merges, &fuzz_log);
    const int good = fair(status) && (!t || encodes(t));

    sdrt_clip_tokenizer_free(&t);
    return good;
}

/* An index never leads out of its folder. */
static int try_index(const uint8_t *data, size_t size)
{
    struct sdrt_folder_weights w = { 0 };

    put_weights();
    put("model.safetensors.index.json", data, size);
    const int status = sdrt_folder_weights_find(&w, folder, sdrt_transformers_weights, "",
                                                &fuzz_log);
    int good = fair(status);
    for (size_t i = 0; good && i < w.n; i++) good = is_within_folder(w.paths[i]);
    sdrt_folder_weights_free(&w);
    return good;
}

static int try_prompts(const uint8_t *data, size_t size)
{
    struct prompt_file p = { 0 };
    const int status = prompt_file_read(&p, put("x", data, size), &fuzz_log);
    int good = fair(status) && (status == SDRT_OK) == (p.n > 0);

    for (int i = 0; good && i < p.n; i++) good = p.lines[i][0] && !strpbrk(p.lines[i], "\r\n");
    prompt_file_free(&p);
    return good;
}

static int is_plain(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127) return 0;
    return 1;
}

static int try_reply(const uint8_t *data, size_t size)
{
    struct fetch_reply r;
    char sha[FETCH_SHA256_TEXT];

    fetch_reply_reset(&r);
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        const size_t n = end ? (size_t)(end - data) - at + 1 : size - at;
        fetch_reply_line(&r, (const char *)data + at, n);
        at += n;
    }
    fetch_hub_sha256(sha, &r);
    taken += *sha != 0;
    return is_plain(r.etag) && is_plain(r.linked_etag) && is_plain(r.error_code) &&
           fetch_reply_total(&r) >= -1 && strlen(sha) < FETCH_SHA256_TEXT;
}

static int try_tags(const uint8_t *data, size_t size)
{
    char *text = text_of(data, size), *plain = NULL;
    struct sdrt_lora_list list = { 0 };

    put_weights();
    int status = sdrt_lora_tags_split(text, folder, &plain, &list, &fuzz_log);
    int good = (status == SDRT_OK || fuzz_lines) && (status == SDRT_OK) == (plain != NULL) &&
               (!plain || strlen(plain) <= strlen(text));

    taken += list.count > 0;
    for (size_t i = 0; good && i < list.count; i++) good = is_within_folder(list.uses[i].path);
    free(plain);
    plain = NULL;
    sdrt_lora_list_clear(&list);
    status = sdrt_lora_tags_split(text, NULL, &plain, NULL, &fuzz_log);
    good = good && (status == SDRT_OK) == (plain != NULL);
    fuzz_lines = 0;
    free(plain);
    free(text);
    return good;
}

static int try_npy(const uint8_t *data, size_t size)
{
    struct sdrt_npy *a = NULL;
    const int status = sdrt_npy_read(&a, put("x", data, size), &fuzz_log);
    const int good = fair(status) && (status == SDRT_OK) == (a != NULL) &&
                     (!a || a->elements * sdrt_dtype_size(a->dtype) <= size);

    sdrt_npy_free(&a);
    return good;
}

/* The path of a file of one byte and the date that the seed has. */
static const char *hashed(void)
{
    static const struct timespec dates[2] = { { 1700000000, 0 }, { 1700000000, 0 } };
    static char *path;

    if (!path) {
        path = realpath(put("hashed", "x", 1), NULL);
        if (!path || utimensat(AT_FDCWD, path, dates, 0)) abort();
    }
    return path;
}

/* A cache of hashes, in which @ stands for the path of a file; what it tells of that is in it. */
static int try_hashes(const uint8_t *data, size_t size)
{
    const char *path = hashed();
    const size_t n = strlen(path);
    char digest[SDRT_SHA256_TEXT] = "", told[SDRT_SHA256_TEXT + 2];
    char *text = malloc(size * n + 1);
    size_t used = 0;

    if (!text) abort();
    for (size_t i = 0; i < size; i++) {
        const int is_path = data[i] == '@';
        memcpy(text + used, is_path ? path : (const char *)data + i, is_path ? n : 1);
        used += is_path ? n : 1;
    }
    const int status = sdrt_file_hash(digest, path, SDRT_FILE_HASH_WHOLE, put("x", text, used), 0,
                                      &fuzz_log);
    free(text);
    const int length = snprintf(told, sizeof told, "%s @", digest);
    const int good = fuzz_lines == 0 &&
                     (status == SDRT_OK ? strlen(digest) == SDRT_SHA256_TEXT - 1 &&
                                              memmem(data, size, told, (size_t)length)
                                        : status == SDRT_E_MISSING);
    taken += status == SDRT_OK;
    fuzz_lines = 0;
    return good;
}

/* What a shape is written as reads as the same. */
static int try_shape(const uint8_t *data, size_t size)
{
    char *text = text_of(data, size), written[2][256];
    struct sdrt_job job = { 0 }, again = { 0 };
    int status = sdrt_shape_read(&job, text, &fuzz_log), good = fair(status);

    if (good && status == SDRT_OK) {
        sdrt_shape_write(&job, written[0], sizeof written[0]);
        status = sdrt_shape_read(&again, written[0], &fuzz_log);
        sdrt_shape_write(&again, written[1], sizeof written[1]);
        good = fair(status) && status == SDRT_OK && !strcmp(written[0], written[1]);
    }
    free(text);
    return good;
}

static const struct kind {
    const char *name;
    int (*run)(const uint8_t *data, size_t size);
    const char *seed; /* a text, or a file below tests/ */
} kinds[] = {
    { "picture", try_picture, "golden/fuzz-seeds/texts.png" },
    { "picture", try_picture, "golden/fuzz-seeds/palette.png" },
#ifdef HAVE_JPEG
    { "picture", try_picture, "golden/fuzz-seeds/turned.jpg" },
#endif
#ifdef HAVE_WEBP
    { "picture", try_picture, "golden/fuzz-seeds/lossy.webp" },
#endif
    { "vocab", try_vocab,
      "{\"<|startoftext|>\":0,\"<|endoftext|>\":1,\"l\":2,\"o\":3,\"w</w>\":4,\"lo\":5}" },
    { "index", try_index,
      "{\"metadata\":{\"total_size\":9},\"weight_map\":{\"a\":\"name.safetensors\","
      "\"b\":\"name.safetensors\"}}" },
    { "prompts", try_prompts, "\xef\xbb\xbf# a comment\na cat\r\n\r\na dog\r" },
    { "reply", try_reply,
      "HTTP/1.1 302 Found\r\nETag: \"abc\"\r\nX-Linked-Etag: "
      "\"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\"\r\n"
      "Content-Length: 12\r\nContent-Range: bytes 1-2/3\r\nX-Linked-Size: 7\r\nRetry-After: 2\r\n"
      "X-Error-Code: GatedRepo\r\n" },
    { "tags", try_tags,
      "a <lora:name:0.8:te=1:unet=0.5:lbw=OUTALL> <lora:name:1:0.5:1,0,0,0,0.5,1,1,1,1,0,-1,2> "
      "<lyco:name> cat" },
    { "npy", try_npy, "golden/fuzz-seeds/array.npy" },
    { "hashes", try_hashes,
      "w 1 1700000000.000000000 "
      "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 @\n" },
    { "shape", try_shape, "conv 2x64x64 320+320>640 k3 s1 silu" },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

#ifdef SDRT_LIBFUZZER
/* Of bench/kernel_jobs.c, which takes devices. */
const char *const sdrt_family_names[SDRT_FAMILIES] = { "attention", "conv",       "gemm",
                                                       "gn_sums",   "gn_fold",    "layer_norm",
                                                       "rms_norm",  "elementwise" };

static int try_kind(const uint8_t *data, size_t size)
{
    for (int i = 0; i < KINDS; i++)
        if (!strcmp(kinds[i].name, SDRT_FUZZ_KIND)) return kinds[i].run(data, size);
    return 0;
}
#endif
FUZZ_TARGET(try_kind(data, size))

/* The seed's bytes; 0 where its file is not there. */
static size_t load_seed(const struct kind *k, char *out)
{
    const char *tests = getenv("SDRT_TESTDATA");
    char path[1024];
    size_t n = strlen(k->seed);

    if (strncmp(k->seed, "golden/", 7)) {
        memcpy(out, k->seed, n);
        return n;
    }
    snprintf(path, sizeof path, "%s/%s", tests ? tests : "tests", k->seed);
    FILE *f = fopen(path, "rb");
    n = f ? fread(out, 1, CAPACITY / 2, f) : 0;
    if (f) fclose(f);
    return n;
}

int main(int argc, char **argv)
{
    static char seed[CAPACITY], text[CAPACITY];
    const double seconds = argc > 2 ? strtod(argv[2], NULL) : 3.0;
    int bad = 0;

    fuzz_state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    for (int i = 0; i < KINDS; i++) {
        if (argc > 3 && strcmp(argv[3], kinds[i].name)) continue;
        const double end = sdrt_now() + (argc > 3 ? seconds : seconds / KINDS);
        const size_t size = load_seed(&kinds[i], seed);
        size_t rounds = 0;
        int good = size > 0;

        taken = 0;
        while (good && sdrt_now() < end) {
            memcpy(text, seed, size);
            const size_t n = rounds ? fuzz_mutate(text, size, CAPACITY) : size;
            good = kinds[i].run((const uint8_t *)text, n) && taken;
            rounds++;
        }
        good = good && taken;
        printf("fuzz_texts: %s: %zu inputs, %zu taken: %s\n", kinds[i].name, rounds, taken,
               good ? "good" : "WRONG");
        bad += !good;
    }
    return bad != 0;
}
