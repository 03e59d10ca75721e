/* SPDX-License-Identifier: MIT */
#include "tests/made_weights.h"
#include "runtime/files/npy.h"
#include "tests/golden_models.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 200, TENSORS = 1024 };

struct made {
    char name[NAME], in_file[NAME];
    int64_t shape[4];
    int rank;
};

static struct made tensors[TENSORS]; /* large */

static int widened;

void made_widen(int channels) { widened = channels; }

static int read_list(const char *kind, int single)
{
    char path[64], line[512], in_file[NAME], shape[64];
    int n = 0;

    snprintf(path, sizeof path, "../nets/%s.txt", kind);
    FILE *f = fopen(path_in("sd15", path), "r");
    cr_assert_not_null(f, "%s", path_in("sd15", path));
    while (fgets(line, sizeof line, f)) {
        struct made *t = &tensors[n++];
        char *p = shape;
        cr_assert_leq(n, TENSORS);
        cr_assert_eq(sscanf(line, "%199s\t%199s\t%63s", t->name, in_file, shape), 3);
        snprintf(t->in_file, NAME, "%.199s", single && strcmp(in_file, "-") ? in_file : t->name);
        for (t->rank = 0; *p; p += strspn(p, ",")) t->shape[t->rank++] = strtoll(p, &p, 10);
        if (widened && !strcmp(t->name, "conv_in.weight")) t->shape[1] = widened;
    }
    fclose(f);
    return n;
}

static size_t elements(const struct made *t)
{
    size_t n = 1;

    for (int d = 0; d < t->rank; d++) n *= (size_t)t->shape[d];
    return n;
}

/* Number i of a tensor whose name hashes to h, from -1 to 1: splitmix64 (Steele et al., 2014). */
static double uniform(uint64_t h, size_t i)
{
    uint64_t z = h + ((uint64_t)i + 1) * 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(z >> 40) / (1 << 23) - 1.0;
}

/* How much larger an upscaler's weights within dense blocks are, so that a fifth of a block is about as
 * large as what goes around it. */
static double times(const char *name)
{
    const char *block = strstr(name, ".rdb");

    if (!block) return 1.0;
    return strstr(block, ".conv5.") ? 4.0 : 2.0;
}

static void write_values(FILE *f, const struct made *t)
{
    const size_t n = elements(t), dot = strlen(t->name) - strlen(".weight");
    const double size = times(t->name) * sqrt(3.0 / (double)(n / (size_t)t->shape[0]));
    const int norm = t->rank == 1 && !strcmp(t->name + dot, ".weight");
    const double grey = strcmp(t->name, "conv_last.bias") ? 0.0 : 0.5; /* of an upscaler */
    uint64_t h = 0xcbf29ce484222325u;

    for (const char *p = t->name; *p; p++) h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    for (size_t i = 0; i < n; i++) {
        const double u = uniform(h, i);
        const float value = (float)(t->rank > 1 ? u * size : norm ? 1.0 + 0.1 * u : 0.1 * u + grey);
        fwrite(&value, sizeof value, 1, f);
    }
}

const char *made_write(const char *file, const char *kind, int single, const char *front)
{
    const int n = read_list(kind, single);
    const char *path = temp_path(file);
    FILE *f = fopen(path, "wb"), *header;
    size_t size = 0, at = 0;
    char *text = NULL;

    cr_assert_not_null(f, "%s", path);
    header = open_memstream(&text, &size);
    for (int i = 0; i < n; i++) {
        const struct made *t = &tensors[i];
        fprintf(header, "%s\"%s%s\":{\"dtype\":\"F32\",\"shape\":[", i ? "," : "{", front,
                t->in_file);
        for (int d = 0; d < t->rank; d++) fprintf(header, "%s%d", d ? "," : "", (int)t->shape[d]);
        fprintf(header, "],\"data_offsets\":[%zu,%zu]}", at, at + 4 * elements(t));
        at += 4 * elements(t);
    }
    fputc('}', header);
    fclose(header);
    for (int i = 0; i < 8; i++) fputc((int)(size >> (8 * i)) & 0xff, f);
    fwrite(text, 1, size, f);
    for (int i = 0; i < n; i++) write_values(f, &tensors[i]);
    cr_assert_eq(fclose(f), 0);
    free(text);
    return path;
}

double made_psnr(const unsigned char *image, const char *name)
{
    struct sdrt_npy *want = NULL;
    char path[64];
    double error = 0.0;

    snprintf(path, sizeof path, "../nets/%s.npy", name);
    cr_assert_eq(sdrt_npy_read(&want, path_in("sd15", path), &kept_log), SDRT_OK, "%s", kept_text);
    cr_assert_eq(want->elements, 64 * 64 * 3);
    for (size_t i = 0; i < want->elements; i++) {
        const double d = ((double)image[i] - ((const unsigned char *)want->data)[i]) / 255.0;
        error += d * d / (double)want->elements;
    }
    sdrt_npy_free(&want);
    return -10.0 * log10(error + 1e-12);
}
