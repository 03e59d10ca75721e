/* SPDX-License-Identifier: MIT
 *
 * sdbench compare: what became faster or slower between two files, and what is only noise.
 */
#include "bench/machine.h"
#include "bench/report.h"
#include "bench/stats.h"
#include "runtime/files/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 64 << 20, MOST_SAMPLES = 4096 };

/* One in a hundred rows that did not change is called changed; and a change below one in a
 * hundred is not worth a verdict. */
static const double least_p = 0.01, least_change = 0.01;

static const struct sdrt_column columns[] = {
    { "name", "measured", 0, 0 },     { "a", "A", 3, 0 },     { "b", "B", 3, 0 },
    { "unit", "unit", 0, 0 },         { "speed", "B is times as fast", 3, 0 },
    { "p", "p", 4, 0 },               { "verdict", "verdict", 0, 0 },
};

struct comparison {
    const struct sdrt_bench_options *o;
    struct sdrt_report *report;
    json_t *rows_b;      /* of file B by key */
    int rows, faster, slower, beyond, missing;
    double log_speed;    /* sum */
};

/* The samples of a row, NULL when it has none. */
static const json_t *samples_of(const json_t *row, int *rate)
{
    const json_t *times = json_object_get(row, "samples_ms");
    const json_t *rates = json_object_get(row, "samples_rate");

    *rate = !json_is_array(times);
    return json_is_array(times) ? times : json_is_array(rates) ? rates : NULL;
}

/* Numbers into x; how many. */
static int numbers(const json_t *list, double x[MOST_SAMPLES])
{
    size_t i;
    json_t *value;
    int n = 0;

    json_array_foreach(list, i, value)
        if (json_is_number(value) && json_number_value(value) > 0.0 && n < MOST_SAMPLES)
            x[n++] = json_number_value(value);
    return n;
}

/* Calls use for each row with samples in a document, under a key that is unique in the file. */
typedef void use_row(struct comparison *c, const char *key, json_t *row);
static void rows_of_document(struct comparison *c, json_t *document, use_row *use)
{
    const char *command = json_string_value(json_object_get(document, "command")), *table;
    json_t *rows, *row;
    size_t i;
    int rate;

    json_object_foreach(document, table, rows) {
        json_t *seen = json_object();
        json_array_foreach(rows, i, row) {
            const char *name = json_string_value(json_object_get(row, "name"));
            char key[256];
            if (!name || !samples_of(row, &rate)) continue;
            const json_int_t times = json_integer_value(json_object_get(seen, name)) + 1;
            json_object_set_new(seen, name, json_integer(times));
            snprintf(key, sizeof key, times > 1 ? "%s: %s (%d)" : "%s: %s", command ? command : "",
                     name, (int)times);
            use(c, key, row);
        }
        json_decref(seen);
    }
}

/* A file is a document or a list of them. */
static void rows_of_file(struct comparison *c, json_t *file, use_row *use)
{
    size_t i;
    json_t *document;

    if (json_is_object(file)) rows_of_document(c, file, use);
    json_array_foreach(file, i, document) rows_of_document(c, document, use);
}

static void remember(struct comparison *c, const char *key, json_t *row)
{
    json_object_set(c->rows_b, key, row);
}

/* Whether so few samples could ever show a difference: 2 / (na + nb choose na). */
static int enough(int na, int nb)
{
    return 2.0 * exp(lgamma(na + 1.0) + lgamma(nb + 1.0) - lgamma(na + nb + 1.0)) < least_p;
}

static const char *judge(struct comparison *c, double speed, double p, int na, int nb)
{
    if (!enough(na, nb)) return "too few samples";
    if (p >= least_p || fabs(speed - 1.0) < least_change) return "same within noise";
    if (speed > 1.0) {
        c->faster++;
        return "faster";
    }
    c->slower++;
    if (c->o->fail_above >= 0.0 && 100.0 * (1.0 / speed - 1.0) > c->o->fail_above) c->beyond++;
    return "slower";
}

static void compare_row(struct comparison *c, const char *key, json_t *row)
{
    static double a[MOST_SAMPLES], b[MOST_SAMPLES];
    int rate, rate_b;
    const json_t *row_b = json_object_get(c->rows_b, key);
    const json_t *list_a = samples_of(row, &rate), *list_b = samples_of(row_b, &rate_b);
    const int na = numbers(list_a, a), nb = list_b && rate == rate_b ? numbers(list_b, b) : 0;

    if (!na || !nb) {
        c->missing++;
        return;
    }
    const double ma = sdrt_median(a, na), mb = sdrt_median(b, nb);
    const double speed = rate ? mb / ma : ma / mb, p = sdrt_mann_whitney(a, na, b, nb);
    const char *unit = json_string_value(json_object_get(row, "unit"));
    c->rows++;
    c->log_speed += log(speed);
    sdrt_report_row(c->report, json_pack(
        "{s:s, s:f, s:f, s:s, s:f, s:f, s:i, s:i, s:s}", "name", key, "a", ma, "b", mb, "unit",
        rate && unit ? unit : "ms", "speed", speed, "p", p, "samples_a", na, "samples_b", nb,
        "verdict", judge(c, speed, p, na, nb)));
}

/* ---- the two files ---- */

static int load(json_t **out, const char *path, const struct sdrt_log *log)
{
    const int status = sdrt_json_load(out, path, MOST_BYTES, log);

    if (status != SDRT_OK) return status;
    const json_t *first = json_is_array(*out) ? json_array_get(*out, 0) : *out;
    if (json_is_string(json_object_get(first, "command"))) return SDRT_OK;
    json_decref(*out);
    *out = NULL;
    return sdrt_fail(log, SDRT_E_FORMAT, "%s: expected a file that sdbench wrote", path);
}

static const json_t *first_of(const json_t *file)
{
    return json_is_array(file) ? json_array_get(file, 0) : file;
}

static const char *text_of(const json_t *file, const char *group, const char *key)
{
    const json_t *object = group ? json_object_get(first_of(file), group) : first_of(file);
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "unknown";
}

static void warn_of_differences(struct comparison *c, const json_t *a, const json_t *b)
{
    static const char *const same[] = { "machine", "isa", "precision", "network", "size" };
    const double roof_a = json_number_value(json_object_get(
        json_object_get(first_of(a), "roof"), "f32_gflops"));
    const double roof_b = json_number_value(json_object_get(
        json_object_get(first_of(b), "roof"), "f32_gflops"));

    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        if (strcmp(text_of(a, NULL, same[i]), text_of(b, NULL, same[i])))
            sdrt_report_warn(c->report, "different %s: %s and %s", same[i],
                             text_of(a, NULL, same[i]), text_of(b, NULL, same[i]));
    if (json_number_value(json_object_get(first_of(a), "threads")) !=
        json_number_value(json_object_get(first_of(b), "threads")))
        sdrt_report_warn(c->report, "different numbers of threads");
    if (roof_a > 0.0 && roof_b > 0.0) {
        sdrt_report_number(c->report, "roof_ratio", roof_b / roof_a, "roof, B/A", "", 3);
        if (fabs(roof_b / roof_a - 1.0) > 0.05)
            sdrt_report_warn(c->report, "the machine itself was %.1f %% %s in B",
                             100.0 * fabs(roof_b / roof_a - 1.0),
                             roof_b < roof_a ? "slower" : "faster");
    }
}

static void add_file(struct comparison *c, const char *key, const char *label, const char *path,
                     const json_t *file)
{
    char text[512];
    const char *name = strrchr(path, '/');

    snprintf(text, sizeof text, "%s, commit %s, %s", name ? name + 1 : path,
             text_of(file, "run", "commit"), text_of(file, "run", "date"));
    sdrt_report_text(c->report, key, text, label);
}

int sdrt_bench_compare(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    struct comparison c = { .o = o, .report = r, .rows_b = json_object() };
    json_t *a = NULL, *b = NULL;
    int status = c.rows_b ? load(&a, o->what, o->log)
                          : sdrt_fail(o->log, SDRT_E_NOMEM, "out of memory");

    if (status == SDRT_OK) status = load(&b, o->other, o->log);
    if (status != SDRT_OK) goto out;
    sdrt_build_facts(r);
    add_file(&c, "a", "A", o->what, a);
    add_file(&c, "b", "B", o->other, b);
    warn_of_differences(&c, a, b);
    sdrt_report_table(r, "rows", columns, sizeof columns / sizeof columns[0]);
    rows_of_file(&c, b, remember);
    rows_of_file(&c, a, compare_row);
    if (!c.rows) {
        status = sdrt_fail(o->log, SDRT_E_FORMAT, "%s and %s have no measurement in common",
                           o->what, o->other);
        goto out;
    }
    sdrt_report_number(r, "faster", c.faster, "faster", "", 0);
    sdrt_report_number(r, "slower", c.slower, "slower", "", 0);
    sdrt_report_number(r, "same", c.rows - c.faster - c.slower, "no verdict", "", 0);
    sdrt_report_number(r, "only_in_a", c.missing, "only in A", "", 0);
    sdrt_report_number(r, "mean_speed", exp(c.log_speed / c.rows), "B is in the mean",
                       "times as fast", 3);
    if (c.beyond) status = SDRT_BENCH_SLOWER;
out:
    json_decref(a);
    json_decref(b);
    json_decref(c.rows_b);
    return status;
}
