/* SPDX-License-Identifier: MIT
 *
 * Two seconds of random and mutated safetensors files, from a seed that is fixed unless the
 * first argument gives another.  Nothing may crash; a refusal must be one line; in a file
 * that is taken, the tensors must cover the data exactly.  Best run under the sanitizers.
 */
#include "runtime/files/tensor_files.h"
#include "tests/fuzz.h"

#include <stdio.h>
#include <unistd.h>

enum { MAX_HEADER = 1024, MAX_DATA = 64 };

static const double seconds = 2.0;
/* A valid header of up to six tensors that cover *data bytes; returns its length. */
static size_t make_header(char *text, size_t *data)
{
    static const struct {
        const char *name;
        size_t size;
    } types[] = {
        { "F64", 8 }, { "F32", 4 }, { "F16", 2 }, { "U8", 1 }, { "BF16", 2 },
    };
    const int tensors = (int)fuzz_below(7);
    size_t used = 1;

    *data = 0;
    text[0] = '{';
    if (fuzz_below(2)) used += (size_t)sprintf(text + used, "\"__metadata__\":{\"k\":\"v\"}");
    for (int i = 0; i < tensors; i++) {
        const uint32_t type = fuzz_below(5), a = fuzz_below(3), b = fuzz_below(2);
        const size_t bytes = types[type].size * a * b;
        if (*data + bytes > MAX_DATA) break;
        used += (size_t)
            sprintf(text + used,
                    "%s\"t%d\":{\"dtype\":\"%s\",\"shape\":[%u,%u],\"data_offsets\":[%zu,%zu]}",
                    used > 1 ? "," : "", i, types[type].name, a, b, *data, *data + bytes);
        *data += bytes;
    }
    text[used++] = '}';
    return used;
}

/* Whether the tensors are in the file and each byte of the data is in exactly one. */
static int covers(const struct sdrt_tensor_file *file, size_t header, size_t size)
{
    unsigned char seen[8 + MAX_HEADER + MAX_DATA] = { 0 };
    const char *start = NULL;
    size_t total = 0;

    for (size_t i = 0; i < sdrt_tensor_file_count(file); i++) {
        const char *data = sdrt_tensor_file_at(file, i)->data;
        if (!start || data < start) start = data;
    }
    for (size_t i = 0; i < sdrt_tensor_file_count(file); i++) {
        const struct sdrt_file_tensor *t = sdrt_tensor_file_at(file, i);
        const size_t at = (size_t)((const char *)t->data - start);
        if (at > sizeof seen || t->bytes > sizeof seen - at) return 0;
        for (size_t j = 0; j < t->bytes; j++) seen[at + j]++;
        total += t->bytes;
        if (i && strcmp(sdrt_tensor_file_at(file, i - 1)->name, t->name) >= 0) return 0;
    }
    for (size_t j = 0; j < total; j++)
        if (seen[j] != 1) return 0;
    return total == size - 8 - header;
}

/* Opens path, which has these bytes; returns 0 when anything is wrong. */
static int try_path(const char *path, const char *bytes, size_t size, int valid, size_t *taken)
{
    const struct sdrt_file_tensor *t;
    struct sdrt_tensor_file *file;
    uint64_t header = 0;
    int good = 1, status;

    fuzz_lines = 0;
    status = sdrt_tensor_file_open(&file, path, &fuzz_log);
    if (status != SDRT_OK) return !valid && !file && fuzz_lines == 1;
    ++*taken;
    memcpy(&header, bytes, 8);
    good = fuzz_lines == 0 && covers(file, header, size);
    for (size_t i = 0; good && i < sdrt_tensor_file_count(file); i++) {
        const struct sdrt_file_tensor *at = sdrt_tensor_file_at(file, i);
        status = sdrt_tensor_file_find(file, at->name, &t, NULL);
        good = at->known ? status == SDRT_OK && t == at : status == SDRT_E_UNSUPPORTED;
        sdrt_tensor_file_release(file, at);
    }
    sdrt_tensor_file_close(&file);
    return good;
}

static int try_file(int fd, const char *path, const char *bytes, size_t size, int valid,
                    size_t *taken)
{
    if (ftruncate(fd, 0) || pwrite(fd, bytes, size, 0) != (ssize_t)size) return 0;
    return try_path(path, bytes, size, valid, taken);
}

/* Another format's file is that target's. */
FUZZ_TARGET(!size || size > 8 + MAX_HEADER + MAX_DATA || (size > 8 && data[8] != '{') ||
            try_path(fuzz_file(data, size), (const char *)data, size, 0, &fuzz_taken))

static size_t make_file(char *bytes, int valid)
{
    size_t data, header = make_header(bytes + 8, &data);
    uint64_t length;

    if (!valid) header = fuzz_mutate(bytes + 8, header, MAX_HEADER);
    length = header;
    if (!valid && fuzz_below(8) == 0) length = (uint64_t)fuzz_below(64) << fuzz_below(60);
    if (!valid && fuzz_below(8) == 0) data = fuzz_below(MAX_DATA + 1);
    memcpy(bytes, &length, 8);
    for (size_t i = 0; i < data; i++) bytes[8 + header + i] = (char)fuzz_below(256);
    if (!valid && fuzz_below(16) == 0) return fuzz_below((uint32_t)(8 + header + data) + 1);
    return 8 + header + data;
}

int main(int argc, char **argv)
{
    const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    const char *folder = getenv("TMPDIR");
    char path[512], bytes[8 + MAX_HEADER + MAX_DATA];
    const double end = sdrt_now() + seconds;
    size_t rounds = 0, taken = 0;
    int good = 1;

    /* In memory, where there is such a folder, ten times as many files can be tried. */
    if (!folder) folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(path, sizeof path, "%s/sdrt-fuzz-XXXXXX", folder);
    const int fd = mkstemp(path);
    if (fd < 0) {
        fprintf(stderr, "fuzz_safetensors: cannot make %s\n", path);
        return 1;
    }
    fuzz_state = seed;
    while (good && sdrt_now() < end) {
        const int valid = fuzz_below(4) == 0;
        good = try_file(fd, path, bytes, make_file(bytes, valid), valid, &taken);
        rounds++;
    }
    unlink(path);
    close(fd);
    printf("fuzz_safetensors: seed %llu, %zu files, %zu taken: %s\n", (unsigned long long)seed,
           rounds, taken, good ? "good" : "WRONG in the last one");
    return !good;
}
