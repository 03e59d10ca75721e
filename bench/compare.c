/* SPDX-License-Identifier: MIT
 *
 * sdbench compare: what became faster or slower between two files, and what is only noise.
 */
#include "bench/machine.h"
#include "bench/report.h"
#include "bench/results_file.h"
#include "bench/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SAMPLES = 4096, KEY = 320 };

/* One in a hundred rows that did not change is called changed; and a change below one in a
 * hundred is not worth a verdict.  With a wider spread two sets cannot be called the same. */
static const double least_p = 0.01, least_change = 0.01, most_spread = 0.1;

static const struct sdrt_column columns[] = {
    { "name", "measured", 0, 0 },
    { "a", "A", 3, 0 },
    { "b", "B", 3, 0 },
    { "unit", "unit", 0, 0 },
    { "speed", "B is times as fast", 3, 0 },
    { "p", "p", 4, 0 },
    { "verdict", "verdict", 0, 0 },
};

struct comparison {
    const struct sdrt_bench_options *o;
    struct sdrt_report *report;
    json_t *a, *b;  /* the files: arrays of documents */
    json_t *rows_b; /* of file B by key */
    int rows, faster, slower, same, beyond, excused, missing;
    double log_speed;  /* sum */
    double roof_ratio; /* of B's to A's; 1 where unknown */
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

/* ---- what a document is of ---- */

static int same_fact(const json_t *x, const json_t *y, const char *fact)
{
    const double a = sdrt_result_number(x, NULL, fact), b = sdrt_result_number(y, NULL, fact);

    return isfinite(a) && isfinite(b)
               ? a == b
               : !strcmp(sdrt_result_text(x, NULL, fact), sdrt_result_text(y, NULL, fact));
}

static int same_command(const json_t *x, const json_t *y) { return same_fact(x, y, "command"); }

/* Whether documents of one command in a file differ in a fact. */
static int varies(const json_t *file, const json_t *document, const char *fact)
{
    const json_t *first = NULL;
    json_t *other;
    size_t i;

    json_array_foreach(file, i, other) {
        if (!same_command(other, document)) continue;
        if (first && !same_fact(first, other, fact)) return 1;
        if (!first) first = other;
    }
    return 0;
}

/* What a document is of: the command, and what either file has several of, so that the one step of
 * a machine is held against the one step of another, whatever instruction set it has. */
static void describe(const struct comparison *c, const json_t *document, char *text, size_t size)
{
    static const char *const facts[] = { "arch", "network", "size",  "precision",
                                         "isa",  "steps",   "batch", "threads" };
    size_t used = (size_t)snprintf(text, size, "%s", sdrt_result_text(document, NULL, "command"));

    for (size_t i = 0; i < sizeof facts / sizeof *facts && used < size; i++) {
        const double number = sdrt_result_number(document, NULL, facts[i]);
        if (!varies(c->a, document, facts[i]) && !varies(c->b, document, facts[i])) continue;
        if (isfinite(number))
            used += (size_t)snprintf(text + used, size - used, " %s %.0f", facts[i], number);
        else
            used += (size_t)snprintf(text + used, size - used, " %s",
                                     sdrt_result_text(document, NULL, facts[i]));
    }
}

/* How many times name was seen before, and once more now; two alike are told from each other by it. */
static int count_name(json_t *seen, const char *name)
{
    const json_int_t before = json_integer_value(json_object_get(seen, name));

    json_object_set_new(seen, name, json_integer(before + 1));
    return (int)before;
}

/* Calls use for each row with samples in a document, under a key that is unique in the file. */
typedef void use_row(struct comparison *c, const char *key, json_t *row);
static void rows_of_document(struct comparison *c, const char *of, json_t *document, use_row *use)
{
    const char *table;
    json_t *rows, *row;
    size_t i;
    int rate;

    json_object_foreach(document, table, rows) {
        json_t *seen = json_object();
        json_array_foreach(rows, i, row) {
            const char *name = json_string_value(json_object_get(row, "name"));
            char key[KEY];
            if (!name || !samples_of(row, &rate)) continue;
            const int before = count_name(seen, name);
            snprintf(key, sizeof key, before ? "%s: %s (%d)" : "%s: %s", of, name, before + 1);
            use(c, key, row);
        }
        json_decref(seen);
    }
}

static void rows_of_file(struct comparison *c, json_t *file, use_row *use)
{
    json_t *seen = json_object(), *document;
    char of[KEY / 2];
    size_t i;

    json_array_foreach(file, i, document) {
        describe(c, document, of, sizeof of - 16);
        const int before = count_name(seen, of);
        if (before) sprintf(of + strlen(of), ", run %d", before + 1);
        rows_of_document(c, of, document, use);
    }
    json_decref(seen);
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

/* The nearer half of the samples about the median, relative to it. */
static double spread(const double *x, int n)
{
    static double distance[MOST_SAMPLES];
    const double middle = sdrt_median(x, n);

    for (int i = 0; i < n; i++) distance[i] = fabs(x[i] - middle);
    return 2.0 * sdrt_median(distance, n) / middle;
}

struct sample {
    const double *x;
    int n;
};

static const char *judge(struct comparison *c, double speed, double p, struct sample a,
                         struct sample b)
{
    const int wide = spread(a.x, a.n) > most_spread || spread(b.x, b.n) > most_spread;
    const double slower = 100.0 * (1.0 / speed - 1.0),
                 of_roof = 100.0 * (c->roof_ratio / speed - 1.0);

    if (!enough(a.n, b.n)) return "AMBIGUOUS";
    if (p >= least_p && (wide || fabs(speed - 1.0) >= least_change)) return "AMBIGUOUS";
    if (fabs(speed - 1.0) < least_change) {
        c->same++;
        return "SAME";
    }
    if (speed > 1.0) {
        c->faster++;
        return "FASTER";
    }
    c->slower++;
    if (c->o->fail_above >= 0.0 && slower > c->o->fail_above) {
        /* Where the machine itself was slower, that is not the code's. */
        if (c->roof_ratio < 1.0 && of_roof <= c->o->fail_above) c->excused++;
        else c->beyond++;
    }
    return "SLOWER";
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
    sdrt_report_row(c->report,
                    json_pack("{s:s, s:f, s:f, s:s, s:f, s:f, s:i, s:i, s:s}", "name", key, "a", ma,
                              "b", mb, "unit", rate && unit ? unit : "ms", "speed", speed, "p", p,
                              "samples_a", na, "samples_b", nb, "verdict",
                              judge(c, speed, p, (struct sample){ a, na },
                                    (struct sample){ b, nb })));
}

/* ---- the two files ---- */

/* What makes two documents different work, where both tell it: not to be compared. */
static int check_work(const struct comparison *c, const json_t *a, const json_t *b)
{
    static const char *const texts[] = { "network", "weights", "arch", "size", "preset" };
    static const char *const numbers_of[] = { "batch", "steps" };
    const char *command = sdrt_result_text(a, NULL, "command");

    if (c->o->anyway || strcmp(command, sdrt_result_text(b, NULL, "command"))) return SDRT_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (json_object_get(a, texts[i]) && json_object_get(b, texts[i]) &&
            strcmp(sdrt_result_text(a, NULL, texts[i]), sdrt_result_text(b, NULL, texts[i])))
            return sdrt_fail(c->o->log, SDRT_E_ARG,
                             "%s: different %s, %s and %s: expected the same work, "
                             "or --anyway",
                             command, texts[i], sdrt_result_text(a, NULL, texts[i]),
                             sdrt_result_text(b, NULL, texts[i]));
    for (size_t i = 0; i < sizeof numbers_of / sizeof *numbers_of; i++) {
        const double x = sdrt_result_number(a, NULL, numbers_of[i]);
        const double y = sdrt_result_number(b, NULL, numbers_of[i]);
        if (isfinite(x) && isfinite(y) && x != y)
            return sdrt_fail(c->o->log, SDRT_E_ARG,
                             "%s: different %s, %.0f and %.0f: expected the same "
                             "work, or --anyway",
                             command, numbers_of[i], x, y);
    }
    return SDRT_OK;
}

/* Warns, once for each text, of what makes times of the same work differ. */
static void warn_of_pair(struct comparison *c, json_t *told, const json_t *a, const json_t *b)
{
    static const char *const facts[] = { "machine", "isa", "precision", "threads" };

    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        char text[KEY];
        const json_t *x = json_object_get(a, facts[i]), *y = json_object_get(b, facts[i]);
        if (!x || !y || same_fact(a, b, facts[i])) continue;
        if (json_is_number(x) && json_is_number(y))
            snprintf(text, sizeof text, "different numbers of %s: %.0f and %.0f", facts[i],
                     json_number_value(x), json_number_value(y));
        else
            snprintf(text, sizeof text, "different %s: %s and %s", facts[i],
                     sdrt_result_text(a, NULL, facts[i]), sdrt_result_text(b, NULL, facts[i]));
        if (!count_name(told, text)) sdrt_report_warn(c->report, "%s", text);
    }
}

/* Checks each document of A with those of B that are of the same, or warns of what differs. */
static int each_pair(struct comparison *c, int warn)
{
    char of_a[KEY / 2], of_b[KEY / 2];
    json_t *told = json_object(), *x, *y;
    int status = SDRT_OK;
    size_t i, k;

    json_array_foreach(c->a, i, x) {
        describe(c, x, of_a, sizeof of_a);
        json_array_foreach(c->b, k, y) {
            describe(c, y, of_b, sizeof of_b);
            if (status != SDRT_OK || strcmp(of_a, of_b)) continue;
            if (warn) warn_of_pair(c, told, x, y);
            else status = check_work(c, x, y);
        }
    }
    json_decref(told);
    return status;
}

static void compare_roofs(struct comparison *c)
{
    const double roof_a = sdrt_result_number(json_array_get(c->a, 0), "roof", "f32_gflops");
    const double roof_b = sdrt_result_number(json_array_get(c->b, 0), "roof", "f32_gflops");

    c->roof_ratio = 1.0;
    if (!(roof_a > 0.0 && roof_b > 0.0)) return;
    c->roof_ratio = roof_b / roof_a;
    sdrt_report_number(c->report, "roof_ratio", c->roof_ratio, "roof, B/A", "", 3);
    if (fabs(c->roof_ratio - 1.0) > 0.05)
        sdrt_report_warn(c->report, "the machine itself was %.1f %% %s in B",
                         100.0 * fabs(c->roof_ratio - 1.0),
                         c->roof_ratio < 1.0 ? "slower" : "faster");
}

/* What others took while the file was made, the most of its documents. */
static double load_of(const json_t *file)
{
    double most = NAN;
    size_t i;
    json_t *document;

    json_array_foreach(file, i, document) {
        const json_t *run = json_object_get(document, "run");
        const double others = sdrt_result_number(run, "load", "other_cpus");
        const double stolen = sdrt_result_number(run, "load", "stolen_cpus");
        if (isfinite(others) && !(others + (isfinite(stolen) ? stolen : 0.0) <= most))
            most = others + (isfinite(stolen) ? stolen : 0.0);
    }
    return most;
}

static void add_file(struct comparison *c, const char *key, const char *label, const char *path,
                     const json_t *file)
{
    const json_t *document = json_array_get(file, 0);
    const char *name = strrchr(path, '/');
    const double load = load_of(file);
    char text[512], other[64], fact[32];

    snprintf(text, sizeof text, "%s, commit %s, %s", name ? name + 1 : path,
             sdrt_result_text(document, "run", "commit"),
             sdrt_result_text(document, "run", "date"));
    if (isfinite(load)) snprintf(other, sizeof other, ", others took %.2f processors", load);
    else snprintf(other, sizeof other, ", what others took is unknown");
    strncat(text, other, sizeof text - strlen(text) - 1);
    sdrt_report_text(c->report, key, text, label);
    snprintf(fact, sizeof fact, "load.%s", key);
    sdrt_report_number(c->report, fact, load, NULL, "", 0);
    if (load > 0.1)
        sdrt_report_warn(c->report,
                         "others took %.2f processors while %s was made: a difference may be "
                         "theirs",
                         load, label);
}

static void tell(struct comparison *c)
{
    struct sdrt_report *r = c->report;

    sdrt_report_number(r, "faster", c->faster, "FASTER", "", 0);
    sdrt_report_number(r, "slower", c->slower, "SLOWER", "", 0);
    sdrt_report_number(r, "same", c->same, "SAME", "", 0);
    sdrt_report_number(r, "ambiguous", c->rows - c->faster - c->slower - c->same, "AMBIGUOUS", "",
                       0);
    sdrt_report_number(r, "only_in_a", c->missing, "only in A", "", 0);
    sdrt_report_number(r, "excused", c->excused, NULL, "", 0);
    if (c->excused)
        sdrt_report_warn(r, "%d of those SLOWER are so by no more than the machine itself",
                         c->excused);
    sdrt_report_number(r, "mean_speed", exp(c->log_speed / c->rows), "B is in the mean",
                       "times as fast", 3);
}

int sdrt_bench_compare(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    struct comparison c = { .o = o, .report = r, .rows_b = json_object() };
    int status = c.rows_b ? sdrt_results_load(&c.a, o->what, o->log)
                          : sdrt_fail(o->log, SDRT_E_NOMEM, "out of memory");

    if (status == SDRT_OK) status = sdrt_results_load(&c.b, o->other, o->log);
    if (status == SDRT_OK) status = each_pair(&c, 0);
    if (status != SDRT_OK) goto out;
    sdrt_build_facts(r);
    add_file(&c, "a", "A", o->what, c.a);
    add_file(&c, "b", "B", o->other, c.b);
    each_pair(&c, 1);
    compare_roofs(&c);
    sdrt_report_table(r, "rows", columns, sizeof columns / sizeof columns[0]);
    rows_of_file(&c, c.b, remember);
    rows_of_file(&c, c.a, compare_row);
    if (!c.rows) {
        status = sdrt_fail(o->log, SDRT_E_FORMAT, "%s and %s have no measurement in common",
                           o->what, o->other);
        goto out;
    }
    tell(&c);
    if (c.beyond) status = SDRT_BENCH_SLOWER;
out:
    json_decref(c.a);
    json_decref(c.b);
    json_decref(c.rows_b);
    return status;
}
