/* SPDX-License-Identifier: MIT
 *
 * Two seconds of random and mutated GGUF files, from a seed that is fixed unless the first argument
 * gives another; with a second argument, the file of that name once, for a fuzzer that brings its
 * own.  Nothing may crash, a refusal must be one line, memory stays below 16 times the file's size,
 * and in a file that is taken every tensor must lie inside it and apart from the others.  Best run
 * under the sanitizers.  After an empty second argument, a third is how many seconds it runs.
 */
#include "bench/allocations.h"
#include "runtime/files/tensor_files.h"
#include "runtime/weights/weights.h"
#include "tests/fuzz.h"
#include "tests/gguf_files.h"

#include <stdio.h>
#include <unistd.h>

#ifdef SDRT_LIBFUZZER /* which bounds memory itself */
#define sdrt_allocations_bytes() ((size_t)0)
#endif

enum { FIXED = 4096 }; /* bytes of memory that a file of no size takes too */

static const double seconds = 2.0;

/* An alignment, the shape that tensor ta had, perhaps wrong, and values of any type. */
static void put_values(struct gguf_bytes *g, uint32_t n, uint32_t shape)
{
    static const uint8_t sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

    for (uint32_t i = 0; i < n; i++) {
        const char key[] = { 'k', (char)('a' + i), 0 };
        const uint32_t type = fuzz_below(13);
        gguf_key(g,
                 !i       ? "general.alignment"
                 : i == 1 ? "comfy.gguf.orig_shape.ta"
                          : key,
                 !i       ? 4
                 : i == 1 ? 9
                          : type);
        if (!i) {
            gguf_u32(g, 8u << fuzz_below(3));
        } else if (i == 1) {
            gguf_u32(g, 5);
            gguf_u64(g, 2);
            gguf_u32(g, shape);
            gguf_u32(g, 2);
        } else if (type == 9) {
            gguf_u32(g, 8);
            gguf_u64(g, 2);
            gguf_text(g, "one");
            gguf_text(g, "");
        } else if (type == 8) {
            gguf_text(g, "text");
        } else {
            gguf_put(g, "01234567", sizes[type]);
        }
    }
}

/* A valid file of up to four tensors, the first of 2 rows of 256 or 512 values. */
static void make_file(struct gguf_bytes *g)
{
    static const struct {
        uint32_t type, values, bytes;
    } types[] = {
        { 12, 256, 144 }, { 0, 1, 4 }, { 1, 1, 2 }, { 8, 32, 34 }, { 16, 256, 66 }, { 24, 1, 1 },
    };
    const uint32_t tensors = fuzz_below(5), values = fuzz_below(6), wide = 1 + fuzz_below(2);
    uint64_t at = 0;

    gguf_start(g, 2 + fuzz_below(2), tensors, values);
    put_values(g, values, 256 * wide);
    for (uint32_t i = 0; i < tensors; i++) {
        const uint32_t t = i ? fuzz_below(6) : 0, columns = i ? 1 + fuzz_below(2) : wide;
        const uint64_t rows = i ? fuzz_below(3) : 2;
        const char name[] = { 't', (char)('a' + i), 0 };
        gguf_tensor(g, name, 2, (uint64_t[]){ rows, types[t].values * columns }, types[t].type, at);
        at += (rows * columns * types[t].bytes + 31) / 32 * 32;
    }
    gguf_data(g, 32, at);
}

/* Numbers that parsers stumble over, over eight bytes somewhere. */
static void spoil(struct gguf_bytes *g)
{
    static const uint64_t numbers[] = { 0,
                                        1,
                                        31,
                                        255,
                                        4096,
                                        UINT32_MAX,
                                        (uint64_t)1 << 32,
                                        (uint64_t)1 << 60,
                                        ((uint64_t)1 << 61) + 1,
                                        INT64_MAX,
                                        (uint64_t)1 << 63,
                                        UINT64_MAX - 7,
                                        UINT64_MAX };
    const uint64_t number = numbers[fuzz_below(sizeof numbers / sizeof *numbers)];
    const size_t size = fuzz_below(2) ? 8 : 4;

    if (g->n > 24 + size)
        memcpy(g->b + (fuzz_below(4) ? 24 : 4) + fuzz_below((uint32_t)(g->n - 24 - size)), &number,
               size);
}

static int are_apart(const struct sdrt_tensor_file *f)
{
    for (size_t i = 0; i < sdrt_tensor_file_count(f); i++)
        for (size_t j = 0; j < i; j++) {
            const struct sdrt_file_tensor *t = sdrt_tensor_file_at(f, i);
            const struct sdrt_file_tensor *u = sdrt_tensor_file_at(f, j);
            const char *p = t->data, *q = u->data;
            if (t->bytes && u->bytes && p < q + u->bytes && q < p + t->bytes) return 0;
            if (!strcmp(t->name, u->name)) return 0;
        }
    return 1;
}

/* Reads all that is stored, where the sanitizers see a byte too far. */
static int read_all(const char *path)
{
    struct sdrt_weight_files *set;
    struct sdrt_weight_view view;
    int good;

    if (sdrt_weight_files_create(&set, &fuzz_log) != SDRT_OK) return 0;
    const int added = sdrt_weight_files_add(set, path, "", "", SDRT_DUPLICATES_FAIL);
    /* Scales of weights that are not there are told. */
    good = added == SDRT_OK || (added == SDRT_E_UNSUPPORTED && fuzz_lines == 1);
    const struct sdrt_weights_provider weights = sdrt_weight_files_provider(set);
    for (size_t i = 0; i < sdrt_weight_files_count(set); i++) {
        const char *name = sdrt_weight_files_name(set, i);
        const int status = weights.get(weights.self, name, -1, NULL, &view);
        if (status == SDRT_OK) weights.release(weights.self, name);
        else if (status != SDRT_E_UNSUPPORTED && status != SDRT_E_FORMAT)
            good = 0; /* of no values */
    }
    sdrt_weight_files_free(&set);
    return good;
}

static int try_file(const char *path, size_t size, int valid, size_t *taken)
{
    const size_t before = sdrt_allocations_bytes();
    struct sdrt_tensor_file *file;

    fuzz_lines = 0;
    const int status = sdrt_tensor_file_open(&file, path, &fuzz_log);
    int good = sdrt_allocations_bytes() - before <= 16 * size + FIXED;
    if (status != SDRT_OK) return good && !valid && !file && fuzz_lines == 1;
    ++*taken;
    good = good && fuzz_lines == 0 && are_apart(file);
    sdrt_tensor_file_close(&file);
    return good && read_all(path);
}

static int try_one(const char *path)
{
    FILE *f = fopen(path, "rb");
    size_t taken = 0;

    if (!f || fseek(f, 0, SEEK_END)) return 0;
    const long size = ftell(f);
    fclose(f);
    return size > 0 && try_file(path, (size_t)size, 0, &taken);
}

FUZZ_TARGET(!size || try_file(fuzz_file(data, size), size, 0, &fuzz_taken))

int main(int argc, char **argv)
{
    const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    const char *folder = getenv("TMPDIR");
    const double end = sdrt_now() + (argc > 3 ? strtod(argv[3], NULL) : seconds);
    static struct gguf_bytes g;
    size_t rounds = 0, taken = 0;
    char path[512];
    int good = 1;

    if (argc > 2 && *argv[2]) return !try_one(argv[2]);
    if (!folder) folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(path, sizeof path, "%s/sdrt-fuzz-XXXXXX", folder);
    const int fd = mkstemp(path);
    if (fd < 0) {
        fprintf(stderr, "fuzz_gguf: cannot make %s\n", path);
        return 1;
    }
    fuzz_state = seed;
    while (good && sdrt_now() < end) {
        const int valid = fuzz_below(4) == 0;
        make_file(&g);
        for (uint32_t n = valid ? 0 : 1 + fuzz_below(4); n > 0; n--) spoil(&g);
        if (!valid && fuzz_below(4) == 0) g.n = fuzz_mutate((char *)g.b, g.n, GGUF_MAX);
        good = !ftruncate(fd, 0) && pwrite(fd, g.b, g.n, 0) == (ssize_t)g.n &&
               (!g.n || try_file(path, g.n, valid, &taken));
        rounds++;
    }
    unlink(path);
    close(fd);
    printf("fuzz_gguf: seed %llu, %zu files, %zu taken: %s\n", (unsigned long long)seed, rounds,
           taken, good ? "good" : "WRONG in the last one");
    return !good;
}
