/* SPDX-License-Identifier: MIT */
#include "tests/lora_files.h"
#include "runtime/files/tensor_files.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 1 << 16, DATA = 1 << 20 };

static char header[8 + HEADER + DATA];
static size_t header_used, data_used;
static char data[DATA];

static void add(const char *name, const char *dtype, const char *shape, const void *bytes, size_t n)
{
    cr_assert_lt(data_used + n, (size_t)DATA);
    header_used += (size_t)snprintf(header + 8 + header_used, HEADER - header_used,
                                    "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,"
                                    "%zu]}",
                                    header_used > 1 ? "," : "", name, dtype, shape, data_used,
                                    data_used + n);
    cr_assert_lt(header_used, (size_t)HEADER);
    memcpy(data + data_used, bytes, n);
    data_used += n;
}

static void add_copy(const struct sdrt_file_tensor *t, const char *name)
{
    char shape[128] = "[";

    for (int i = 0; i < t->rank; i++) {
        const size_t used = strlen(shape);
        snprintf(shape + used, sizeof shape - used, "%s%lld", i ? "," : "", (long long)t->shape[i]);
    }
    strcat(shape, "]");
    add(name, t->dtype_name, shape, t->data, t->bytes);
}

const char *lora_copy(const char *from, const char *to, lora_rename_fn *rename,
                      const struct lora_extra *extra, size_t n)
{
    struct sdrt_tensor_file *f = NULL;

    cr_assert_eq(sdrt_tensor_file_open(&f, from, &kept_log), 0, "%s", kept_text);
    header_used = data_used = 0;
    header[8 + header_used++] = '{';
    for (size_t i = 0; i < sdrt_tensor_file_count(f); i++) {
        const struct sdrt_file_tensor *t = sdrt_tensor_file_at(f, i);
        char name[LORA_NAME];
        snprintf(name, sizeof name, "%s", t->name);
        if (rename) rename(t->name, name);
        if (*name) add_copy(t, name);
    }
    for (size_t i = 0; i < n; i++)
        add(extra[i].name, extra[i].dtype, extra[i].shape, extra[i].data, extra[i].bytes);
    sdrt_tensor_file_close(&f);
    header[8 + header_used++] = '}';
    for (int i = 0; i < 8; i++) header[i] = (char)((unsigned long long)header_used >> (8 * i));
    memcpy(header + 8 + header_used, data, data_used);
    return temp_write(to, header, 8 + header_used + data_used);
}
