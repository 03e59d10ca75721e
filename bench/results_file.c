/* SPDX-License-Identifier: MIT */
#include "bench/results_file.h"
#include "runtime/base/numbers.h"
#include "runtime/files/json.h"
#include "runtime/files/read_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 64 << 20, COLUMNS = 128 };

const char *sdrt_result_text(const json_t *document, const char *group, const char *key)
{
    const json_t *object = group ? json_object_get(document, group) : document;
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "unknown";
}

double sdrt_result_number(const json_t *document, const char *group, const char *key)
{
    const json_t *object = group ? json_object_get(document, group) : document;
    const json_t *value = json_object_get(object, key);

    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* ---- CSV ---- */

/* Takes the field at *p out of its quotes, in place; *last says that the line ends with it. */
static char *field(char **p, int *last)
{
    char *begin = *p, *from = begin, *to = begin;
    int quoted = *from == '"';

    if (quoted) from++;
    for (;; from++) {
        if (quoted && from[0] == '"' && from[1] == '"') from++;
        else if (quoted && from[0] == '"') {
            quoted = 0;
            continue;
        } else if (!*from || (!quoted && (*from == ',' || *from == '\n'))) break;
        *to++ = *from;
    }
    *last = *from != ',';
    *p = *from ? from + 1 : from;
    *to = '\0';
    return begin;
}

/* A number where it is one, else text; NULL for nothing. */
static json_t *value_of(const char *text)
{
    char *end;
    const double number = sdrt_parse_number(text, &end);

    if (!*text) return NULL;
    return !*end && isfinite(number) ? json_real(number) : json_string(text);
}

static void set_fact(json_t *document, const char *key, json_t *value)
{
    const char *dot;
    char part[64];

    while ((dot = strchr(key, '.')) && dot - key < (long)sizeof part) {
        memcpy(part, key, (size_t)(dot - key));
        part[dot - key] = '\0';
        if (!json_is_object(json_object_get(document, part)))
            json_object_set_new(document, part, json_object());
        document = json_object_get(document, part);
        key = dot + 1;
    }
    json_object_set_new(document, key, value);
}

static json_t *samples(char *text)
{
    json_t *list = json_array();
    char *end;

    for (char *p = text; *p; p = end + strspn(end, " ")) {
        const double number = sdrt_parse_number(p, &end);
        if (end == p || !isfinite(number)) break;
        json_array_append_new(list, json_real(number));
    }
    return list;
}

/* The document with these facts, which are those before "table"; a new one at the end if there is none. */
static json_t *document_of(json_t *documents, char *const *names, char *const *fields, int facts)
{
    json_t *facts_now = json_object(), *document;
    size_t i;

    for (int k = 0; k < facts; k++) {
        json_t *value = value_of(fields[k]);
        if (value) set_fact(facts_now, names[k], value);
    }
    json_array_foreach(documents, i, document)
        if (json_equal(json_object_get(document, "facts"), facts_now)) {
            json_decref(facts_now);
            return document;
        }
    document = json_copy(facts_now);
    json_object_set_new(document, "facts", facts_now);
    json_array_append_new(documents, document);
    return document;
}

static void add_row(json_t *documents, char *const *names, char **fields, int n, int facts)
{
    json_t *document = document_of(documents, names, fields, facts), *row = json_object();
    const char *table = fields[facts], *kind = n >= 2 ? fields[n - 2] : "";

    for (int k = facts + 1; k < n - 2; k++) {
        json_t *value = value_of(fields[k]);
        if (value) json_object_set_new(row, names[k], value);
    }
    if (*kind)
        json_object_set_new(row, !strcmp(kind, "ms") ? "samples_ms" : "samples_rate",
                            samples(fields[n - 1]));
    if (!json_object_get(document, table)) json_object_set_new(document, table, json_array());
    json_array_append_new(json_object_get(document, table), row);
}

static int read_csv(json_t *documents, char *text, const char *path, const struct sdrt_log *log)
{
    char *names[COLUMNS], *fields[COLUMNS];
    int columns = 0, facts = -1, line = 0, last;

    for (char *p = text; *p;) {
        int n = 0;
        line++;
        if (*p == '#' || *p == '\n') {
            p += strcspn(p, "\n");
            p += *p == '\n';
            continue;
        }
        do fields[n < COLUMNS ? n : COLUMNS - 1] = field(&p, &last), n++;
        while (!last);
        if (columns && n != columns)
            return sdrt_fail(log, SDRT_E_FORMAT, "%s:%d: %d fields: expected %d", path, line, n,
                             columns);
        if (columns) {
            add_row(documents, names, fields, n, facts);
            continue;
        }
        columns = n;
        for (int k = 0; k < n && k < COLUMNS; k++) {
            names[k] = fields[k];
            if (!strcmp(names[k], "table")) facts = k;
        }
        if (n > COLUMNS || facts < 0 || n < facts + 3 || strcmp(names[0], "command") ||
            strcmp(names[n - 1], "samples"))
            return sdrt_fail(log, SDRT_E_FORMAT,
                             "%s:%d: expected the columns of a file that sdbench wrote", path,
                             line);
    }
    return SDRT_OK;
}

/* ---- all forms ---- */

static int read_lines(json_t *documents, const char *text, const char *path,
                      const struct sdrt_log *log)
{
    int status = SDRT_OK, line = 1;

    for (const char *p = text; *p && status == SDRT_OK; line++) {
        const size_t n = strcspn(p, "\n");
        char where[512];
        json_t *document = NULL;
        snprintf(where, sizeof where, "%s, line %d", path, line);
        if (n) status = sdrt_json_parse(&document, p, n, where, log);
        if (document) json_array_append_new(documents, document);
        p += n + (p[n] == '\n');
    }
    return status;
}

/* Documents of a JSON file, which is one or a list. */
static int read_json(json_t *documents, const char *path, const struct sdrt_log *log)
{
    json_t *file = NULL;
    const int status = sdrt_json_load(&file, path, MOST_BYTES, log);

    if (json_is_array(file)) json_array_extend(documents, file);
    else if (file) json_array_append(documents, file);
    json_decref(file);
    return status;
}

int sdrt_results_load(json_t **out, const char *path, const struct sdrt_log *log)
{
    const char *dot = strrchr(path, '.');
    const int csv = dot && !strcmp(dot, ".csv"), lines = dot && !strcmp(dot, ".jsonl");
    json_t *documents = *out = json_array(), *document;
    char *text = NULL;
    size_t i, size = 0;
    int status = documents ? SDRT_OK : sdrt_fail(log, SDRT_E_NOMEM, "out of memory for %s", path);

    if (status == SDRT_OK && (csv || lines))
        status = sdrt_read_file(path, MOST_BYTES, &text, &size, log);
    if (status == SDRT_OK && text && strlen(text) != size)
        status = sdrt_fail(log, SDRT_E_FORMAT, "%s: expected text", path);
    if (status == SDRT_OK)
        status = csv     ? read_csv(documents, text, path, log)
                 : lines ? read_lines(documents, text, path, log)
                         : read_json(documents, path, log);
    free(text);
    if (status == SDRT_OK && !json_array_size(documents))
        status = sdrt_fail(log, SDRT_E_FORMAT, "%s: expected a file that sdbench wrote", path);
    if (status == SDRT_OK)
        json_array_foreach(documents, i, document)
            if (!json_is_string(json_object_get(document, "command")))
                status = sdrt_fail(log, SDRT_E_FORMAT, "%s: expected a file that sdbench wrote",
                                   path);
    if (status == SDRT_OK) return SDRT_OK;
    json_decref(documents);
    *out = NULL;
    return status < 0 ? status : SDRT_E_FORMAT;
}
