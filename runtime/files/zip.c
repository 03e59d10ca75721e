/* SPDX-License-Identifier: MIT */
#include "runtime/files/zip.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are read as they lie on disk");

/* Bytes of the records without what is of variable length, and where their fields lie. */
enum {
    LOCAL = 30,
    LOCAL_NAME = 26,
    LOCAL_EXTRA = 28,
    CENTRAL = 46,
    CENTRAL_FLAGS = 8,
    CENTRAL_METHOD = 10,
    CENTRAL_CRC = 16,
    CENTRAL_PACKED = 20,
    CENTRAL_SIZE = 24,
    CENTRAL_NAME = 28,
    CENTRAL_EXTRA = 30,
    CENTRAL_COMMENT = 32,
    CENTRAL_AT = 42,
    END = 22,
    END_COUNT = 10,
    END_SIZE = 12,
    END_AT = 16,
    END_COMMENT = 20,
    MAX_COMMENT = 65535,
    LOCATOR = 20,
    LOCATOR_AT = 8,
    END64 = 56,
    END64_COUNT = 32,
    END64_SIZE = 40,
    END64_AT = 48,
    EXTRA64 = 1,  /* the extra field of what does not fit into 32 bits */
    ENCRYPTED = 1 /* a flag */
};

static const char local_mark[] = "PK\3\4", central_mark[] = "PK\1\2", end_mark[] = "PK\5\6",
                  locator_mark[] = "PK\6\7", end64_mark[] = "PK\6\6";

static uint16_t get16(const char *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

static uint32_t get32(const char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t get64(const char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

static int is(const char *p, const char *mark) { return !memcmp(p, mark, 4); }

int sdrt_zip_claims(const char *map, size_t size)
{
    return size >= 4 && (is(map, local_mark) || is(map, end_mark));
}

static int need(const struct sdrt_zip *z, uint64_t at, uint64_t n)
{
    return sdrt_file_pages_need(z->pages, z->pages->base + at, (size_t)n);
}

/* The record at the end, whose comment ends where the file does; NULL without one. */
static const char *find_end(const struct sdrt_zip *z)
{
    const size_t most = END + MAX_COMMENT;

    if (z->size < END) return NULL;
    for (size_t back = END; back <= z->size && back <= most; back++) {
        const char *p = z->pages->base + z->size - back;
        if (need(z, z->size - back, END)) return NULL;
        if (is(p, end_mark) && get16(p + END_COMMENT) == back - END) return p;
    }
    return NULL;
}

struct directory {
    uint64_t count, size, at;
};

/* What the end says of the directory, or its 64-bit fellow where there is one. */
static int find_directory(const struct sdrt_zip *z, struct directory *d, const struct sdrt_log *log)
{
    const char *const base = z->pages->base, *const end = find_end(z);

    if (!end)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: truncated: a zip archive (of PyTorch or others) whose end, with its "
                         "directory, is missing",
                         z->path);
    *d = (struct directory){ get16(end + END_COUNT), get32(end + END_SIZE), get32(end + END_AT) };
    if (end - base >= LOCATOR && need(z, (size_t)(end - base) - LOCATOR, LOCATOR)) return SDRT_E_IO;
    if (end - base >= LOCATOR && is(end - LOCATOR, locator_mark)) {
        const uint64_t at = get64(end - LOCATOR + LOCATOR_AT);
        if (z->size < END64 || at > z->size - END64 || need(z, at, END64) ||
            !is(base + at, end64_mark))
            return sdrt_fail(log, SDRT_E_FORMAT,
                             "%s: damaged zip archive: no 64-bit end at byte %llu", z->path,
                             (unsigned long long)at);
        const char *end64 = base + at;
        *d = (struct directory){ get64(end64 + END64_COUNT), get64(end64 + END64_SIZE),
                                 get64(end64 + END64_AT) };
    }
    if (d->at > z->size || d->size > z->size - d->at || d->count > d->size / CENTRAL)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: damaged zip archive: a directory of %llu entries in %llu bytes at "
                         "byte %llu, the file has %zu",
                         z->path, (unsigned long long)d->count, (unsigned long long)d->size,
                         (unsigned long long)d->at, z->size);
    return SDRT_OK;
}

/* Replaces those of size, packed and at that are all ones by the 64-bit ones of the extra fields;
 * 0 when these lack one. */
static int widen(struct sdrt_zip_entry *e, const char *extra, size_t bytes)
{
    uint64_t *const fields[] = { &e->size, &e->packed, &e->at };
    const char *p = NULL;
    size_t left = 0;

    for (size_t i = 0; i + 4 <= bytes && !p; i += 4 + (size_t)get16(extra + i + 2)) {
        if (get16(extra + i) != EXTRA64) continue;
        p = extra + i + 4;
        left = get16(extra + i + 2);
        if (left > bytes - i - 4) return 0;
    }
    for (int i = 0; i < 3; i++) {
        if (*fields[i] != UINT32_MAX) continue;
        if (left < 8) return 0;
        *fields[i] = get64(p);
        p += 8;
        left -= 8;
    }
    return 1;
}

/* Reads the entry at p, of which the directory has left bytes; its length, 0 when it is damaged. */
static size_t read_entry(struct sdrt_zip_entry *e, const char *p, size_t left)
{
    if (left < CENTRAL || !is(p, central_mark)) return 0;
    const size_t name = get16(p + CENTRAL_NAME), extra = get16(p + CENTRAL_EXTRA);
    const size_t length = CENTRAL + name + extra + get16(p + CENTRAL_COMMENT);
    if (length > left) return 0;
    *e = (struct sdrt_zip_entry){
        .name = p + CENTRAL,
        .name_size = name,
        .at = get32(p + CENTRAL_AT),
        .size = get32(p + CENTRAL_SIZE),
        .packed = get32(p + CENTRAL_PACKED),
        .crc = get32(p + CENTRAL_CRC),
        .method = get16(p + CENTRAL_METHOD),
        .flags = get16(p + CENTRAL_FLAGS),
    };
    return widen(e, p + CENTRAL + name, extra) ? length : 0;
}

static int by_name(const void *a, const void *b)
{
    const struct sdrt_zip_entry *x = a, *y = b;
    const size_t n = x->name_size < y->name_size ? x->name_size : y->name_size;
    const int order = memcmp(x->name, y->name, n);

    return order ? order : (x->name_size > y->name_size) - (x->name_size < y->name_size);
}

static int read_entries(struct sdrt_zip *z, const struct directory *d, const struct sdrt_log *log)
{
    const char *p = z->pages->base + d->at;
    size_t left = (size_t)d->size;

    if (need(z, d->at, d->size)) return SDRT_E_IO;
    z->entries = calloc(d->count ? (size_t)d->count : 1, sizeof *z->entries);
    if (!z->entries)
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for %llu entries", z->path,
                         (unsigned long long)d->count);
    while (z->count < d->count) {
        const size_t length = read_entry(&z->entries[z->count], p, left);
        if (!length)
            return sdrt_fail(log, SDRT_E_FORMAT,
                             "%s: damaged zip archive: entry %zu of %llu in its "
                             "directory",
                             z->path, z->count, (unsigned long long)d->count);
        p += length;
        left -= length;
        z->count++;
    }
    qsort(z->entries, z->count, sizeof *z->entries, by_name);
    for (size_t i = 1; i < z->count; i++)
        if (!by_name(&z->entries[i - 1], &z->entries[i]))
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: zip archive with two entries %.*s", z->path,
                             (int)z->entries[i].name_size, z->entries[i].name);
    return SDRT_OK;
}

int sdrt_zip_open(struct sdrt_zip *out, struct sdrt_file_pages *pages, const char *path,
                  const struct sdrt_log *log)
{
    struct directory d = { 0 };

    *out = (struct sdrt_zip){ .pages = pages, .size = pages->size, .path = path };
    int status = find_directory(out, &d, log);
    if (status == SDRT_OK) status = read_entries(out, &d, log);
    if (status != SDRT_OK) sdrt_zip_free(out);
    return status;
}

void sdrt_zip_free(struct sdrt_zip *zip)
{
    free(zip->entries);
    *zip = (struct sdrt_zip){ 0 };
}

const struct sdrt_zip_entry *sdrt_zip_find(const struct sdrt_zip *zip, const char *name,
                                           size_t size)
{
    const struct sdrt_zip_entry key = { .name = name, .name_size = size };

    return bsearch(&key, zip->entries, zip->count, sizeof key, by_name);
}

int sdrt_zip_data(const struct sdrt_zip *zip, const struct sdrt_zip_entry *e, const char **out,
                  const struct sdrt_log *log)
{
    const int n = (int)e->name_size;
    char local[LOCAL];

    *out = NULL;
    if (e->method || e->flags & ENCRYPTED || e->packed != e->size)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: its entry %.*s is %s: expected entries that are only stored, as "
                         "torch.save() writes them",
                         zip->path, n, e->name, e->flags & ENCRYPTED ? "encrypted" : "compressed");
    if (e->at > zip->size || zip->size - e->at < LOCAL ||
        sdrt_file_pages_copy(zip->pages, zip->pages->base + e->at, LOCAL, local) ||
        !is(local, local_mark))
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: damaged zip archive: no entry %.*s at byte %llu",
                         zip->path, n, e->name, (unsigned long long)e->at);
    const uint64_t skip = LOCAL + (uint64_t)get16(local + LOCAL_NAME) + get16(local + LOCAL_EXTRA);
    const uint64_t room = zip->size - e->at;
    if (skip > room || e->size > room - skip)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: truncated: its entry %.*s has %llu bytes, the file ends before",
                         zip->path, n, e->name, (unsigned long long)e->size);
    *out = zip->pages->base + e->at + skip;
    return SDRT_OK;
}
