/* SPDX-License-Identifier: MIT */
#include "tools/sdserve/control.h"
#include "tools/sdserve/image_prompt.h"

#include "runtime/base/choices.h"
#include "runtime/base/error.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *maps(int i) { return sdrt_list_name(SDRT_LIST_CONTROL_MAPS, i); }

/* ---- nets ---- */

/* The path of a net that the folder lists, the caller's. */
static char *net_of(const struct fields *f, const char *name)
{
    const char *hash = name ? strstr(name, " [") : NULL;

    if (!name) return NULL;
    return shelf_path(f->server->options.controls, name,
                      hash ? (size_t)(hash - name) : strlen(name));
}

/* A place for one more, which begins as trained; NULL after a line. */
static struct sdrt_control *add(struct fields *f, const char *name, const char *net,
                                const char *picture)
{
    struct wish *w = f->wish;
    const int i = w->request.n_controls;
    struct sdrt_picture_file *file = &w->control_files[i];

    if (i == WISH_CONTROLS) {
        sdrt_fail(f->log, SDRT_E_ARG, "%s: expected at most %d", name, WISH_CONTROLS);
        return NULL;
    }
    char *path = net_of(f, net);
    if (!path) {
        sdrt_fail(f->log, SDRT_E_ARG, "%s: '%.100s': expected a net that this server lists", name,
                  net ? net : "");
        return NULL;
    }
    w->controls[i] = (struct sdrt_control){ path, &w->control_pictures[i], 1.0f, 0.0f, 1.0f };
    w->request.n_controls = i + 1;
    w->request.controls = w->controls;
    w->request.control_maps = w->control_maps;
    w->request.control_types = w->control_types;
    if (field_picture(f, name, picture, file)) return NULL;
    w->control_pictures[i] = (struct sdrt_picture){ file->pixels, file->width, file->height,
                                                    file->channels, 0 };
    return &w->controls[i];
}

/* ---- members of a unit ---- */

static int number_in(struct fields *f, const char *name, const json_t *unit, const char *key,
                     float low, float high, float *to)
{
    const json_t *value = json_object_get(unit, key);

    if (!value || json_is_null(value)) return SDRT_OK;
    if (!json_is_number(value) || json_number_value(value) < low || json_number_value(value) > high)
        return sdrt_fail(f->log, SDRT_E_ARG, "%s: %s: expected a number from %g to %g", name, key,
                         (double)low, (double)high);
    *to = (float)json_number_value(value);
    return SDRT_OK;
}

/* Each member is one of names. */
static int check_names(struct fields *f, const char *name, const json_t *unit,
                       const char *const *names)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)unit, key, value) {
        const char *const *known = names;
        while (*known && strcmp(*known, key)) known++;
        if (!*known)
            return sdrt_fail(f->log, SDRT_E_ARG, "%s: %.64s: there is no such field", name, key);
    }
    return SDRT_OK;
}

/* sd-webui-controlnet's name of a map, or this program's. */
static int map_of(struct fields *f, const char *name, const char *text, const char **map)
{
    static const char *const other[][2] = { { "blur_gaussian", "blur" },
                                            { "invert (from white bg & black line)", "invert" } };
    char known[SDRT_CHOICES];

    *map = NULL;
    if (!text || !*text || !strcasecmp(text, "none")) return SDRT_OK;
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (!strcmp(text, other[i][0])) text = other[i][1];
    const int i = sdrt_choice(maps, text);
    if (i < 0)
        return sdrt_fail(f->log, SDRT_E_ARG, "%s: module '%.64s': expected none, %s", name, text,
                         sdrt_choices(known, maps));
    *map = maps(i);
    return SDRT_OK;
}

static const char *types(int i) { return sdrt_list_name(SDRT_LIST_CONTROL_TYPES, i); }

/* sd-webui-controlnet's name of what a picture is to a union of nets, or this program's. */
static int type_of(struct fields *f, const char *name, const json_t *value, const char **type)
{
    static const char *const other[][2] = { { "softedge", "hed" },
                                            { "segmentation", "segment" },
                                            { "inpaint", "repaint" },
                                            { "normalmap", "normal" } };
    const char *text = json_string_value(value);
    char known[SDRT_CHOICES];

    *type = NULL;
    if (!value || json_is_null(value) || (text && (!*text || !strcasecmp(text, "unknown"))))
        return SDRT_OK;
    for (size_t i = 0; text && i < sizeof other / sizeof *other; i++)
        if (!strcasecmp(text, other[i][0])) text = other[i][1];
    for (int i = 0; text && types(i); i++)
        if (!strcasecmp(types(i), text)) *type = types(i);
    if (*type) return SDRT_OK;
    return sdrt_fail(f->log, SDRT_E_ARG, "%s: type '%.64s': expected %s", name, text ? text : "",
                     sdrt_choices(known, types));
}

/* A number, or one of its words, in any case, from 0 on; -1 for what is neither. */
static int choice_of(const json_t *value, const char *const *words, int otherwise)
{
    const char *text = json_string_value(value);

    if (!value || json_is_null(value)) return otherwise;
    for (int i = 0; words[i]; i++)
        if ((text && !strcasecmp(text, words[i])) ||
            (json_is_integer(value) && json_integer_value(value) == i))
            return i;
    return -1;
}

static int take_modes(struct fields *f, const char *name, const json_t *unit, int i)
{
    static const char *const resizes[] = { "Just Resize", "Crop and Resize", "Resize and Fill",
                                           NULL };
    static const char *const controls[] = { "Balanced", "My prompt is more important",
                                            "ControlNet is more important", NULL };
    static const char *const modes[] = { "just", "crop", "fill" };
    const int resize = choice_of(json_object_get(unit, "resize_mode"), resizes, 1);
    const int control = choice_of(json_object_get(unit, "control_mode"), controls, 0);
    struct wish *w = f->wish;

    if (resize < 0)
        return sdrt_fail(f->log, SDRT_E_ARG, "%s: resize_mode: expected 0, 1 or 2", name);
    if (control < 0 || control == 1)
        return sdrt_fail(f->log, SDRT_E_ARG,
                         "%s: control_mode: expected Balanced or ControlNet is more important",
                         name);
    if (i && w->request.control_guess != (control == 2))
        return sdrt_fail(f->log, SDRT_E_ARG, "%s: control_mode: expected the same of all units",
                         name);
    w->request.control_guess = control == 2;
    w->control_modes[i] = modes[resize];
    return SDRT_OK;
}

/* Maps are made at the image's size, and edges with Canny's usual thresholds. */
static int check_map(struct fields *f, const char *name, const json_t *unit, int i)
{
    float low = 100, high = 200, half = 127;
    const char *map = f->wish->control_maps[i];

    if (!map) return SDRT_OK;
    if (number_in(f, name, unit, "threshold_a", -1, 255, strcmp(map, "threshold") ? &low : &half) ||
        number_in(f, name, unit, "threshold_b", -1, 255, &high))
        return SDRT_E_ARG;
    if (!strcmp(map, "canny") && ((low >= 0 && low != 100) || (high >= 0 && high != 200)))
        return sdrt_fail(f->log, SDRT_E_ARG, "%s: threshold_a, threshold_b: expected 100 and 200",
                         name);
    if (!strcmp(map, "threshold") && half >= 0 && half != 127)
        return sdrt_fail(f->log, SDRT_E_ARG, "%s: threshold_a: expected 127", name);
    return SDRT_OK;
}

/* ---- units ---- */

static int take_unit(struct fields *f, const char *name, const json_t *unit)
{
    static const char *const names[] = { "enabled",
                                         "image",
                                         "input_image",
                                         "model",
                                         "module",
                                         "weight",
                                         "guidance_start",
                                         "guidance_end",
                                         "resize_mode",
                                         "control_mode",
                                         "threshold_a",
                                         "threshold_b",
                                         "processor_res",
                                         "pixel_perfect",
                                         "mask",
                                         "low_vram",
                                         "lowvram",
                                         "hr_option",
                                         "save_detected_map",
                                         "guessmode",
                                         "union_control_type",
                                         NULL };
    const json_t *picture = json_object_get(unit, "image");
    const int i = f->wish->request.n_controls;

    if (!json_is_object(unit)) return fields_refuse(f, name, "units that are objects");
    if (json_is_false(json_object_get(unit, "enabled"))) return SDRT_OK;
    if (check_names(f, name, unit, names)) return SDRT_E_ARG;
    if (json_is_true(json_object_get(unit, "guessmode")))
        return sdrt_fail(f->log, SDRT_E_ARG, "%s: guessmode: expected control_mode 2", name);
    const char *when = json_string_value(json_object_get(unit, "hr_option"));
    if (when && strcasecmp(when, "Both"))
        return sdrt_fail(f->log, SDRT_E_ARG, "%s: hr_option: '%.32s': expected Both", name, when);
    const json_t *mask = json_object_get(unit, "mask");
    if (mask && !json_is_null(mask) && json_string_length(mask))
        return sdrt_fail(f->log, SDRT_E_ARG, "%s: mask: expected none", name);
    if (!picture) picture = json_object_get(unit, "input_image");
    if (json_is_object(picture)) picture = json_object_get(picture, "image");
    if (image_prompt_is(json_string_value(json_object_get(unit, "module"))))
        return image_prompt_unit(f, name, unit, json_string_value(picture));
    struct sdrt_control *c = add(f, name, json_string_value(json_object_get(unit, "model")),
                                 json_string_value(picture));
    if (!c || number_in(f, name, unit, "weight", 0, 10, &c->scale) ||
        number_in(f, name, unit, "guidance_start", 0, 1, &c->start) ||
        number_in(f, name, unit, "guidance_end", 0, 1, &c->end) ||
        map_of(f, name, json_string_value(json_object_get(unit, "module")),
               &f->wish->control_maps[i]) ||
        check_map(f, name, unit, i) ||
        type_of(f, name, json_object_get(unit, "union_control_type"), &f->wish->control_types[i]))
        return SDRT_E_ARG;
    return take_modes(f, name, unit, i);
}

int control_units(struct fields *f, const char *name, const json_t *args)
{
    const json_t *unit;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)args, i, unit) {
        if (json_is_false(unit) || json_is_null(unit)) continue;
        if (take_unit(f, name, unit)) return SDRT_E_ARG;
    }
    return json_is_array(args) ? SDRT_OK : fields_refuse(f, name, "args, a list of units");
}

int control_list(struct fields *f, const char *name, const json_t *value)
{
    static const char *const names[] = { "net", "image", "scale", "start",
                                         "end", "map",   "type",  NULL };
    const json_t *one;
    size_t i;

    if (!json_is_array(value)) return fields_refuse(f, name, "a list");
    json_array_foreach((json_t *)(uintptr_t)value, i, one) {
        const int at = f->wish->request.n_controls;
        if (check_names(f, name, one, names)) return SDRT_E_ARG;
        struct sdrt_control *c = add(f, name, json_string_value(json_object_get(one, "net")),
                                     json_string_value(json_object_get(one, "image")));
        if (!c || number_in(f, name, one, "scale", 0, 10, &c->scale) ||
            number_in(f, name, one, "start", 0, 1, &c->start) ||
            number_in(f, name, one, "end", 0, 1, &c->end) ||
            map_of(f, name, json_string_value(json_object_get(one, "map")),
                   &f->wish->control_maps[at]) ||
            type_of(f, name, json_object_get(one, "type"), &f->wish->control_types[at]))
            return SDRT_E_ARG;
    }
    return SDRT_OK;
}

int control_settle(struct fields *f)
{
    struct wish *w = f->wish;
    struct sdrt_request *r = &w->request;

    for (int i = 0; i < r->n_controls; i++) {
        const struct sdrt_picture *p = &w->control_pictures[i];
        const char *mode = w->control_modes[i], *set = r->resize_mode;
        if (!mode || (p->width == r->width && p->height == r->height)) continue;
        if (!set && !r->init) r->resize_mode = mode;
        else if (strcmp(set ? set : "just", mode))
            return sdrt_fail(
                f->log, SDRT_E_ARG,
                "controlnet: resize_mode: expected %s, as of the request's other pictures, or "
                "a picture of the image's size",
                set ? set : "just");
    }
    return SDRT_OK;
}

/* ---- lists ---- */

enum MHD_Result control_version(struct call *c)
{
    return answer_json(c, MHD_HTTP_OK, json_pack("{si}", "version", 2));
}

enum MHD_Result control_settings(struct call *c)
{
    return answer_json(c, MHD_HTTP_OK, json_pack("{si}", "control_net_unit_count", WISH_CONTROLS));
}

static void add_name(void *list, const char *name, const char *path)
{
    (void)path;
    json_array_append_new(list, json_string(name));
}

static json_t *nets_of(const struct call *c)
{
    json_t *list = json_array();

    shelf_list(c->server->options.controls, add_name, list);
    return list;
}

static json_t *modules(void)
{
    json_t *list = json_pack("[s]", "none");

    for (int i = 0; maps(i); i++) json_array_append_new(list, json_string(maps(i)));
    for (int i = 0; image_prompt_module(i); i++)
        json_array_append_new(list, json_string(image_prompt_module(i)));
    return list;
}

enum MHD_Result control_models(struct call *c)
{
    return answer_json(c, MHD_HTTP_OK, json_pack("{so}", "model_list", nets_of(c)));
}

enum MHD_Result control_modules(struct call *c)
{
    return answer_json(c, MHD_HTTP_OK, json_pack("{so}", "module_list", modules()));
}

/* Names tell nothing of what a net was trained for. */
enum MHD_Result control_types(struct call *c)
{
    return answer_json(c, MHD_HTTP_OK,
                       json_pack("{s{s{so so ss ss}}}", "control_types", "All", "module_list",
                                 modules(), "model_list", nets_of(c), "default_option", "none",
                                 "default_model", "None"));
}
