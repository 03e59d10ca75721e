/* SPDX-License-Identifier: MIT
 *
 * Makes the bytes of pickled files, good and bad: zip archives of stored entries, and the opcodes
 * of a mapping with one tensor.
 */
#ifndef SDRT_TESTS_PICKLE_FILES_H
#define SDRT_TESTS_PICKLE_FILES_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { ZIP_ROOM = 1 << 16, ZIP_ENTRIES = 8 };

struct zip_file {
    unsigned char bytes[ZIP_ROOM];
    size_t n;
    struct zip_file_entry {
        char name[40];
        uint32_t at, size, crc;
        uint16_t method, flags;
    } entries[ZIP_ENTRIES];
    int count;
};

static inline void zip_put(struct zip_file *z, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) z->bytes[z->n++] = i < 8 ? (unsigned char)(value >> 8 * i) : 0;
}

static inline void zip_put_text(struct zip_file *z, const void *text, size_t size)
{
    memcpy(z->bytes + z->n, text, size);
    z->n += size;
}

/* A record's fields from the version that it needs to the name's length; extra: that field's. */
static inline void zip_fields(struct zip_file *z, const struct zip_file_entry *e, uint64_t extra)
{
    zip_put(z, 20, 2);
    zip_put(z, e->flags, 2);
    zip_put(z, e->method, 2);
    zip_put(z, 0, 4);
    zip_put(z, e->crc, 4);
    zip_put(z, e->size, 4);
    zip_put(z, e->size, 4);
    zip_put(z, strlen(e->name), 2);
    zip_put(z, extra, 2);
}

/* The next entry, which is returned so that its record in the directory can be spoilt. */
static inline struct zip_file_entry *zip_add(struct zip_file *z, const char *name, const void *data,
                                             size_t size)
{
    struct zip_file_entry *e = &z->entries[z->count++];

    *e = (struct zip_file_entry){ .at = (uint32_t)z->n,
                                  .size = (uint32_t)size,
                                  .crc = (uint32_t)crc32(0, data, (uInt)size) };
    snprintf(e->name, sizeof e->name, "%s", name);
    zip_put(z, 0x04034b50, 4);
    zip_fields(z, e, 0);
    zip_put_text(z, name, strlen(name));
    zip_put_text(z, data, size);
    return e;
}

/* The directory and the end, with wide their 64-bit forms. */
static inline void zip_end(struct zip_file *z, int wide)
{
    const size_t at = z->n;

    for (int i = 0; i < z->count; i++) {
        struct zip_file_entry e = z->entries[i];
        zip_put(z, 0x02014b50, 4);
        zip_put(z, 20, 2);
        if (wide) e.size = UINT32_MAX;
        zip_fields(z, &e, wide ? 28 : 0);
        zip_put(z, 0, 10);
        zip_put(z, wide ? UINT32_MAX : e.at, 4);
        zip_put_text(z, e.name, strlen(e.name));
        if (!wide) continue;
        zip_put(z, 1, 2);
        zip_put(z, 24, 2);
        zip_put(z, z->entries[i].size, 8);
        zip_put(z, z->entries[i].size, 8);
        zip_put(z, e.at, 8);
    }
    const size_t size = z->n - at;
    if (wide) {
        const size_t end = z->n;
        zip_put(z, 0x06064b50, 4);
        zip_put(z, 44, 8);
        zip_put(z, 45 | 45 << 16, 4);
        zip_put(z, 0, 8);
        zip_put(z, (uint64_t)z->count, 8);
        zip_put(z, (uint64_t)z->count, 8);
        zip_put(z, size, 8);
        zip_put(z, at, 8);
        zip_put(z, 0x07064b50, 4);
        zip_put(z, 0, 4);
        zip_put(z, end, 8);
        zip_put(z, 1, 4);
    }
    zip_put(z, 0x06054b50, 4);
    zip_put(z, 0, 4);
    zip_put(z, wide ? UINT16_MAX : (uint64_t)z->count, 2);
    zip_put(z, wide ? UINT16_MAX : (uint64_t)z->count, 2);
    zip_put(z, wide ? UINT32_MAX : size, 4);
    zip_put(z, wide ? UINT32_MAX : at, 4);
    zip_put(z, 0, 2);
}

/* The pickle of { "a": tensor } in the opcodes of protocol 0, which are letters: a storage of count
 * elements of a class, and sizes and strides as such opcodes, "I2\nI3\n" for (2, 3). */
static inline size_t pickle_tensor(char *out, size_t room, const char *storage, const char *count,
                                   const char *offset, const char *sizes, const char *strides)
{
    return (size_t)snprintf(out, room,
                            "(dVa\nctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\n%s\nV0\n"
                            "Vcpu\nI%s\ntQI%s\n(%st(%stI00\n(dtRs.",
                            storage, count, offset, sizes, strides);
}

#endif
