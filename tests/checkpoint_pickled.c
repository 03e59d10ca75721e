/* SPDX-License-Identifier: MIT */
#include "tests/checkpoint_pickled.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* An archive that is being written: its file, where its end is, and its directory so far. */
struct archive {
    int fd, entries;
    off_t at;
    FILE *directory;
};

static size_t put(unsigned char *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) to[i] = (unsigned char)(value >> 8 * i);
    return (size_t)bytes;
}

/* What a local header and an entry of the directory have in common. */
static size_t put_fields(unsigned char *to, uint32_t crc, uint32_t size, size_t name)
{
    size_t n = put(to, 20, 2);

    n += put(to + n, 0, 8); /* flags, method, time and date */
    n += put(to + n, crc, 4);
    n += put(to + n, size, 4);
    n += put(to + n, size, 4);
    n += put(to + n, name, 2);
    return n + put(to + n, 0, 2);
}

/* An entry of size bytes, of which the first n are at data and the rest is a hole. */
static void add_entry(struct archive *a, const char *name, const void *data, size_t n,
                      uint32_t size)
{
    const uint32_t crc = n == size ? (uint32_t)crc32(0, data, (uInt)n) : 0;
    unsigned char head[64];
    size_t used = put(head, 0x02014b50, 4);

    used += put(head + used, 20, 2);
    used += put_fields(head + used, crc, size, strlen(name));
    used += put(head + used, 0, 8);
    used += put(head + used, 0, 2);
    used += put(head + used, (uint64_t)a->at, 4);
    fwrite(head, 1, used, a->directory);
    fputs(name, a->directory);
    used = put(head, 0x04034b50, 4);
    used += put_fields(head + used, crc, size, strlen(name));
    cr_assert_eq(pwrite(a->fd, head, used, a->at), (ssize_t)used);
    a->at += (off_t)used;
    cr_assert_eq(pwrite(a->fd, name, strlen(name), a->at), (ssize_t)strlen(name));
    a->at += (off_t)strlen(name);
    cr_assert_eq(pwrite(a->fd, data, n, a->at), (ssize_t)n);
    a->at += (off_t)size;
    a->entries++;
}

static void end_archive(struct archive *a, const char *directory, size_t size)
{
    unsigned char end[32];
    size_t used = put(end, 0x06054b50, 4);

    used += put(end + used, 0, 4);
    used += put(end + used, (uint64_t)a->entries, 2);
    used += put(end + used, (uint64_t)a->entries, 2);
    used += put(end + used, size, 4);
    used += put(end + used, (uint64_t)a->at, 4);
    used += put(end + used, 0, 2);
    cr_assert_eq(pwrite(a->fd, directory, size, a->at), (ssize_t)size);
    cr_assert_eq(pwrite(a->fd, end, used, a->at + (off_t)size), (ssize_t)used);
}

static int64_t elements(const struct test_tensor *t)
{
    int64_t n = 1;

    for (int i = 0; i < t->rank; i++) n *= t->shape[i];
    return n;
}

/* One tensor, whose storage has its number, in the opcodes of protocol 0. */
static void pickle_one(FILE *f, int i, const char *name)
{
    const struct test_tensor *t = &test_tensors[i];
    int64_t stride = elements(t);

    fprintf(f,
            "V%s\nctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nHalfStorage\nV%d\n"
            "Vcpu\nI%" PRId64 "\ntQI0\n(",
            name, i, elements(t));
    for (int d = 0; d < t->rank; d++) fprintf(f, "I%" PRId64 "\n", t->shape[d]);
    fputs("t(", f);
    for (int d = 0; d < t->rank; d++) fprintf(f, "I%" PRId64 "\n", stride /= t->shape[d]);
    fputs("tI00\n(dtRs", f);
}

void test_write_pickled(const char *path, test_rename *name, int part, int of, int in_state_dict)
{
    char *directory = NULL, *pickle = NULL, out[TEST_NAME], entry[32];
    size_t directory_size = 0, pickle_size = 0;
    struct archive a = { .fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600),
                         .directory = open_memstream(&directory, &directory_size) };
    FILE *f = open_memstream(&pickle, &pickle_size);

    cr_assert(a.fd >= 0, "%s", path);
    fputs(in_state_dict ? "(dVglobal_step\nI470000\nsVstate_dict\n(d" : "(d", f);
    for (int i = 0; i < test_n_tensors; i++)
        if (i % of == part && name(&test_tensors[i], out)) pickle_one(f, i, out);
    fputs(in_state_dict ? "s." : ".", f);
    fclose(f);
    add_entry(&a, "m/data.pkl", pickle, pickle_size, (uint32_t)pickle_size);
    for (int i = 0; i < test_n_tensors; i++) {
        const int64_t n = elements(&test_tensors[i]);
        if (i % of != part || !name(&test_tensors[i], out)) continue;
        snprintf(entry, sizeof entry, "m/data/%d", i);
        add_entry(&a, entry, &i, n < 2 ? (size_t)n * 2 : sizeof i, (uint32_t)n * 2);
    }
    fclose(a.directory);
    end_archive(&a, directory, directory_size);
    close(a.fd);
    free(directory);
    free(pickle);
}
