/* SPDX-License-Identifier: MIT */
#include "tools/sdserve/fields.h"

#include "runtime/base/choices.h"
#include "runtime/base/error.h"
#include "runtime/base/numbers.h"
#include "tools/sdserve/base64.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int fields_refuse(struct fields *f, const char *name, const char *expected)
{
    return sdrt_fail(f->log, SDRT_E_ARG, "%s: expected %s", name, expected);
}

/* ---- numbers ---- */

/* A number, also from a form's text; 0 for what is none. */
static int number_of(const struct fields *f, const json_t *value, double *out)
{
    const char *text = json_string_value(value);
    char *end;

    if (json_is_number(value)) *out = json_number_value(value);
    else if (f->texts && text && *text) {
        *out = sdrt_parse_number(text, &end);
        if (*end) return 0;
    } else return 0;
    return isfinite(*out);
}

static int refuse_number(struct fields *f, const struct field *row, const char *kind)
{
    return sdrt_fail(f->log, SDRT_E_ARG, "%s: expected %s from %g to %g", row->name, kind, row->low,
                     row->high);
}

static int take_number(struct fields *f, const struct field *row, const json_t *value, void *where)
{
    const int whole = row->kind == FIELD_WHOLE;
    double x;

    if (!number_of(f, value, &x) || x < row->low || x > row->high || (whole && x != floor(x)))
        return refuse_number(f, row, whole ? "a whole number" : "a number");
    if (whole) *(int *)where = (int)x;
    else if (row->kind == FIELD_FLOAT) *(float *)where = (float)x;
    else *(double *)where = x;
    return SDRT_OK;
}

/* Texts hold what JSON's integers do not. */
static int take_seed(struct fields *f, const struct field *row, const json_t *value, uint64_t *seed)
{
    const char *text = json_string_value(value);
    char *end = NULL;

    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *seed = (uint64_t)json_integer_value(value);
    } else if (text && *text >= '0' && *text <= '9') {
        errno = 0;
        const unsigned long long x = strtoull(text, &end, 10);
        if (*end || errno) return fields_refuse(f, row->name, "-1 or a whole number below 2^64");
        *seed = x;
    } else if ((json_is_integer(value) && json_integer_value(value) == -1) ||
               (json_is_real(value) && json_real_value(value) == -1) ||
               (text && !strcmp(text, "-1"))) {
        return SDRT_OK;
    } else return fields_refuse(f, row->name, "-1 or a whole number below 2^64");
    if (seed == &f->wish->request.seed) f->wish->random_seed = 0;
    return SDRT_OK;
}

static int take_flag(struct fields *f, const struct field *row, const json_t *value, int *flag)
{
    const char *text = f->texts ? json_string_value(value) : NULL;

    if (json_is_boolean(value)) *flag = json_is_true(value);
    else if (json_is_integer(value) && json_integer_value(value) >> 1 == 0)
        *flag = (int)json_integer_value(value);
    else if (text && (!strcasecmp(text, "true") || !strcmp(text, "1"))) *flag = 1;
    else if (text && (!strcasecmp(text, "false") || !strcmp(text, "0"))) *flag = 0;
    else return fields_refuse(f, row->name, "true or false");
    return SDRT_OK;
}

/* ---- what is not there ---- */

static int is_nothing(const json_t *value)
{
    const char *text = json_string_value(value);

    return json_is_null(value) || json_is_false(value) ||
           (json_is_number(value) && json_number_value(value) == 0) || (text && !*text) ||
           (json_is_array(value) && !json_array_size(value)) ||
           (json_is_object(value) && !json_object_size(value)) || (text && !strcmp(text, "None"));
}

/* ---- pictures ---- */

int field_bytes(struct fields *f, const char *name, const uint8_t *bytes, size_t size,
                struct sdrt_picture_file *out)
{
    sdrt_picture_file_free(out);
    return sdrt_picture_file_decode(out, bytes, size, (size_t)f->server->options.max_pixels, name,
                                    f->log);
}

int field_picture(struct fields *f, const char *name, const char *text,
                  struct sdrt_picture_file *out)
{
    const char *comma = text && !strncmp(text, "data:", 5) ? strchr(text, ',') : NULL;
    size_t size;

    if (comma) text = comma + 1;
    uint8_t *bytes = text ? base64_decode(text, strlen(text),
                                          (size_t)f->server->options.max_body << 20, &size)
                          : NULL;
    if (!bytes) return fields_refuse(f, name, "a picture in base64");
    const int status = field_bytes(f, name, bytes, size, out);
    free(bytes);
    return status;
}

void fields_begin(struct wish *w)
{
    const struct sdrt_picture_file *i = &w->init_file, *m = &w->mask_file;

    w->init = (struct sdrt_picture){ i->pixels, i->width, i->height, i->channels, 0 };
    w->mask = (struct sdrt_picture){ m->pixels, m->width, m->height, m->channels, 0 };
    w->request.init = i->pixels ? &w->init : NULL;
    w->request.mask = m->pixels ? &w->mask : NULL;
}

/* ---- names ---- */

static const char *samplers(int i) { return sdrt_list_name(SDRT_LIST_SAMPLERS, i); }
static const char *schedules(int i) { return sdrt_list_name(SDRT_LIST_SCHEDULES, i); }

static int take_listed(struct fields *f, const char *name, const json_t *value, enum sdrt_list list,
                       sdrt_names_fn *names, const char **to)
{
    const char *text = json_string_value(value);
    char known[SDRT_CHOICES];

    if (text && !*text) return SDRT_OK;
    if (text && sdrt_list_find(list, text) >= 0) {
        *to = text;
        return SDRT_OK;
    }
    return sdrt_fail(f->log, SDRT_E_ARG, "%s: '%.64s': expected %s", name, text ? text : "",
                     sdrt_choices(known, names));
}

int field_sampler(struct fields *f, const char *name, const json_t *value)
{
    return take_listed(f, name, value, SDRT_LIST_SAMPLERS, samplers, &f->wish->request.sampler);
}

int field_schedule(struct fields *f, const char *name, const json_t *value)
{
    return take_listed(f, name, value, SDRT_LIST_SCHEDULES, schedules, &f->wish->request.schedule);
}

int field_checkpoint(struct fields *f, const char *name, const json_t *value)
{
    const char *text = json_string_value(value);
    const int i = text ? shelf_find(f->server->shelf, SHELF_MODELS, text) : -1;

    if (i < 0)
        return sdrt_fail(f->log, SDRT_E_ARG,
                         "%s: '%.200s': expected a model that this server lists", name,
                         text ? text : "");
    f->wish->checkpoint = i;
    return SDRT_OK;
}

int field_vae(struct fields *f, const char *name, const json_t *value)
{
    const char *text = json_string_value(value);
    const int i = text ? shelf_find(f->server->shelf, SHELF_VAES, *text ? text : "Automatic") : -1;

    if (i < 0)
        return sdrt_fail(f->log, SDRT_E_ARG,
                         "%s: '%.200s': expected Automatic, None or a VAE that this server lists",
                         name, text ? text : "");
    f->wish->vae = i;
    return SDRT_OK;
}

int field_format(struct fields *f, const char *name, const json_t *value)
{
    const char *text = json_string_value(value);
    const int i = text ? sdrt_list_find(SDRT_LIST_FORMATS, strcmp(text, "jpg") ? text : "jpeg")
                       : -1;

    if (i < 0 || !sdrt_list_usable(SDRT_LIST_FORMATS, i))
        return fields_refuse(f, name, "png, jpeg or webp, as far as this build has them");
    f->wish->format = sdrt_list_name(SDRT_LIST_FORMATS, i);
    return SDRT_OK;
}

/* ---- all fields ---- */

static int take(struct fields *f, const struct field *row, const json_t *value)
{
    void *where = (char *)f->wish + row->where;

    switch (row->kind) {
    case FIELD_TEXT:
        if (!json_is_string(value)) return fields_refuse(f, row->name, "a text");
        *(const char **)where = json_string_value(value);
        return SDRT_OK;
    case FIELD_WHOLE:
    case FIELD_FLOAT:
    case FIELD_DOUBLE: return take_number(f, row, value, where);
    case FIELD_SEED: return take_seed(f, row, value, where);
    case FIELD_FLAG: return take_flag(f, row, value, where);
    case FIELD_PICTURE: return field_picture(f, row->name, json_string_value(value), where);
    case FIELD_CALL: return row->call(f, row->name, value);
    case FIELD_IDLE: return SDRT_OK;
    case FIELD_OFF: break;
    }
    if (is_nothing(value)) return SDRT_OK;
    return fields_refuse(f, row->name, "nothing, since this server has not got it");
}

int fields_read(struct fields *f, const struct field *rows)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)f->object, name, value) {
        const struct field *row = rows;
        while (row->name && strcmp(row->name, name)) row++;
        f->bad = name;
        if (!row->name)
            return sdrt_fail(f->log, SDRT_E_ARG, "%.100s: there is no such field", name);
        if (json_is_null(value)) continue;
        const int status = take(f, row, value);
        if (status != SDRT_OK) return status;
    }
    f->bad = NULL;
    return SDRT_OK;
}

int fields_pick(struct fields *f, const struct field *rows)
{
    for (; rows->name; rows++) {
        const json_t *value = json_object_get(f->object, rows->name);
        if (!value || json_is_null(value)) continue;
        f->bad = rows->name;
        if (take(f, rows, value)) return SDRT_E_ARG;
    }
    f->bad = NULL;
    return SDRT_OK;
}
