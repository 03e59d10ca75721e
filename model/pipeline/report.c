/* SPDX-License-Identifier: MIT
 *
 * The plan and the figures of a run, as text.
 */
#include "model/pipeline/session.h"
#include "runtime/files/atomic_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int ends_with(const char *s, const char *tail)
{
    const size_t n = strlen(s), t = strlen(tail);

    return n >= t && !strcmp(s + n - t, tail);
}

static void write_json(const struct sdrt_session *s, FILE *f)
{
    fprintf(f, "{\"isa\": \"%s\", \"precision\": \"%s\", \"threads\": %d, \"plan_ms\": %.3f, "
            "\"weights_bytes\": %zu, \"persistent_bytes\": %zu, \"workspace_bytes\": %zu, \"arena_bytes\": %zu, "
            "\"programs\": [\n", s->model->device->isa, s->model->precision, s->queue->workers, s->plan_seconds * 1e3,
            sdrt_model_weights_bytes(s->model), s->persistent_bytes, s->workspace_bytes,
            s->persistent_bytes + s->workspace_bytes);
    for (int i = 0; i < s->n_passes; i++) {
        if (!s->programs[i]) continue;
        if (i) fputs(",\n", f);
        sdrt_program_write_json(s->programs[i], f);
    }
    fputs("]}\n", f);
}

static void write_table(const struct sdrt_session *s, FILE *f)
{
    for (int i = 0; i < s->n_passes; i++) {
        if (!s->programs[i]) continue;
        sdrt_program_write_table(s->programs[i], f);
        fputc('\n', f);
    }
    fprintf(f, "planned in %.1f ms; arena %.1f MiB = %.1f MiB for the whole run + %.1f MiB shared "
            "by the programs; weights %.1f MiB\n", s->plan_seconds * 1e3,
            (double)(s->persistent_bytes + s->workspace_bytes) / (1 << 20),
            (double)s->persistent_bytes / (1 << 20), (double)s->workspace_bytes / (1 << 20),
            (double)sdrt_model_weights_bytes(s->model) / (1 << 20));
}

/* The two programs worth a picture, the U-Net's step and the VAE, one below the other. */
static void write_svg(const struct sdrt_session *s, FILE *f)
{
    fputs("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1200\" height=\"1290\">\n", f);
    sdrt_program_write_svg(s->programs[sdrt_session_find_when(s, SDRT_PART_BASE, SDRT_EACH_EVALUATION)], f);
    fputs("<g transform=\"translate(0 650)\">\n", f);
    sdrt_program_write_svg(s->programs[sdrt_session_find_when(s, SDRT_PART_BASE, SDRT_ONCE_AN_IMAGE)], f);
    fputs("</g>\n</svg>\n", f);
}

int sdrt_plan_report(struct sdrt_session *s, const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    int status = SDRT_OK;

    if (!f) return sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for the plan's text");
    if (path && ends_with(path, ".svg")) write_svg(s, f);
    else if (path && (ends_with(path, ".json") || !strcmp(path, "-json"))) write_json(s, f);
    else write_table(s, f);
    if (fclose(f) != 0 || !text) {
        free(text);
        return sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for the plan's text");
    }
    if (!path || !strcmp(path, "-json")) {
        if (fwrite(text, 1, size, stdout) != size || fflush(stdout) != 0)
            status = sdrt_fail(s->log, SDRT_E_IO, "cannot write the plan to standard output");
    } else {
        struct sdrt_atomic_file *out = NULL;
        status = sdrt_atomic_open(&out, path, s->log);
        if (status == SDRT_OK) {
            sdrt_atomic_write(out, text, size);
            status = sdrt_atomic_commit(&out, s->log);
        }
    }
    free(text);
    return status;
}

char *sdrt_session_report_json(const struct sdrt_session *s)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    if (!f) return NULL;
    fprintf(f, "{\"version\": \"%s\", \"isa\": \"%s\", \"precision\": \"%s\", "
            "\"threads\": %d, \"images\": %d, \"width\": %d, \"height\": %d, \"seconds\": {\"load\": %.6f, \"text\": %.6f, "
            "\"denoise\": %.6f, \"decode\": %.6f, \"evaluation\": %.6f}, \"evaluations\": %d, "
            "\"plan_ms\": %.3f, \"weights_bytes\": %zu, \"arena_bytes\": %zu, "
            "\"peak_rss_bytes\": %zu}", sdrt_version(), s->model->device->isa, s->model->precision, s->queue->workers,
            s->n_images, s->width, s->height, s->stage_seconds[SDRT_STAGE_LOAD], s->stage_seconds[SDRT_STAGE_TEXT],
            s->stage_seconds[SDRT_STAGE_DENOISE], s->stage_seconds[SDRT_STAGE_DECODE],
            s->evaluation_seconds, s->evaluations_done, s->plan_seconds * 1e3,
            sdrt_model_weights_bytes(s->model), s->persistent_bytes + s->workspace_bytes, sdrt_memory_peak_rss());
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
