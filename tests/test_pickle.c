/* SPDX-License-Identifier: MIT
 *
 * Files of torch.save() in golden/pickle, each beside its tensors as safetensors' own writer put
 * them down (tests/oracle/make_pickle_golden.py), and bytes that no pickler writes.
 */
#include "bench/allocations.h"
#include "runtime/files/tensor_files.h"
#include "runtime/weights/weights.h"
#include "tests/pickle_files.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdlib.h>

TestSuite(pickle, .init = temp_folder_make, .fini = temp_folder_remove, .timeout = 60);

static const char *golden(const char *name, const char *end)
{
    static char path[2][1024];
    static int i;
    const char *data = getenv("SDRT_TESTDATA");

    i ^= 1;
    snprintf(path[i], sizeof path[i], "%s/golden/pickle/%s%s", data ? data : "tests", name, end);
    return path[i];
}

/* The same tensors, element by element; one is read through the file, too. */
static void expect_same(const struct sdrt_tensor_file *file, const struct sdrt_tensor_file *want)
{
    cr_assert_eq(sdrt_tensor_file_count(file), sdrt_tensor_file_count(want));
    for (size_t i = 0; i < sdrt_tensor_file_count(want); i++) {
        const struct sdrt_file_tensor *a = sdrt_tensor_file_at(file, i);
        const struct sdrt_file_tensor *b = sdrt_tensor_file_at(want, i);
        cr_assert_str_eq(a->name, b->name);
        cr_expect_str_eq(a->dtype_name, b->dtype_name, "%s", a->name);
        cr_expect(a->known == b->known && (!a->known || a->dtype == b->dtype), "%s", a->name);
        cr_assert_eq(a->rank, b->rank, "%s", a->name);
        cr_expect(!memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape), "%s", a->name);
        cr_assert_eq(a->bytes, b->bytes, "%s", a->name);
        cr_expect(!memcmp(a->data, b->data, a->bytes), "%s", a->name);
        char *copy = malloc(a->bytes + 1);
        cr_assert(copy);
        for (size_t at = 0; at < a->bytes; at += a->bytes / 2 + 1)
            cr_expect_eq(sdrt_tensor_file_read(file, a, at, a->bytes - at, copy + at), SDRT_OK);
        cr_expect(!memcmp(copy, b->data, a->bytes), "%s", a->name);
        free(copy);
        sdrt_tensor_file_prefetch(file, a);
        sdrt_tensor_file_release(file, a);
        cr_expect(!memcmp(a->data, b->data, a->bytes), "%s", a->name);
    }
}

Test(pickle, tensors_are_those_that_torch_loads)
{
    static const char *const names[][2] = {
        { "zip", ".pt" },    { "zip4", ".pt" },       { "old", ".pt" },       { "old4", ".pt" },
        { "oldest", ".pt" }, { "training", ".ckpt" }, { "inversion", ".pt" }, { "learned", ".bin" },
    };
    struct sdrt_tensor_file *file, *want;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = golden(names[i][0], names[i][1]);
        expect_quiet(sdrt_tensor_file_open(&file, path, &kept_log), path);
        expect_quiet(sdrt_tensor_file_open(&want, golden(names[i][0], ".safetensors"), &kept_log),
                     names[i][0]);
        expect_same(file, want);
        cr_expect_null(sdrt_tensor_file_metadata(file, "format"));
        sdrt_tensor_file_close(&file);
        sdrt_tensor_file_close(&want);
    }
}

/* Weights are used where they lie; only those whose elements lie apart are copied. */
Test(pickle, takes_memory_for_names_alone)
{
    static char bytes[4 * 4096], text[512];
    static struct zip_file z;
    struct sdrt_tensor_file *file;
    const size_t n = pickle_tensor(text, sizeof text, "FloatStorage", "4096", "0", "I64\nI64\n",
                                   "I64\nI1\n");

    zip_add(&z, "m/data.pkl", text, n);
    zip_add(&z, "m/data/0", bytes, sizeof bytes);
    zip_end(&z, 0);
    const char *path = temp_write("m.pt", z.bytes, z.n);
    const size_t before = sdrt_allocations_bytes();
    expect_quiet(sdrt_tensor_file_open(&file, path, &kept_log), "open");
    cr_expect_lt(sdrt_allocations_bytes() - before, 4096);
    sdrt_tensor_file_close(&file);
}

Test(pickle, says_when_memory_runs_short)
{
    static const char *const names[] = { "zip.pt", "old.pt" };
    struct sdrt_tensor_file *file;

    for (size_t i = 0; i < 2; i++) {
        long n = -1;
        do {
            sdrt_allocations_refuse(++n);
            const int status = sdrt_tensor_file_open(&file, golden(names[i], ""), &kept_log);
            const long left = sdrt_allocations_left();
            sdrt_allocations_refuse(-1);
            cr_assert_lt(n, 1000);
            if (left < 0) expect_failure(status, SDRT_E_NOMEM, "no memory", names[i]);
            else expect_quiet(status, names[i]);
        } while (!file);
        cr_expect_gt(n, 5);
        sdrt_tensor_file_close(&file);
    }
}

Test(pickle, refuses_what_holds_no_weights)
{
    static const struct {
        const char *name;
        int status;
        const char *word;
    } others[] = {
        { "runs.pt", SDRT_E_UNSUPPORTED, "__builtin__.eval of Python" },
        { "runs-old.pt", SDRT_E_UNSUPPORTED, "__builtin__.eval of Python" },
        { "network.pt", SDRT_E_UNSUPPORTED, "torch.nn.modules.linear.Linear of Python" },
        { "sparse.pt", SDRT_E_UNSUPPORTED, "torch._utils._rebuild_sparse_tensor of Python" },
        { "bare.pt", SDRT_E_UNSUPPORTED, "one tensor without a name" },
        { "nothing.pt", SDRT_E_UNSUPPORTED, "a Python pickle without tensors" },
        { "script.pt", SDRT_E_UNSUPPORTED, "TorchScript" },
        { "python.pt", SDRT_E_UNSUPPORTED, "torch.storage._load_from_bytes of Python" },
        { "arrays.npz", SDRT_E_UNSUPPORTED, "an archive of NumPy arrays (.npz), a.npy first" },
    };
    struct sdrt_tensor_file *file;

    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        expect_failure(sdrt_tensor_file_open(&file, golden(others[i].name, ""), &kept_log),
                       others[i].status, others[i].word, others[i].name);
        cr_expect_null(file);
    }
}

Test(pickle, refuses_every_shorter_file)
{
    static const char *const names[] = { "learned.bin", "old.pt" };
    struct sdrt_tensor_file *file;

    for (size_t i = 0; i < 2; i++) {
        size_t size;
        char *bytes = temp_read(golden(names[i], ""), &size);
        cr_assert(bytes);
        for (size_t n = 1; n < size; n++) {
            const int status = sdrt_tensor_file_open(&file, temp_write("x", bytes, n), &kept_log);
            expect_failure(status, status ? status : SDRT_E_FORMAT, "", names[i]);
        }
        free(bytes);
    }
}

/* Of a tar archive, whose end is only blocks of zeros. */
Test(pickle, refuses_what_is_not_in_its_archive)
{
    static const struct {
        const char *from, *to; /* of the same length */
        const char *word;
    } edits[] = {
        { "storages", "storagez", "seems to be a tar archive, sys_info first" },
        { "pickle\0", "pickld\0", "seems to be a tar archive" },
        { "tensors\0", "tensor\0\0", "seems to be a tar archive" },
        { "1003", "1903", "a tensor or its storage is not in it" },
        { "1003", "10x3", "names no tensor" },
    };
    struct sdrt_tensor_file *file;
    size_t size;
    char *bytes = temp_read(golden("oldest.pt", ""), &size), *copy = malloc(size);

    cr_assert(bytes && copy);
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        const size_t n = i == 1 || i == 2 ? strlen(edits[i].from) + 1 : strlen(edits[i].from);
        memcpy(copy, bytes, size);
        size_t at = 0;
        while (at + n <= size && memcmp(copy + at, edits[i].from, n)) at++;
        cr_assert(at + n <= size, "%s", edits[i].from);
        memcpy(copy + at, edits[i].to, n);
        const int status = sdrt_tensor_file_open(&file, temp_write("x", copy, size), &kept_log);
        expect_failure(status, status ? status : SDRT_E_FORMAT, edits[i].word, edits[i].to);
    }
    size_t end = size;
    while (!bytes[end - 1]) end--;
    expect_failure(sdrt_tensor_file_open(&file, temp_write("x", bytes, end - 1), &kept_log),
                   SDRT_E_FORMAT, "an entry that is none, or that is cut off", "one byte less");
    for (size_t n = 512; n < size; n += 7) {
        const int status = sdrt_tensor_file_open(&file, temp_write("x", bytes, n), &kept_log);
        if (status) expect_failure(status, status, "", "shorter");
        else cr_expect_geq(n, end);
        sdrt_tensor_file_close(&file);
    }
    free(bytes);
    free(copy);
}

#define BYTES(text) text, sizeof text - 1
#define FUNCTION "\x80\2ctorch._utils\n_rebuild_tensor_v2\n"

Test(pickle, refuses_what_no_pickler_writes)
{
    static const struct {
        const char *bytes;
        size_t size;
        int status;
        const char *word;
    } bads[] = {
        { BYTES("\x80\2\xff."), SDRT_E_FORMAT, "no opcode 0xff is known (byte 2)" },
        { BYTES("\x80\2\x82\1."), SDRT_E_UNSUPPORTED, "the opcode EXT1 (byte 2)" },
        { BYTES("\x80\2\x84\1\0\0\0."), SDRT_E_UNSUPPORTED, "EXT4" },
        { BYTES("\x80\5\x97."), SDRT_E_UNSUPPORTED, "NEXT_BUFFER" },
        { BYTES("\x80\2P1\n."), SDRT_E_UNSUPPORTED, "PERSID" },
        { BYTES("\x80\2\x80\6N."), SDRT_E_FORMAT, "beyond the fifth" },
        { BYTES("\x80\2.."), SDRT_E_FORMAT, "more from its stack" },
        { BYTES("\x80\2N0\x30."), SDRT_E_FORMAT, "more from its stack" },
        { BYTES("\x80\2N\x87."), SDRT_E_FORMAT, "more from its stack" },
        { BYTES("\x80\2t."), SDRT_E_FORMAT, "more from its stack" },
        { BYTES("\x80\2("), SDRT_E_FORMAT, "cut off" },
        { BYTES("\x80\2(."), SDRT_E_FORMAT, "more from its stack" },
        { BYTES("\x80\2]NNs."), SDRT_E_FORMAT, "no such container" },
        { BYTES("\x80\2}(Nu."), SDRT_E_FORMAT, "a key without a value" },
        { BYTES("\x80\2(Nd."), SDRT_E_FORMAT, "a key without a value" },
        { BYTES("\x80\2)Na."), SDRT_E_FORMAT, "no such container" },
        { BYTES("\x80\2K\1}b."), SDRT_E_FORMAT, "a state to what has none" },
        { BYTES("\x80\2h\0."), SDRT_E_FORMAT, "an empty place of the memo" },
        { BYTES("\x80\2Nr\xff\xff\xff\xff."), SDRT_E_FORMAT, "beyond the number of its values" },
        { BYTES("\x80\2N(q\0."), SDRT_E_FORMAT, "more from its stack" },
        { BYTES("\x80\2j\xff\xff\xff\xff."), SDRT_E_FORMAT, "an empty place of the memo" },
        { BYTES("\x80\2g-1\n."), SDRT_E_FORMAT, "cut off" },
        { BYTES("\x80\2X\xff\xff\xff\xff"
                "a."),
          SDRT_E_FORMAT, "cut off" },
        { BYTES("\x80\4\x8d\0\0\0\0\0\0\0\x80"
                "a."),
          SDRT_E_FORMAT, "cut off" },
        { BYTES("\x80\2\x8b\0\0\0\x80"
                "a."),
          SDRT_E_FORMAT, "cut off" },
        { BYTES("\x80\2T\xff\xff\xff\xff"
                "a."),
          SDRT_E_FORMAT, "cut off" },
        { BYTES("\x80\2I1x\n."), SDRT_E_FORMAT, "a number that is none" },
        { BYTES("\x80\2Sa\n."), SDRT_E_FORMAT, "without quotes" },
        { BYTES("\x80\2cposix\nsystem\n(S'true'\ntR."), SDRT_E_UNSUPPORTED, "posix.system of" },
        { BYTES("\x80\2(S'true'\niposix\nsystem\n."), SDRT_E_UNSUPPORTED, "posix.system of" },
        { BYTES("\x80\4\x8c\2os\x8c\6system\x93\x8c\4true\x85R."), SDRT_E_UNSUPPORTED,
          "os.system of" },
        { BYTES("\x80\2cbuiltins\n__import__\n."), SDRT_E_UNSUPPORTED, "builtins.__import__ of" },
        { BYTES("\x80\2cnumpy\nload\n."), SDRT_E_UNSUPPORTED, "numpy.load of" },
        { BYTES("\x80\2comegaconfx\na\n."), SDRT_E_UNSUPPORTED, "omegaconfx.a of" },
        { BYTES("\x80\2c\x1b[2J\nx\n."), SDRT_E_UNSUPPORTED, "?[2J.x of" },
        { BYTES("\x80\4K\1K\2\x93."), SDRT_E_FORMAT, "a global's name that is no text" },
        { BYTES("\x80\2K\1)R."), SDRT_E_FORMAT, "calls what is no global" },
        { BYTES(FUNCTION "K\1R."), SDRT_E_FORMAT, "arguments that are no tuple" },
        { BYTES("\x80\2}K\1" FUNCTION ")Rs."), SDRT_E_FORMAT, "made of a storage" },
        { BYTES("\x80\2}K\1" FUNCTION "(K\1K\1K\1K\1tRs."), SDRT_E_FORMAT, "made of a storage" },
        { BYTES("\x80\2}K\1" FUNCTION "(K\1QK\1))tRs."), SDRT_E_FORMAT, "names no storage" },
        { BYTES("\x80\2}K\1" FUNCTION "((U\6moduleK\1K\1tQK\1))tRs."), SDRT_E_UNSUPPORTED,
          "a whole pickled network" },
        { BYTES("\x80\2]q\0h\0a."), SDRT_E_FORMAT, "nested deeper" },
        { BYTES("\x80\2}q\0U\1ah\0s."), SDRT_E_FORMAT, "nested deeper" },
        { BYTES("\x80\2N."), SDRT_E_UNSUPPORTED, "without tensors" },
    };
    struct sdrt_tensor_file *file;

    for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
        char name[32];
        snprintf(name, sizeof name, "pickle %zu", i);
        const char *path = temp_write("x.pt", bads[i].bytes, bads[i].size);
        expect_failure(sdrt_tensor_file_open(&file, path, &kept_log), bads[i].status, bads[i].word,
                       name);
        cr_expect_null(file);
    }
}

/* Each list holds the one before twice, so that there are 2^40 ways to the first. */
Test(pickle, ends_where_containers_hold_each_other)
{
    char bytes[512] = "\x80\2]q";
    size_t n = 5; /* the place 0 of the memo */
    struct sdrt_tensor_file *file;

    for (int i = 1; i <= 40; i++)
        n += (size_t)snprintf(bytes + n, sizeof bytes - n, "](h%ch%ceq%c", i - 1, i - 1, i);
    for (size_t i = 5; i < n; i++)
        if (bytes[i] == 'h' && !bytes[i + 1]) bytes[i + 1] = 0;
    bytes[n++] = '.';
    expect_failure(sdrt_tensor_file_open(&file, temp_write("x.pt", bytes, n), &kept_log),
                   SDRT_E_FORMAT, "hold each other without end", "doubling");
}

/* A file of one byte after the other that each make a value takes 16 times its size, and no more. */
Test(pickle, takes_no_more_memory_than_its_file_allows)
{
    static const char opcodes[] = "}]N(Q0)";
    static char bytes[1 << 16];
    struct sdrt_tensor_file *file;

    for (size_t i = 0; i < sizeof opcodes - 1; i++) {
        memset(bytes, opcodes[i], sizeof bytes);
        memcpy(bytes, "\x80\2", 2);
        bytes[sizeof bytes - 1] = '.';
        const char *path = temp_write("x.pt", bytes, sizeof bytes);
        const size_t before = sdrt_allocations_bytes();
        expect_failure(sdrt_tensor_file_open(&file, path, &kept_log), SDRT_E_UNSUPPORTED,
                       "bytes of memory", "bomb");
        cr_expect_leq(sdrt_allocations_bytes() - before, 16 * sizeof bytes + 4096);
    }
}

/* ---- tensors in archives ---- */

/* Opens an archive with the pickle text and one storage of size bytes. */
static int open_archive(struct sdrt_tensor_file **file, const char *text, size_t n, size_t size)
{
    static const char bytes[256];
    static struct zip_file z;

    z.n = 0;
    z.count = 0;
    zip_add(&z, "m/data.pkl", text, n);
    zip_add(&z, "m/data/0", bytes, size);
    zip_end(&z, 0);
    return sdrt_tensor_file_open(file, temp_write("m.pt", z.bytes, z.n), &kept_log);
}

Test(pickle, refuses_every_lying_tensor)
{
    static const struct {
        const char *storage, *count, *offset, *sizes, *strides;
        size_t bytes;
        const char *word; /* NULL: it is none */
    } lies[] = {
        { "FloatStorage", "6", "0", "I2\nI3\n", "I3\nI1\n", 24, NULL },
        { "HalfStorage", "6", "1", "I5\n", "I1\n", 12, NULL },
        { "FloatStorage", "6", "0", "I3\nI2\n", "I1\nI3\n", 24, NULL },
        { "FloatStorage", "6", "6", "I0\nI9\n", "I9\nI9\n", 24, NULL },
        { "FloatStorage", "6", "0", "I7\n", "I1\n", 24, "reaches to element 7" },
        { "FloatStorage", "6", "1", "I2\nI3\n", "I3\nI1\n", 24, "reaches to element 7" },
        { "FloatStorage", "6", "0", "I2\n", "I6\n", 24, "reaches to element 7" },
        { "FloatStorage", "6", "7", "I0\n", "I1\n", 24, "reaches to element 7" },
        { "FloatStorage", "6", "-1", "I1\n", "I1\n", 24, "made of a storage" },
        { "FloatStorage", "6", "0", "I-1\n", "I1\n", 24, "whole numbers" },
        { "FloatStorage", "6", "0", "I2\n", "I-1\n", 24, "whole numbers" },
        { "FloatStorage", "6", "0", "I2\nI3\n", "I1\n", 24, "whole numbers" },
        { "FloatStorage", "6", "0", "Va\n", "I1\n", 24, "whole numbers" },
        { "FloatStorage", "6", "0", "I1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\n",
          "I1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\n", 24, "8 at most" },
        { "FloatStorage", "6", "0", "I99999999999\nI99999999999\n", "I0\nI0\n", 24, "overflow" },
        { "FloatStorage", "6", "0", "I3\n", "I999999999999999999\n", 24, "reaches to element" },
        { "FloatStorage", "6", "999999999999999999", "I1\n", "I1\n", 24, "reaches to element" },
        { "FloatStorage", "6", "0", "I999999\nI999999\n", "I0\nI0\n", 24, "bytes of memory" },
        { "FloatStorage", "7", "0", "I1\n", "I1\n", 24, "storage 0 has 24 bytes, 7 elements of 4" },
        { "DoubleStorage", "6", "0", "I1\n", "I1\n", 24, "6 elements of 8" },
        { "ComplexDoubleStorage", "999999999999999999", "0", "I1\n", "I1\n", 24, "elements of 16" },
        { "FloatStorage", "-6", "0", "I1\n", "I1\n", 24, "names no storage" },
        { "TallStorage", "6", "0", "I1\n", "I1\n", 24, "torch.TallStorage of Python" },
        { "float32", "6", "0", "I1\n", "I1\n", 24, "names no storage" },
    };
    struct sdrt_tensor_file *file;
    char text[512];

    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        const size_t n = pickle_tensor(text, sizeof text, lies[i].storage, lies[i].count,
                                       lies[i].offset, lies[i].sizes, lies[i].strides);
        const int status = open_archive(&file, text, n, lies[i].bytes);
        char name[32];
        snprintf(name, sizeof name, "tensor %zu", i);
        if (lies[i].word) {
            expect_failure(status, status ? status : SDRT_E_FORMAT, lies[i].word, name);
        } else {
            expect_quiet(status, name);
            cr_expect_eq(sdrt_tensor_file_count(file), 1);
            sdrt_tensor_file_close(&file);
        }
    }
}

Test(pickle, refuses_names_that_lead_to_two_tensors)
{
#define SCALAR                                                                            \
    "ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI1\n" \
    "tQI0\n))tR"
    static const char twice[] = "(dVa\n" SCALAR "sVa\n" SCALAR "s.";
    static const char path[] = "(dVa\n(dVb\n" SCALAR "ssVa.b\n" SCALAR "s.";
    static const char other[] = "(dVa\n" SCALAR "s(N" SCALAR "d0.";
    static const char number[] = "(d\x8a\1\xff" SCALAR "s.";
    static const char key[] = "(dN" SCALAR "s.", zero[] = "\x80\2}U\3a\0b" SCALAR "s.";
    struct sdrt_tensor_file *file;

    expect_failure(open_archive(&file, BYTES(twice), 4), SDRT_E_FORMAT, "two tensors a", "twice");
    expect_failure(open_archive(&file, BYTES(path), 4), SDRT_E_FORMAT, "two tensors a.b", "path");
    expect_failure(open_archive(&file, BYTES(key), 4), SDRT_E_FORMAT, "neither a text nor", "key");
    expect_failure(open_archive(&file, BYTES(zero), 4), SDRT_E_FORMAT, "a 0 in it", "zero");
    expect_quiet(open_archive(&file, BYTES(number), 4), "a number");
    cr_expect_str_eq(sdrt_tensor_file_at(file, 0)->name, "-1");
    sdrt_tensor_file_close(&file);
    expect_quiet(open_archive(&file, BYTES(other), 4), "not at the top");
    sdrt_tensor_file_close(&file);
}

/* The pairs of Python 2's OrderedDict. */
Test(pickle, reads_a_mapping_of_pairs)
{
    static const char pairs[] = "ccollections\nOrderedDict\n((l(Va\n" SCALAR "la(Vb\n" SCALAR
                                "latR.";
    static const char filled[] = "ccollections\nOrderedDict\n((l(Va\n" SCALAR "latRVb\n" SCALAR
                                 "s.";
    struct sdrt_tensor_file *file;

    expect_quiet(open_archive(&file, BYTES(pairs), 4), "pairs");
    cr_assert_eq(sdrt_tensor_file_count(file), 2);
    cr_expect_str_eq(sdrt_tensor_file_at(file, 1)->name, "b");
    sdrt_tensor_file_close(&file);
    expect_failure(open_archive(&file, BYTES(filled), 4), SDRT_E_FORMAT, "no such container",
                   "pairs and more");
}

static int open_zip(struct sdrt_tensor_file **file, struct zip_file *z)
{
    zip_end(z, 0);
    return sdrt_tensor_file_open(file, temp_write("m.pt", z->bytes, z->n), &kept_log);
}

/* An archive of one tensor and up to two more entries; returns that of the tensor's bytes. */
static struct zip_file_entry *start_zip(struct zip_file *z, const char *name, const char *data)
{
    char text[512];
    const size_t n = pickle_tensor(text, sizeof text, "FloatStorage", "1", "0", "", "");

    z->n = 0;
    z->count = 0;
    zip_add(z, "m/data.pkl", text, n);
    if (name) zip_add(z, name, data, strlen(data));
    return zip_add(z, "m/data/0", "1234", 4);
}

Test(pickle, refuses_archives_of_others)
{
    static struct zip_file z;
    struct sdrt_tensor_file *file;

    start_zip(&z, "m/byteorder", "little");
    expect_quiet(open_zip(&file, &z), "good");
    sdrt_tensor_file_close(&file);
    start_zip(&z, NULL, NULL);
    zip_end(&z, 1);
    expect_quiet(sdrt_tensor_file_open(&file, temp_write("m.pt", z.bytes, z.n), &kept_log), "wide");
    sdrt_tensor_file_close(&file);
    start_zip(&z, "m/byteorder", "big");
    expect_failure(open_zip(&file, &z), SDRT_E_UNSUPPORTED, "another byte order", "big");
    start_zip(&z, "m/constants.pkl", ".");
    expect_failure(open_zip(&file, &z), SDRT_E_UNSUPPORTED, "TorchScript", "script");
    start_zip(&z, NULL, NULL)->method = 8;
    expect_failure(open_zip(&file, &z), SDRT_E_UNSUPPORTED, "m/data/0 is compressed", "deflated");
    start_zip(&z, NULL, NULL)->flags = 1;
    expect_failure(open_zip(&file, &z), SDRT_E_UNSUPPORTED, "m/data/0 is encrypted", "encrypted");
    start_zip(&z, NULL, NULL)->at = 1;
    expect_failure(open_zip(&file, &z), SDRT_E_FORMAT, "no entry m/data/0 at byte 1", "elsewhere");
    start_zip(&z, NULL, NULL)->at = UINT32_MAX - 1;
    expect_failure(open_zip(&file, &z), SDRT_E_FORMAT, "no entry m/data/0", "far away");
    start_zip(&z, NULL, NULL)->at = UINT32_MAX; /* which says that 64 bits follow */
    expect_failure(open_zip(&file, &z), SDRT_E_FORMAT, "entry 1 of 2", "no 64 bits");
    start_zip(&z, NULL, NULL)[-1].crc++;
    expect_failure(open_zip(&file, &z), SDRT_E_FORMAT, "check sum", "another check sum");
    start_zip(&z, NULL, NULL)[-1].size = 1 << 20;
    expect_failure(open_zip(&file, &z), SDRT_E_FORMAT, "m/data.pkl has 1048576 bytes", "beyond");
    start_zip(&z, "m/data/0", "abcd");
    expect_failure(open_zip(&file, &z), SDRT_E_FORMAT, "two entries m/data/0", "two");
    start_zip(&z, NULL, NULL);
    z.count = 1;
    expect_failure(open_zip(&file, &z), SDRT_E_FORMAT, "the storage 0, which is not", "none");
    z = (struct zip_file){ .n = 0 };
    zip_add(&z, "readme.txt", "hello", 5);
    expect_failure(open_zip(&file, &z), SDRT_E_UNSUPPORTED, "1 files, readme.txt first", "others");
    z = (struct zip_file){ .n = 0 };
    expect_failure(open_zip(&file, &z), SDRT_E_UNSUPPORTED, "empty zip archive", "empty");
    start_zip(&z, NULL, NULL);
    zip_end(&z, 0);
    z.bytes[z.n - 12] = 9; /* entries, of two */
    expect_failure(sdrt_tensor_file_open(&file, temp_write("m.pt", z.bytes, z.n), &kept_log),
                   SDRT_E_FORMAT, "a directory of 9 entries", "too many");
}
