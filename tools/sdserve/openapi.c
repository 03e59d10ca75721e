/* SPDX-License-Identifier: MIT
 *
 * The OpenAPI 3.1 document, out of the tables that requests are read by.
 */
#include "tools/sdserve/openapi.h"

#include "tools/sdserve/fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What the limits of the server leave of a row's. */
static double most_of(const struct serve_options *o, const struct field *row)
{
    if (!strcmp(row->name, "steps") && o->max_steps < row->high) return o->max_steps;
    if (row->where == offsetof(struct wish, request.batch) && o->max_batch < row->high)
        return o->max_batch;
    if (row->where == offsetof(struct wish, batches) && o->max_batch < row->high)
        return o->max_batch;
    return row->high;
}

static int is_side(const struct field *row)
{
    return row->where == offsetof(struct wish, request.width) ||
           row->where == offsetof(struct wish, request.height);
}

static json_t *names_of(enum sdrt_list which)
{
    json_t *list = json_pack("[n]");
    const char *name;

    for (int i = 0; (name = sdrt_list_name(which, i)); i++)
        if (which != SDRT_LIST_FORMATS || sdrt_list_usable(which, i))
            json_array_append_new(list, json_string(name));
    return list;
}

static json_t *checkpoint_names(struct shelf *shelf)
{
    json_t *list = json_pack("[n]");

    for (int i = 0; i < shelf_count(shelf, SHELF_MODELS); i++) {
        json_array_append_new(list, json_string(shelf_at(shelf, SHELF_MODELS, i).title));
        json_array_append_new(list, json_string(shelf_at(shelf, SHELF_MODELS, i).name));
    }
    return list;
}

static json_t *call_schema(struct server *s, const struct field *row)
{
    if (row->call == field_sampler)
        return json_pack("{so ss}", "examples", names_of(SDRT_LIST_SAMPLERS), "description",
                         "a sampler in any of its spellings");
    if (row->call == field_schedule)
        return json_pack("{so ss}", "examples", names_of(SDRT_LIST_SCHEDULES), "description",
                         "a schedule in any of its spellings");
    if (row->call == field_checkpoint) return json_pack("{so}", "enum", checkpoint_names(s->shelf));
    if (row->call == field_format) {
        json_t *names = names_of(SDRT_LIST_FORMATS);
        json_array_append_new(names, json_string("jpg"));
        return json_pack("{so}", "enum", names);
    }
    return row->schema ? json_loads(row->schema, 0, NULL) : json_object();
}

static json_t *schema_of(struct server *s, const struct field *row)
{
    switch (row->kind) {
    case FIELD_TEXT: return json_pack("{s[ss]}", "type", "string", "null");
    case FIELD_WHOLE:
        if (is_side(row))
            return json_pack("{s[ss] sf sf si}", "type", "integer", "null", "minimum", row->low,
                             "maximum", row->high, "multipleOf", 8);
        return json_pack("{s[ss] sf sf}", "type", "integer", "null", "minimum", row->low, "maximum",
                         most_of(&s->options, row));
    case FIELD_FLOAT:
    case FIELD_DOUBLE:
        return json_pack("{s[ss] sf sf}", "type", "number", "null", "minimum", row->low, "maximum",
                         row->high);
    case FIELD_SEED:
        return json_pack("{s[{s[ss] si sI}{ss ss}]}", "anyOf", "type", "integer", "null", "minimum",
                         -1, "maximum", (json_int_t)INT64_MAX, "type", "string", "pattern",
                         "^(-1|[0-9]{1,19})$");
    case FIELD_FLAG: return json_pack("{s[bbiin]}", "enum", 1, 0, 1, 0);
    case FIELD_PICTURE:
        return json_pack("{s[ss] ss}", "type", "string", "null", "description",
                         "a PNG, JPEG or WebP in base64, or a data: address of one");
    case FIELD_CALL: return call_schema(s, row);
    case FIELD_OFF:
        return json_pack("{ss s[nbis[]{}s]}", "description",
                         "not there: nothing is taken but what is off", "enum", 0, 0, "", "None");
    case FIELD_IDLE: break;
    }
    return json_object();
}

static json_t *body_schema(struct server *s, const struct field *rows)
{
    json_t *properties = json_object();

    for (; rows && rows->name; rows++)
        json_object_set_new(properties, rows->name, schema_of(s, rows));
    return json_pack("{ss sb so}", "type", "object", "additionalProperties", 0, "properties",
                     properties);
}

static json_t *request_body(struct server *s, const struct route *r)
{
    json_t *schema = body_schema(s, r->fields);

    if (!(r->flags & ROUTE_FORM))
        return json_pack("{s{s{so}}}", "content", "application/json", "schema", schema);
    json_t *properties = json_object_get(schema, "properties");
    json_object_set_new(properties, "image",
                        json_pack("{ss ss}", "type", "string", "format", "binary"));
    json_object_set_new(properties, "mask",
                        json_pack("{ss ss}", "type", "string", "format", "binary"));
    json_object_set_new(schema, "required", json_pack("[s]", "image"));
    return json_pack("{s{s{so}}}", "content", "multipart/form-data", "schema", schema);
}

static json_t *error_response(const char *description)
{
    return json_pack("{ss s{s{s{ss}}}}", "description", description, "content", "application/json",
                     "schema", "type", "object");
}

static json_t *responses(const struct route *r)
{
    static const struct {
        const char *code, *description;
        int body; /* only where a request has one */
    } errors[] = {
        { "400", "a field is wrong or unknown, which is named", 1 },
        { "401", "the key is wrong", 0 },
        { "403", "another host or origin", 0 },
        { "404", "there is no such thing", 0 },
        { "413", "the body is too large", 1 },
        { "429", "the queue is full", 1 },
        { "500", "it could not be drawn", 1 },
        { "503", "no memory, or the server is ending", 1 },
    };
    const char *type = r->type ? r->type : "application/json";
    json_t *all = json_object();

    json_t *well = json_pack("{ss s{s{}}}", "description", "well", "content", type);
    if (r->api == API_OPENAI && (r->flags & ROUTE_BODY)) /* with "stream" */
        json_object_set_new(json_object_get(well, "content"), "text/event-stream", json_object());
    json_object_set_new(all, r->flags & ROUTE_ACCEPTS ? "202" : "200", well);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (!errors[i].body || (r->flags & ROUTE_BODY))
            json_object_set_new(all, errors[i].code, error_response(errors[i].description));
    return all;
}

static json_t *operation(struct server *s, const struct route *r)
{
    const size_t n = strlen(r->path);
    json_t *o = json_pack("{ss so}", "summary", r->help, "responses", responses(r));

    if (r->flags & ROUTE_BODY) json_object_set_new(o, "requestBody", request_body(s, r));
    if (n > 1 && r->path[n - 1] == '/')
        json_object_set_new(o, "parameters",
                            json_pack("[{ss ss sb s{ss}}]", "name", "name", "in", "path",
                                      "required", 1, "schema", "type", "string"));
    if (s->options.api_key && !(r->flags & ROUTE_OPEN))
        json_object_set_new(o, "security", json_pack("[{s[]}{s[]}]", "bearer", "basic"));
    return o;
}

/* OpenAPI's names of methods are small. */
static const char *small(const char *method)
{
    return !strcmp(method, "GET") ? "get" : !strcmp(method, "POST") ? "post" : "delete";
}

enum MHD_Result openapi_answer(struct call *c)
{
    struct server *s = c->server;
    json_t *paths = json_object();

    for (const struct route *r = routes; r->method; r++) {
        const size_t n = strlen(r->path);
        char path[128];
        snprintf(path, sizeof path, "%s%s", r->path,
                 n > 1 && r->path[n - 1] == '/' ? "{name}" : "");
        json_t *item = json_object_get(paths, path);
        if (!item) json_object_set_new(paths, path, item = json_object());
        json_object_set_new(item, small(r->method), operation(s, r));
    }
    return answer_json(c, MHD_HTTP_OK,
                       json_pack("{ss s{ss ss} so s{s{s{ss ss}s{ss ss}}}}", "openapi", "3.1.0",
                                 "info", "title", "sdserve", "version", sdrt_version(), "paths",
                                 paths, "components", "securitySchemes", "bearer", "type", "http",
                                 "scheme", "bearer", "basic", "type", "http", "scheme", "basic"));
}
