/* SPDX-License-Identifier: MIT
 *
 * The plan and the figures of a run, as text.
 */
#include "model/pipeline/cache.h"
#include "model/pipeline/read.h"
#include "runtime/base/numbers.h"
#include "runtime/base/text.h"
#include "runtime/files/atomic_file.h"
#include "runtime/files/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t arena_bytes(const struct sdrt_session *s)
{
    return s->persistent_bytes + s->workspace_bytes;
}

/* ---- the plan ---- */

static char *plan_json(const struct sdrt_session *s, const struct sdrt_request *r)
{
    const struct sdrt_model *m = s->model;
    json_t *programs = json_array(), *work = sdrt_cache_work_json(s, r);
    int failed = !programs || !work;

    for (int i = 0; i < s->n_passes && !failed; i++)
        if (s->programs[i])
            failed = json_array_append_new(programs, sdrt_program_json(s->programs[i]));
    if (failed) {
        json_decref(programs);
        json_decref(work);
        return NULL;
    }
    return sdrt_json_text(
        json_pack("{ss ss si sf sI sI sI sI sI sI sI so so}", "isa", m->device->isa, "precision",
                  sdrt_model_precision_text(m), "threads", s->queue->workers, "plan_ms",
                  s->plan_seconds * 1e3, "weights_bytes", (json_int_t)sdrt_model_weights_bytes(m),
                  "persistent_bytes", (json_int_t)s->persistent_bytes, "workspace_bytes",
                  (json_int_t)s->workspace_bytes, "arena_bytes", (json_int_t)arena_bytes(s),
                  "peak_weights_bytes", (json_int_t)sdrt_session_peak_weights(s),
                  "host_workspace_bytes", (json_int_t)s->host_workspace_bytes, "streamed_bytes",
                  (json_int_t)sdrt_session_streamed_bytes(s), "denoising", work, "programs",
                  programs));
}

/* What a device needs to have, and what the processor beside it computes in. */
static void write_device_budget(const struct sdrt_session *s, FILE *f)
{
    const double mib = 1.0 / (1 << 20), weights = (double)sdrt_session_peak_weights(s) * mib;
    const double arena = (double)arena_bytes(s) * mib;

    fprintf(f,
            "on %s: weights %.1f MiB at most at once + arena %.1f MiB = %.1f MiB; the processor "
            "beside it: arena %.1f MiB\n",
            s->model->device->isa, weights, arena, weights + arena,
            (double)(s->persistent_bytes + s->host_workspace_bytes) * mib);
    if (s->streamed > 0.0)
        fprintf(f, "of the denoiser's weights %.1f MiB cross to it in each evaluation\n",
                (double)sdrt_session_streamed_bytes(s) * mib);
}

static char *plan_table(const struct sdrt_session *s, const struct sdrt_request *r)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    if (!f) return NULL;
    const struct sdrt_numbers numbers = sdrt_numbers_begin();
    for (int i = 0; i < s->n_passes; i++) {
        if (!s->programs[i]) continue;
        sdrt_program_write_table(s->programs[i], f);
        fputc('\n', f);
    }
    sdrt_cache_write_work(s, r, f);
    fprintf(f,
            "planned in %.1f ms; arena %.1f MiB = %.1f MiB for the whole run + %.1f MiB shared "
            "by the programs; weights %.1f MiB\n",
            s->plan_seconds * 1e3, (double)arena_bytes(s) / (1 << 20),
            (double)s->persistent_bytes / (1 << 20), (double)s->workspace_bytes / (1 << 20),
            (double)sdrt_model_weights_bytes(s->model) / (1 << 20));
    if (!sdrt_device_is_host(s->model->device)) write_device_budget(s, f);
    sdrt_numbers_end(&numbers);
    if (fclose(f) == 0) return text;
    free(text);
    return NULL;
}

int sdrt_session_plan_text(struct sdrt_session *s, const struct sdrt_request *request,
                           enum sdrt_plan_form form, char **text)
{
    struct sdrt_request r;
    int status;

    if (text) *text = NULL;
    status = sdrt_session_plan_request(s, request);
    if (status == SDRT_OK) status = sdrt_request_read(&r, request, s->log);
    if (status != SDRT_OK) return status;
    r = sdrt_request_resolved(s->model, &r);
    if (!text) return sdrt_fail(s->log, SDRT_E_ARG, "no place for the plan's text: expected one");
    if (form != SDRT_PLAN_TABLE && form != SDRT_PLAN_JSON)
        return sdrt_fail(s->log, SDRT_E_ARG, "form %d of a plan: expected a table or JSON",
                         (int)form);
    *text = form == SDRT_PLAN_JSON ? plan_json(s, &r) : plan_table(s, &r);
    return *text ? SDRT_OK : sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for the plan's text");
}

int sdrt_session_write_plan(struct sdrt_session *s, const struct sdrt_request *request,
                            const char *path)
{
    struct sdrt_atomic_file *out = NULL;
    char *text;

    if (!s) return SDRT_E_ARG;
    if (!path) return sdrt_fail(s->log, SDRT_E_ARG, "a plan: expected a path, not NULL");
    if (sdrt_ends_with(path, ".svg"))
        return sdrt_fail(s->log, SDRT_E_UNSUPPORTED,
                         "%s: a plan is written as a table or JSON, "
                         "expected another name",
                         path);
    const int json = sdrt_ends_with(path, ".json");
    int status = sdrt_session_plan_text(s, request, json ? SDRT_PLAN_JSON : SDRT_PLAN_TABLE, &text);
    if (status == SDRT_OK) status = sdrt_atomic_open(&out, path, s->log);
    if (status == SDRT_OK) {
        sdrt_atomic_write(out, text, strlen(text));
        if (json) sdrt_atomic_write(out, "\n", 1);
        status = sdrt_atomic_commit(&out, s->log);
    }
    free(text);
    return status;
}

/* ---- the figures ---- */

char *sdrt_session_report_json(const struct sdrt_session *s)
{
    if (!s) return NULL;
    const double *seconds = s->stage_seconds;
    return sdrt_json_text(json_pack(
        "{ss ss ss si si si si s{sf sf sf sf sf sf} si si sf sI sI sI}", "version", sdrt_version(),
        "isa", s->model->device->isa, "precision", sdrt_model_precision_text(s->model), "threads",
        s->queue->workers, "images", s->n_images, "width", s->width, "height", s->height, "seconds",
        "load", seconds[SDRT_STAGE_LOAD], "text", seconds[SDRT_STAGE_TEXT], "denoise",
        seconds[SDRT_STAGE_DENOISE], "decode", seconds[SDRT_STAGE_DECODE], "encode",
        seconds[SDRT_STAGE_ENCODE], "evaluation", s->evaluation_seconds, "evaluations",
        s->evaluations_done, "left_out", s->left_out, "plan_ms", s->plan_seconds * 1e3,
        "weights_bytes", (json_int_t)sdrt_model_weights_bytes(s->model), "arena_bytes",
        (json_int_t)arena_bytes(s), "peak_rss_bytes", (json_int_t)sdrt_memory_peak_rss()));
}
