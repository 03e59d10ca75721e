/* SPDX-License-Identifier: MIT */
#include "tests/single_file.h"
#include "tests/golden_models.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const parts[MOST_PARTS] = { "unet", "transformer", "vae", "text_encoder",
                                               "text_encoder_2" };

void read_single(struct single *s, const char *family)
{
    FILE *f = fopen(path_in(family, "single-names.txt"), "r");
    char line[1024], file[128];

    cr_assert_not_null(f);
    for (int i = 0; i < MOST_PARTS; i++) {
        snprintf(file, sizeof file, "%s/%s.safetensors", parts[i],
                 i < 3 ? "diffusion_pytorch_model" : "model");
        sdrt_tensor_file_open(&s->files[i], path_in(family, file), &kept_log);
    }
    while (fgets(line, sizeof line, f)) {
        struct single_tensor *t = &s->tensors[s->n++];
        cr_assert_lt(s->n, TENSORS);
        const char *name = strtok(line, "\t\n"), *op = strtok(NULL, "\t\n");
        const char *part = strtok(NULL, "\t\n"), *from;
        int i = 0;
        cr_assert(part);
        while (strcmp(part, parts[i])) cr_assert_lt(++i, MOST_PARTS);
        snprintf(t->name, sizeof t->name, "%s", name);
        snprintf(t->op, sizeof t->op, "%s", op);
        while ((from = strtok(NULL, "\t\n"))) {
            cr_assert_lt(t->n, 3);
            cr_assert_eq(sdrt_tensor_file_find(s->files[i], from, &t->from[t->n++], &kept_log),
                         SDRT_OK, "%s", from);
        }
    }
    fclose(f);
}

static void write_header(FILE *header, const struct single *s)
{
    size_t at = 0;

    for (int i = 0; i < s->n; i++) {
        const struct single_tensor *t = &s->tensors[i];
        const struct sdrt_file_tensor *a = t->from[0];
        const int turned = !strcmp(t->op, "turn");
        fprintf(header, "%s\"%s\": {\"dtype\": \"%s\", \"shape\": [", i ? ", " : "{", t->name,
                a->dtype_name);
        for (int d = 0; d < a->rank; d++)
            fprintf(header, "%s%d", d ? ", " : "",
                    (int)a->shape[turned ? a->rank - 1 - d : d] * (d ? 1 : t->n));
        fprintf(header, "%s], \"data_offsets\": [%zu, %zu]}",
                strstr(t->name, ".attn_1.") && a->rank == 2 ? ", 1, 1" : "", at,
                at + a->bytes * (size_t)t->n);
        at += a->bytes * (size_t)t->n;
    }
    fputc('}', header);
}

static void write_data(FILE *f, const struct single_tensor *t)
{
    const struct sdrt_file_tensor *a = t->from[0];
    const size_t size = 2;

    if (!strcmp(t->op, "swap")) {
        fwrite((const char *)a->data + a->bytes / 2, 1, a->bytes / 2, f);
        fwrite(a->data, 1, a->bytes / 2, f);
        return;
    }
    if (strcmp(t->op, "turn")) {
        for (int k = 0; k < t->n; k++) fwrite(t->from[k]->data, 1, t->from[k]->bytes, f);
        return;
    }
    for (int64_t i = 0; i < a->shape[1]; i++)
        for (int64_t j = 0; j < a->shape[0]; j++)
            fwrite((const char *)a->data + (size_t)(j * a->shape[1] + i) * size, 1, size, f);
}

void write_single(const char *path, const struct single *s)
{
    FILE *f = fopen(path, "wb"), *header;
    char *text = NULL;
    size_t length = 0;

    cr_assert_not_null(f);
    header = open_memstream(&text, &length);
    write_header(header, s);
    fclose(header);
    for (int i = 0; i < 8; i++) fputc((int)(length >> (8 * i)) & 0xff, f);
    fwrite(text, 1, length, f);
    for (int i = 0; i < s->n; i++) write_data(f, &s->tensors[i]);
    cr_assert_eq(fclose(f), 0);
    free(text);
}

void close_single(struct single *s)
{
    for (int i = 0; i < MOST_PARTS; i++) sdrt_tensor_file_close(&s->files[i]);
}

struct single_tensor *find_single(struct single *s, const char *part)
{
    for (int i = 0; i < s->n; i++)
        if (strstr(s->tensors[i].name, part)) return &s->tensors[i];
    cr_assert_fail("%s", part);
    return NULL;
}
