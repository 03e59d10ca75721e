/* SPDX-License-Identifier: MIT */
#include "bench/shape_list.h"
#include "bench/report.h"
#include "bench/shape_text.h"
#include "runtime/files/json.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 4 << 20, MOST_SHAPES = 4096, TEXT = 160 };

int sdrt_shape_wanted(const char *what, enum sdrt_family family)
{
    const int norm = family >= SDRT_FAMILY_GN_SUMS && family <= SDRT_FAMILY_RMS_NORM;

    return !what || !strcmp(what, sdrt_family_names[family]) || (norm && !strcmp(what, "norm"));
}

/* Those that differ in an epsilon have the same name. */
static int is_there(const struct sdrt_shape_list *list, const struct sdrt_job *j)
{
    for (int i = 0; i < list->n; i++)
        if (list->job[i].family == j->family && !strcmp(list->job[i].name, j->name)) return 1;
    return 0;
}

/* filter NULL: all. */
static void add(struct sdrt_shape_list *list, const struct sdrt_bench_options *o,
                const struct sdrt_job *j, const char *filter)
{
    if (sdrt_shape_wanted(o->what, j->family) && (!filter || strstr(j->name, filter)) &&
        list->n < MOST_SHAPES && !is_there(list, j))
        list->job[list->n++] = *j;
}

static void add_models(struct sdrt_shape_list *list, const struct sdrt_bench_options *o,
                       const char *filter)
{
    struct sdrt_job j;

    for (int f = 0; f < SDRT_FAMILIES; f++)
        for (int i = 0; i < sdrt_job_count((enum sdrt_family)f); i++) {
            sdrt_job_get(&j, (enum sdrt_family)f, i);
            add(list, o, &j, filter);
        }
}

static int add_file(struct sdrt_shape_list *list, const struct sdrt_bench_options *o,
                    const char *filter)
{
    int status = sdrt_json_load(&list->file, o->shapes, MOST_BYTES, o->log);
    json_t *row;
    size_t i;

    if (status != SDRT_OK) return status;
    const json_t *rows = json_object_get(list->file, "shapes");
    if (!json_is_array(rows) || json_array_size(rows) > MOST_SHAPES)
        return sdrt_fail(o->log, SDRT_E_FORMAT, "%s: expected an array \"shapes\" of up to %d",
                         o->shapes, MOST_SHAPES);
    json_array_foreach(rows, i, row) {
        const char *text = json_string_value(json_object_get(row, "shape"));
        const char *name = json_string_value(json_object_get(row, "name"));
        const json_t *calls = json_object_get(row, "calls");
        struct sdrt_job j;
        if (!text)
            return sdrt_fail(o->log, SDRT_E_FORMAT,
                             "%s: shape %zu: expected an object with \"shape\", a "
                             "text",
                             o->shapes, i + 1);
        status = sdrt_shape_read(&j, text, o->log);
        if (status != SDRT_OK) return status;
        if (name) j.name = name;
        if (json_is_integer(calls) && json_integer_value(calls) > 0 &&
            json_integer_value(calls) < 1 << 24)
            j.calls = (int)json_integer_value(calls);
        add(list, o, &j, filter);
    }
    return SDRT_OK;
}

int sdrt_shape_list_create(struct sdrt_shape_list *list, const struct sdrt_bench_options *o)
{
    const int written = o->shape && sdrt_shape_is_text(o->shape);
    int status = SDRT_OK, known = 0;
    struct sdrt_job j;

    *list = (struct sdrt_shape_list){ .job = calloc(MOST_SHAPES, sizeof *list->job) };
    if (!list->job) return sdrt_fail(o->log, SDRT_E_NOMEM, "out of memory for shapes");
    for (int f = 0; f < SDRT_FAMILIES; f++)
        known |= sdrt_shape_wanted(o->what, (enum sdrt_family)f);
    if (!known)
        return sdrt_fail(o->log, SDRT_E_ARG,
                         "unknown family \"%s\": expected attention, conv, gemm, "
                         "norm, gn_sums, gn_fold, layer_norm, rms_norm or elementwise",
                         o->what);
    if (written && o->shapes)
        return sdrt_fail(o->log, SDRT_E_ARG,
                         "--shape \"%s\" is a shape: expected no --shapes beside it", o->shape);
    if (written) {
        status = sdrt_shape_read(&j, o->shape, o->log);
        if (status != SDRT_OK) return status;
        if (!sdrt_shape_wanted(o->what, j.family))
            return sdrt_fail(o->log, SDRT_E_ARG, "--shape \"%s\": expected one of %s", o->shape,
                             o->what);
        add(list, o, &j, NULL);
    } else if (o->shapes) status = add_file(list, o, o->shape);
    else add_models(list, o, o->shape);
    if (status == SDRT_OK && !list->n)
        status = sdrt_fail(o->log, SDRT_E_ARG, "no shape whose name holds \"%s\"",
                           o->shape  ? o->shape
                           : o->what ? o->what
                                     : "");
    return status;
}

void sdrt_shape_list_free(struct sdrt_shape_list *list)
{
    free(list->job);
    json_decref(list->file);
    *list = (struct sdrt_shape_list){ .n = 0 };
}

/* ---- sdbench shapes ---- */

static const struct sdrt_column columns[] = {
    { "shape", "shape", 0, 0 },
    { "name", "name", 0, 0 },
    { "calls", "calls", 0, 0 },
};

int sdrt_bench_shapes(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    struct sdrt_shape_list list;
    char text[TEXT];
    const int status = sdrt_shape_list_create(&list, o);

    sdrt_report_table(r, "shapes", columns, sizeof columns / sizeof columns[0]);
    for (int i = 0; i < list.n && status == SDRT_OK; i++) {
        sdrt_shape_write(&list.job[i], text, sizeof text);
        sdrt_report_row(r, json_pack("{s:s, s:s, s:i}", "shape", text, "name", list.job[i].name,
                                     "calls", list.job[i].calls));
    }
    sdrt_shape_list_free(&list);
    return status;
}
