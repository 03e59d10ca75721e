/* SPDX-License-Identifier: MIT
 *
 * The plan and the figures of a run, as text.
 */
#include "model/pipeline/pipeline.h"
#include "runtime/files/atomic_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int ends_with(const char *s, const char *tail)
{
    const size_t n = strlen(s), t = strlen(tail);

    return n >= t && !strcmp(s + n - t, tail);
}

static size_t weights_bytes(const struct sdrt_context *c)
{
    return sdrt_weight_store_bytes(c->store, "") +
           (c->refiner ? sdrt_weight_store_bytes(c->refiner->store, "") : 0);
}

static void write_json(const struct sdrt_context *c, FILE *f)
{
    fprintf(f, "{\"isa\": \"%s\", \"precision\": \"%s\", \"threads\": %d, \"plan_ms\": %.3f, "
            "\"weights_bytes\": %zu, \"persistent_bytes\": %zu, \"workspace_bytes\": %zu, \"arena_bytes\": %zu, "
            "\"programs\": [\n", c->device->isa, c->precision, c->threads, c->plan_seconds * 1e3,
            weights_bytes(c), c->persistent_bytes, c->workspace_bytes,
            c->persistent_bytes + c->workspace_bytes);
    for (int i = 0; i < SDRT_PROGRAMS; i++) {
        if (!c->programs[i]) continue;
        if (i) fputs(",\n", f);
        sdrt_program_write_json(c->programs[i], f);
    }
    for (int i = 0; i < SDRT_PROGRAMS && c->refiner; i++) {
        if (!c->refiner->programs[i]) continue;
        fputs(",\n", f);
        sdrt_program_write_json(c->refiner->programs[i], f);
    }
    fputs("]}\n", f);
}

static void write_tables(const struct sdrt_context *c, FILE *f)
{
    for (int i = 0; i < SDRT_PROGRAMS; i++) {
        if (!c->programs[i]) continue;
        sdrt_program_write_table(c->programs[i], f);
        fputc('\n', f);
    }
}

static void write_table(const struct sdrt_context *c, FILE *f)
{
    write_tables(c, f);
    if (c->refiner) write_tables(c->refiner, f);
    fprintf(f, "planned in %.1f ms; arena %.1f MiB = %.1f MiB for the whole run + %.1f MiB shared "
            "by the programs; weights %.1f MiB\n", c->plan_seconds * 1e3,
            (double)(c->persistent_bytes + c->workspace_bytes) / (1 << 20),
            (double)c->persistent_bytes / (1 << 20), (double)c->workspace_bytes / (1 << 20),
            (double)weights_bytes(c) / (1 << 20));
}

/* The two programs worth a picture, the U-Net's step and the VAE, one below the other. */
static void write_svg(const struct sdrt_context *c, FILE *f)
{
    fputs("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1200\" height=\"1290\">\n", f);
    sdrt_program_write_svg(c->programs[SDRT_PROGRAM_STEP], f);
    fputs("<g transform=\"translate(0 650)\">\n", f);
    sdrt_program_write_svg(c->programs[SDRT_PROGRAM_DECODE], f);
    fputs("</g>\n</svg>\n", f);
}

int sdrt_plan_report(struct sdrt_context *c, const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    int status = SDRT_OK;

    if (!f) return sdrt_fail(c->log, SDRT_E_NOMEM, "out of memory for the plan's text");
    if (path && ends_with(path, ".svg")) write_svg(c, f);
    else if (path && (ends_with(path, ".json") || !strcmp(path, "-json"))) write_json(c, f);
    else write_table(c, f);
    if (fclose(f) != 0 || !text) {
        free(text);
        return sdrt_fail(c->log, SDRT_E_NOMEM, "out of memory for the plan's text");
    }
    if (!path || !strcmp(path, "-json")) {
        if (fwrite(text, 1, size, stdout) != size || fflush(stdout) != 0)
            status = sdrt_fail(c->log, SDRT_E_IO, "cannot write the plan to standard output");
    } else {
        struct sdrt_atomic_file *out = NULL;
        status = sdrt_atomic_open(&out, path, c->log);
        if (status == SDRT_OK) {
            sdrt_atomic_write(out, text, size);
            status = sdrt_atomic_commit(&out, c->log);
        }
    }
    free(text);
    return status;
}

char *sdrt_report_json(const struct sdrt_context *c)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    if (!f) return NULL;
    fprintf(f, "{\"version\": \"%s\", \"isa\": \"%s\", \"precision\": \"%s\", "
            "\"threads\": %d, \"images\": %d, \"width\": %d, \"height\": %d, \"seconds\": {\"load\": %.6f, \"text\": %.6f, "
            "\"denoise\": %.6f, \"decode\": %.6f, \"evaluation\": %.6f}, \"evaluations\": %d, "
            "\"plan_ms\": %.3f, \"weights_bytes\": %zu, \"arena_bytes\": %zu, "
            "\"peak_rss_bytes\": %zu}", sdrt_version(), c->device->isa, c->precision, c->threads,
            c->n_images, c->width, c->height, c->stage_seconds[SDRT_STAGE_LOAD], c->stage_seconds[SDRT_STAGE_TEXT],
            c->stage_seconds[SDRT_STAGE_DENOISE], c->stage_seconds[SDRT_STAGE_DECODE],
            c->evaluation_seconds, c->evaluations_done, c->plan_seconds * 1e3,
            weights_bytes(c), c->persistent_bytes + c->workspace_bytes, sdrt_memory_peak_rss());
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
