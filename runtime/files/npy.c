/* SPDX-License-Identifier: MIT */
#include "runtime/files/npy.h"

#include "runtime/files/atomic_file.h"
#include "runtime/files/read_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files hold what memory holds");

static const char MAGIC[6] = { '\x93', 'N', 'U', 'M', 'P', 'Y' };

enum {
    PREFIX    = 10,   /* magic, version, length of the header */
    ALIGNMENT = 64,   /* the data begins at a multiple of it */
    HEADER    = 512,  /* holds every header that is written here */
};

static const char *descr(enum sdrt_dtype dtype)
{
    switch (dtype) {
    case SDRT_F16:  return "<f2";
    case SDRT_F32:  return "<f4";
    case SDRT_F64:  return "<f8";
    case SDRT_I64:  return "<i8";
    case SDRT_I32:  return "<i4";
    case SDRT_U8:   return "|u1";
    case SDRT_I8:   return "|i1";
    case SDRT_BOOL: return "|b1";
    default:        return NULL;
    }
}

/* Bytes of an array, or -1 when the shape is impossible. */
static int array_bytes(enum sdrt_dtype dtype, int rank, const int64_t *shape, size_t *bytes)
{
    *bytes = sdrt_dtype_size(dtype);
    for (int i = 0; i < rank; i++)
        if (shape[i] < 0 || __builtin_mul_overflow(*bytes, (uint64_t)shape[i], bytes)) return -1;
    return 0;
}

/* The text header with NumPy's own spacing and padding; returns its length. */
static size_t format_header(char header[HEADER], enum sdrt_dtype dtype, int rank,
                            const int64_t *shape)
{
    size_t used = (size_t)snprintf(header, HEADER, "{'descr': '%s', 'fortran_order': False, "
                                   "'shape': (", descr(dtype));
    size_t total;

    for (int i = 0; i < rank; i++)
        used += (size_t)snprintf(header + used, HEADER - used, i ? ", %lld" : "%lld",
                                 (long long)shape[i]);
    used += (size_t)snprintf(header + used, HEADER - used, rank == 1 ? ",), }" : "), }");
    total = (PREFIX + used + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT - PREFIX;
    memset(header + used, ' ', total - used - 1);
    header[total - 1] = '\n';
    return total;
}

int sdrt_npy_write(const char *path, enum sdrt_dtype dtype, int rank, const int64_t *shape,
                   const void *data, const struct sdrt_log *log)
{
    struct sdrt_atomic_file *file;
    unsigned char prefix[PREFIX] = { [6] = 1 };
    char header[HEADER];
    size_t length, bytes;
    int status;

    if (!descr(dtype) || rank < 0 || rank > SDRT_NPY_MAX_RANK ||
        array_bytes(dtype, rank, shape, &bytes) != 0)
        return sdrt_fail(log, SDRT_E_ARG, "%s: NumPy files hold no such array (%s, rank %d)", path,
                         sdrt_dtype_name(dtype), rank);
    status = sdrt_atomic_open(&file, path, log);
    if (status != SDRT_OK) return status;
    length = format_header(header, dtype, rank, shape);
    memcpy(prefix, MAGIC, sizeof MAGIC);
    prefix[8] = (unsigned char)(length & 0xff);
    prefix[9] = (unsigned char)(length >> 8);
    sdrt_atomic_write(file, prefix, sizeof prefix);
    sdrt_atomic_write(file, header, length);
    sdrt_atomic_write(file, data, bytes);
    return sdrt_atomic_commit(&file, log);
}

/* What follows 'key': in the header's dictionary, or NULL.  The header ends in 0. */
static const char *value_of(const char *header, const char *key)
{
    const char *at = strstr(header, key);

    if (!at) return NULL;
    at += strlen(key);
    while (*at == ' ' || *at == ':') at++;
    return at;
}

static int parse_dtype(const char *header, enum sdrt_dtype *dtype)
{
    const char *at = value_of(header, "'descr'");

    for (int i = 0; at && i < SDRT_DTYPES; i++) {
        const char *name = descr((enum sdrt_dtype)i);
        if (name && at[0] == '\'' && !strncmp(at + 1, name, 3) && at[4] == '\'') {
            *dtype = (enum sdrt_dtype)i;
            return 0;
        }
    }
    return -1;
}

static int parse_shape(const char *header, int *rank, int64_t *shape)
{
    const char *at = value_of(header, "'shape'");
    char *end;

    *rank = 0;
    if (!at || *at++ != '(') return -1;
    while (*at != ')') {
        errno = 0;
        const long long dim = strtoll(at, &end, 10);
        if (end == at || errno || dim < 0 || *rank == SDRT_NPY_MAX_RANK) return -1;
        shape[(*rank)++] = dim;
        for (at = end; *at == ' '; at++) {}
        if (*at != ',' && *at != ')') return -1;
        while (*at == ' ' || *at == ',') at++;
    }
    return 0;
}

/* file holds size bytes and a 0 behind them; its data is moved to the front and becomes
 * out->data. */
static int parse(struct sdrt_npy *out, char *file, size_t size, const char *path,
                 const struct sdrt_log *log)
{
    size_t length, bytes;
    const char *order;

    if (size < PREFIX || memcmp(file, MAGIC, sizeof MAGIC))
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: a NumPy array (.npy) is expected", path);
    if (file[6] != 1)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: .npy version %d, 1 is expected", path,
                         file[6]);
    length = (unsigned char)file[8] + 256u * (unsigned char)file[9];
    if (length == 0 || length > size - PREFIX)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: truncated within its header", path);
    file[PREFIX + length - 1] = '\0'; /* in place of the newline */
    order = value_of(file + PREFIX, "'fortran_order'");
    if (!order || strncmp(order, "False", 5) || parse_dtype(file + PREFIX, &out->dtype))
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: C order and a type known to sdrt are expected: %s", path,
                         file + PREFIX);
    if (parse_shape(file + PREFIX, &out->rank, out->shape) ||
        array_bytes(out->dtype, out->rank, out->shape, &bytes))
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: bad shape in its header: %s", path,
                         file + PREFIX);
    if (bytes != size - PREFIX - length)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: has %zu bytes of data, its shape needs %zu",
                         path, size - PREFIX - length, bytes);
    out->elements = bytes / sdrt_dtype_size(out->dtype);
    memmove(file, file + PREFIX + length, bytes);
    out->data = file;
    return SDRT_OK;
}

int sdrt_npy_read(struct sdrt_npy **out, const char *path, const struct sdrt_log *log)
{
    struct sdrt_npy *array = NULL;
    char *file = NULL;
    size_t size;
    int status;

    *out = NULL;
    status = sdrt_read_file(path, (size_t)-1, &file, &size, log);
    if (status != SDRT_OK) return status;
    array = calloc(1, sizeof *array);
    if (!array) {
        status = sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to read it", path);
        goto out;
    }
    status = parse(array, file, size, path, log);
    if (status != SDRT_OK) goto out;
    file = NULL; /* is array->data now */
    *out = array;
    array = NULL;
out:
    free(file);
    free(array);
    return status;
}

void sdrt_npy_free(struct sdrt_npy **array)
{
    if (!*array) return;
    free((*array)->data);
    free(*array);
    *array = NULL;
}
