/* SPDX-License-Identifier: MIT
 *
 * Two seconds of random and mutated pickled files, in all forms of PyTorch, from a seed that is
 * fixed unless the first argument gives another; with a second argument, the file of that name
 * once, for a fuzzer that brings its own.  Nothing may crash, a refusal must be one line, memory
 * stays below 16 times the file's size, and the tensors of a file that is taken are all readable.
 * Best run under the sanitizers.  After an empty second argument, a third is how many seconds it
 * runs.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem() */
#endif
#include "bench/allocations.h"
#include "runtime/files/tensor_files.h"
#include "tests/fuzz.h"
#include "tests/pickle_files.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#ifdef SDRT_LIBFUZZER /* which bounds memory itself */
#define sdrt_allocations_bytes() ((size_t)0)
#endif

enum {
    FIXED = 4096, /* bytes of memory that a file of no size takes too */
    ROOM = 16384,
    STORAGE = 96 /* bytes, of each storage */
};

static const double seconds = 2.0;

/* A pickle that is being written. */
struct text {
    char bytes[ROOM];
    size_t n;
    uint32_t memo; /* places that were put */
    int tensors;   /* how many it will be read as */
};

static const struct {
    const char *storage;
    uint32_t bytes;
} types[] = { { "Float", 4 }, { "Half", 2 }, { "Double", 8 }, { "Byte", 1 }, { "BFloat16", 2 } };

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    t->n += (size_t)vsnprintf(t->bytes + t->n, ROOM - t->n, format, args);
    va_end(args);
    if (t->n > ROOM - 512) t->n = ROOM - 512; /* never reached by what make_object() writes */
}

static void put_byte(struct text *t, int byte) { t->bytes[t->n++] = (char)byte; }

/* A number below 256 in one of its forms. */
static void put_number(struct text *t, uint32_t n)
{
    switch (fuzz_below(5)) {
    case 0: put(t, "I%u\n", n); break;
    case 1: put(t, "L%uL\n", n); break;
    case 2:
        put_byte(t, 'M');
        put_byte(t, (int)n);
        put_byte(t, 0);
        break;
    case 3:
        put_byte(t, 0x8a);
        put_byte(t, 2);
        put_byte(t, (int)n);
        put_byte(t, 0);
        break;
    default: put_byte(t, 'K'); put_byte(t, (int)n);
    }
}

static void put_word(struct text *t, const char *word)
{
    static const unsigned char lengths[] = { 1, 4, 1, 8 }, codes[] = { 'U', 'X', 0x8c, 0x8d };
    const uint32_t form = fuzz_below(6);

    if (form == 4) {
        put(t, "V%s\n", word);
    } else if (form == 5) {
        put(t, "S'%s'\n", word);
    } else {
        put_byte(t, codes[form]);
        put_byte(t, (int)strlen(word));
        for (int i = 1; i < lengths[form]; i++) put_byte(t, 0);
        put(t, "%s", word);
    }
}

static void put_global(struct text *t, const char *module, const char *name)
{
    if (fuzz_below(2)) {
        put(t, "c%s\n%s\n", module, name);
    } else {
        put_word(t, module);
        put_word(t, name);
        put_byte(t, 0x93);
    }
    if (fuzz_below(3)) return;
    put_byte(t, 0x94);
    t->memo++;
}

/* Sizes a x b and their strides, dense or turned. */
static void put_sizes(struct text *t, uint32_t a, uint32_t b, int turned)
{
    for (int i = 0; i < 2; i++) {
        const int size = fuzz_below(4) == 0 && i == 0;
        if (size) put_global(t, "torch", "Size");
        put_byte(t, '(');
        put_number(t, i ? (turned ? 1 : b) : a);
        put_number(t, i ? (turned ? a : 1) : b);
        put_byte(t, 't');
        if (size) put(t, "\x85R");
    }
}

static void put_tensor(struct text *t, int old)
{
    const uint32_t storage = fuzz_below(sizeof types / sizeof *types);
    const uint32_t a = fuzz_below(4), b = fuzz_below(4), parameter = fuzz_below(4) == 0;
    char class[32];

    snprintf(class, sizeof class, "%sStorage", types[storage].storage);
    if (parameter) {
        put_global(t, "torch._utils", "_rebuild_parameter");
        put_byte(t, '(');
    }
    put_global(t, "torch._utils", fuzz_below(4) ? "_rebuild_tensor_v2" : "_rebuild_tensor");
    put(t, "((");
    put_word(t, "storage");
    put_global(t, "torch", class);
    put(t, "V%u\n", storage);
    put_word(t, "cpu");
    put_number(t, STORAGE / types[storage].bytes);
    if (old) put_byte(t, 'N');
    put(t, "tQ");
    put_number(t, fuzz_below(4));
    put_sizes(t, a, b, (int)fuzz_below(2));
    put(t, "\x89)tR");
    if (parameter) put(t, "\x88)tR");
    t->tensors++;
}

static void put_value(struct text *t, int depth, int old);

/* A mapping whose keys have the letter for this depth. */
static void put_dict(struct text *t, int depth, int old)
{
    const uint32_t n = fuzz_below(4), form = fuzz_below(3);

    if (form == 0) put(t, "}(");
    else if (form == 1) put(t, "(d(");
    else {
        put_global(t, "collections", "OrderedDict");
        put(t, ")R(");
    }
    for (uint32_t i = 0; i < n; i++) {
        const char key[] = { (char)('a' + depth), (char)('0' + i), 0 };
        put_word(t, key);
        put_value(t, depth + 1, old);
    }
    put_byte(t, 'u');
}

static void put_value(struct text *t, int depth, int old)
{
    static const char *const plain[] = { "N",    "\x88",      "F1.5\n",    ")",    "]",
                                         "}",    "G01234567", "C\1a",      "(N1N", "N2\x30",
                                         "\x8f", "(I1\nl",    "(I01\n\x91" };

    switch (depth > 3 ? 3 : fuzz_below(6)) {
    case 0: put_tensor(t, old); break;
    case 1: put_dict(t, depth, old); break;
    case 2:
        put(t, "](");
        put_value(t, depth + 1, old);
        put_value(t, depth + 1, old);
        put_byte(t, 'e');
        break;
    case 3: put(t, "%s", plain[fuzz_below(sizeof plain / sizeof *plain)]); break;
    case 4:
        put_global(t, "pytorch_lightning.callbacks", "Any");
        put(t, ")\x81}b");
        break;
    default: put_tensor(t, old);
    }
    if (fuzz_below(8)) return;
    put_byte(t, 0x94);
    t->memo++;
}

static void make_object(struct text *t, int old)
{
    *t = (struct text){ .n = 0 };
    put(t, "\x80\4");
    put_dict(t, 0, old);
    put_byte(t, '.');
}

/* ---- whole files ---- */

/* Opcodes and numbers over and between those that are there. */
static void spoil(struct text *t)
{
    static const char opcodes[] = "(.012FIJKLMNPQRSTUVXabcd}eghijlo]pqrst)uGBC\x80\x81\x82\x85\x86"
                                  "\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96"
                                  "\x97\x98";

    for (uint32_t edits = 1 + fuzz_below(4); edits; edits--) {
        const size_t at = fuzz_below((uint32_t)t->n);
        switch (fuzz_below(5)) {
        case 0: t->bytes[at] = opcodes[fuzz_below(sizeof opcodes - 1)]; break;
        case 1: t->bytes[at] = (char)fuzz_below(256); break;
        case 2: /* one more */
            if (t->n == ROOM) break;
            memmove(t->bytes + at + 1, t->bytes + at, t->n++ - at);
            t->bytes[at] = opcodes[fuzz_below(sizeof opcodes - 1)];
            break;
        case 3: fuzz_digit(t->bytes + at, t->n - at); break;
        default: t->n = fuzz_mutate(t->bytes, t->n, ROOM);
        }
    }
}

static void make_zip(struct zip_file *z, const struct text *t)
{
    static const char data[STORAGE];
    char name[16];

    z->n = 0;
    z->count = 0;
    zip_add(z, "m/data.pkl", t->bytes, t->n);
    for (uint32_t i = 0; i < sizeof types / sizeof *types; i++) {
        snprintf(name, sizeof name, "m/data/%u", i);
        zip_add(z, name, data, STORAGE);
    }
    zip_end(z, fuzz_below(2) != 0);
}

/* Five pickles and the storages, of which the list has those that the pickle may name. */
static void make_old(struct zip_file *z, const struct text *t)
{
    static const char magic[] = "\x80\2\x8a\n\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    static const char machine[] = "\x80\2}X\15\0\0\0little_endian\x88s.";
    static const char data[STORAGE];
    char name[16];

    z->n = 0;
    zip_put_text(z, magic, sizeof magic - 1);
    zip_put_text(z, "\x80\2M\xe9\3.", 6);
    zip_put_text(z, machine, sizeof machine - 1);
    zip_put_text(z, t->bytes, t->n);
    zip_put_text(z, "\x80\2](", 4);
    for (uint32_t i = 0; i < sizeof types / sizeof *types; i++) {
        snprintf(name, sizeof name, "V%u\n", i);
        if (memmem(t->bytes, t->n, name, 3)) zip_put_text(z, name, 3);
    }
    zip_put_text(z, "e.", 2);
    for (uint32_t i = 0; i < sizeof types / sizeof *types; i++) {
        snprintf(name, sizeof name, "V%u\n", i);
        if (!memmem(t->bytes, t->n, name, 3)) continue;
        zip_put(z, STORAGE / types[i].bytes, 8);
        zip_put_text(z, data, STORAGE);
    }
}

/* ---- files of torch.save() ---- */

static const char *const goldens[] = { "zip.pt",    "zip4.pt",       "old.pt",      "old4.pt",
                                       "oldest.pt", "training.ckpt", "inversion.pt" };
enum { GOLDENS = sizeof goldens / sizeof *goldens };

static struct golden {
    unsigned char bytes[ZIP_ROOM / 4];
    size_t n;
} golden_files[GOLDENS];

/* Those that are there. */
static void read_goldens(void)
{
    const char *data = getenv("SDRT_TESTDATA");
    char path[1024];

    for (int i = 0; i < GOLDENS; i++) {
        struct golden *g = &golden_files[i];
        snprintf(path, sizeof path, "%s/golden/pickle/%s", data ? data : "tests", goldens[i]);
        FILE *f = fopen(path, "rb");
        if (!f) continue;
        g->n = fread(g->bytes, 1, sizeof g->bytes, f);
        fclose(f);
    }
}

/* Writes the check sum of an archive's first entry, which is its pickle, into the directory. */
static void mend(struct zip_file *z)
{
    const size_t name = z->bytes[26], begin = 30 + name + z->bytes[28] + 256u * z->bytes[29];
    uint32_t size;

    if (z->n < 64 || memcmp(z->bytes, "PK\3\4", 4)) return;
    const unsigned char *entry = memmem(z->bytes, z->n, "PK\1\2", 4);
    if (!entry) return;
    memcpy(&size, entry + 24, sizeof size);
    if (begin > z->n || size > z->n - begin) return;
    const uint32_t sum = (uint32_t)crc32(0, z->bytes + begin, size);
    memcpy(z->bytes + (entry - z->bytes) + 16, &sum, sizeof sum);
}

/* One of them with a few other bytes, or a piece of it twice or not at all. */
static void make_golden(struct zip_file *z)
{
    const struct golden *g = &golden_files[fuzz_below(GOLDENS)];

    memcpy(z->bytes, g->bytes, z->n = g->n);
    for (uint32_t i = 1 + fuzz_below(3); z->n > 64 && i; i--) {
        const size_t at = fuzz_below((uint32_t)z->n), n = fuzz_below(16);
        switch (fuzz_below(4)) {
        case 0: z->bytes[at] = (unsigned char)fuzz_below(256); break;
        case 1: z->bytes[at] ^= (unsigned char)(1 << fuzz_below(8)); break;
        case 2: z->bytes[at] = g->bytes[fuzz_below((uint32_t)g->n)]; break;
        default:
            if (at + 2 * n <= z->n) memmove(z->bytes + at, z->bytes + at + n, n);
        }
    }
    if (fuzz_below(4)) mend(z);
}

/* tensors: how many must be found; -1: it may as well be refused. */
static int try_file(const char *path, size_t size, int tensors, size_t *taken)
{
    static char bytes[1 << 20];
    const size_t before = sdrt_allocations_bytes();
    struct sdrt_tensor_file *file;

    fuzz_lines = 0;
    const int status = sdrt_tensor_file_open(&file, path, &fuzz_log);
    int good = sdrt_allocations_bytes() - before <= 16 * size + FIXED;
    if (status != SDRT_OK) return good && tensors < 0 && !file && fuzz_lines == 1;
    ++*taken;
    good = good && fuzz_lines == 0 &&
           (tensors < 0 || sdrt_tensor_file_count(file) == (size_t)tensors);
    for (size_t i = 0; good && i < sdrt_tensor_file_count(file); i++) {
        const struct sdrt_file_tensor *t = sdrt_tensor_file_at(file, i);
        const size_t n = t->bytes < sizeof bytes ? t->bytes : sizeof bytes;
        memcpy(bytes, t->data, n);
        good = sdrt_tensor_file_read(file, t, t->bytes - n, n, bytes) == SDRT_OK;
        good = good && (!i || strcmp(sdrt_tensor_file_at(file, i - 1)->name, t->name) < 0);
    }
    sdrt_tensor_file_close(&file);
    return good;
}

static int try_one(const char *path)
{
    FILE *f = fopen(path, "rb");
    size_t taken = 0;

    if (!f || fseek(f, 0, SEEK_END)) return 0;
    const long size = ftell(f);
    fclose(f);
    return size > 0 && try_file(path, (size_t)size, -1, &taken);
}

/* One file; *n is its size.  0 when anything is wrong. */
static int round_of(int fd, const char *path, size_t *taken)
{
    static struct zip_file z;
    static struct text t;
    const int old = fuzz_below(3) == 0, valid = fuzz_below(4) == 0;

    if (fuzz_below(3) == 0) {
        make_golden(&z);
        if (!z.n) return 1;
        if (ftruncate(fd, 0) || pwrite(fd, z.bytes, z.n, 0) != (ssize_t)z.n) return 0;
        return try_file(path, z.n, -1, taken);
    }
    do make_object(&t, old);
    while (valid && !t.tensors);
    if (!valid) spoil(&t);
    if (old) make_old(&z, &t);
    else make_zip(&z, &t);
    if (!valid && fuzz_below(4) == 0)
        for (uint32_t i = 1 + fuzz_below(4); i; i--)
            z.bytes[fuzz_below((uint32_t)z.n)] = (unsigned char)fuzz_below(256);
    if (!valid && fuzz_below(16) == 0) z.n = fuzz_below((uint32_t)z.n) + 1;
    if (ftruncate(fd, 0) || pwrite(fd, z.bytes, z.n, 0) != (ssize_t)z.n) return 0;
    return try_file(path, z.n, valid ? t.tensors : -1, taken);
}

FUZZ_TARGET(!size || try_file(fuzz_file(data, size), size, -1, &fuzz_taken))

int main(int argc, char **argv)
{
    const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    const char *folder = getenv("TMPDIR");
    const double end = sdrt_now() + (argc > 3 ? strtod(argv[3], NULL) : seconds);
    size_t rounds = 0, taken = 0;
    char path[512];
    int good = 1;

    if (argc > 2 && *argv[2]) return !try_one(argv[2]);
    /* In memory, where there is such a folder, ten times as many files can be tried. */
    if (!folder) folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(path, sizeof path, "%s/sdrt-fuzz-XXXXXX", folder);
    const int fd = mkstemp(path);
    if (fd < 0) {
        fprintf(stderr, "fuzz_pickle: cannot make %s\n", path);
        return 1;
    }
    fuzz_state = seed;
    read_goldens();
    while (good && sdrt_now() < end) {
        good = round_of(fd, path, &taken);
        rounds++;
    }
    if (good) unlink(path);
    close(fd);
    printf("fuzz_pickle: seed %llu, %zu files, %zu taken: %s\n", (unsigned long long)seed, rounds,
           taken, good && taken ? "good" : "WRONG in the last one, which is left there");
    if (!good) printf("%s\n", path);
    return !good || !taken;
}
