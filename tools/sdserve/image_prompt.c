/* SPDX-License-Identifier: MIT */
#include "tools/sdserve/image_prompt.h"

#include "runtime/base/error.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *image_prompt_module(int i)
{
    static const char *const modules[] = { "ip-adapter-auto", "ip-adapter_clip_h",
                                           "ip-adapter_clip_g", NULL };

    return modules[i];
}

/* Other names that are or were the same. */
static int is_known(const char *module)
{
    static const char *const others[] = {
        "ip-adapter_clip_sd15",   "ip-adapter_clip_sdxl",      "ip-adapter_clip_sdxl_plus_vith",
        "CLIP-ViT-H (IPAdapter)", "CLIP-ViT-bigG (IPAdapter)", NULL
    };

    for (int i = 0; image_prompt_module(i); i++)
        if (!strcasecmp(module, image_prompt_module(i))) return 1;
    for (int i = 0; others[i]; i++)
        if (!strcasecmp(module, others[i])) return 1;
    return 0;
}

int image_prompt_is(const char *module)
{
    return module && (!strncasecmp(module, "ip-adapter", 10) || strstr(module, "(IPAdapter)"));
}

/* One more, of the file that --control-dir lists by this name; NULL after a line. */
static struct sdrt_ip_adapter *add(struct fields *f, const char *name, const char *file,
                                   const char *picture)
{
    struct wish *w = f->wish;
    const int i = w->request.n_ip_adapters;
    struct sdrt_picture_file *from = &w->ip_files[i];
    const char *hash = file ? strstr(file, " [") : NULL;

    if (!w->request.clip_vision) {
        sdrt_fail(f->log, SDRT_E_ARG,
                  "%s: expected no IP-Adapter, since sdserve runs without --clip-vision", name);
        return NULL;
    }
    if (i == WISH_IPS) {
        sdrt_fail(f->log, SDRT_E_ARG, "%s: expected at most %d IP-Adapters", name, WISH_IPS);
        return NULL;
    }
    char *path = file ? shelf_path(f->server->options.controls, file,
                                   hash ? (size_t)(hash - file) : strlen(file))
                      : NULL;
    if (!path) {
        sdrt_fail(f->log, SDRT_E_ARG, "%s: '%.100s': expected an IP-Adapter that this server lists",
                  name, file ? file : "");
        return NULL;
    }
    w->ips[i] = (struct sdrt_ip_adapter){ path, &w->ip_pictures[i], 1.0f };
    w->request.n_ip_adapters = i + 1;
    w->request.ip_adapters = w->ips;
    if (field_picture(f, name, picture, from)) return NULL;
    w->ip_pictures[i] = (struct sdrt_picture){ from->pixels, from->width, from->height,
                                               from->channels, 0 };
    return &w->ips[i];
}

static int strength_in(struct fields *f, const char *name, const json_t *unit, const char *key,
                       float *to)
{
    const json_t *value = json_object_get(unit, key);

    if (!value || json_is_null(value)) return SDRT_OK;
    if (!json_is_number(value) || json_number_value(value) < 0 || json_number_value(value) > 10)
        return sdrt_fail(f->log, SDRT_E_ARG, "%s: %s: expected a number from 0 to 10", name, key);
    *to = (float)json_number_value(value);
    return SDRT_OK;
}

/* Members that change nothing only at one value. */
static int check_member(struct fields *f, const char *name, const json_t *unit, const char *key,
                        double otherwise)
{
    const json_t *value = json_object_get(unit, key);

    if (!value || json_is_null(value) ||
        (json_is_number(value) && json_number_value(value) == otherwise) ||
        (otherwise == 0 && json_string_value(value) &&
         !strcasecmp(json_string_value(value), "Balanced")))
        return SDRT_OK;
    return sdrt_fail(f->log, SDRT_E_ARG, "%s: %s: expected %g of an IP-Adapter", name, key,
                     otherwise);
}

int image_prompt_unit(struct fields *f, const char *name, const json_t *unit, const char *picture)
{
    const char *module = json_string_value(json_object_get(unit, "module"));
    struct sdrt_ip_adapter *ip;

    if (!module || !is_known(module))
        return sdrt_fail(f->log, SDRT_E_ARG,
                         "%s: module '%.64s': expected another, as %s: adapters for faces are not "
                         "there",
                         name, module ? module : "", image_prompt_module(0));
    if (check_member(f, name, unit, "guidance_start", 0) ||
        check_member(f, name, unit, "guidance_end", 1) ||
        check_member(f, name, unit, "control_mode", 0))
        return SDRT_E_ARG;
    ip = add(f, name, json_string_value(json_object_get(unit, "model")), picture);
    return ip ? strength_in(f, name, unit, "weight", &ip->scale) : SDRT_E_ARG;
}

int image_prompt_list(struct fields *f, const char *name, const json_t *value)
{
    const json_t *one;
    size_t i;

    if (!json_is_array(value)) return fields_refuse(f, name, "a list");
    json_array_foreach((json_t *)(uintptr_t)value, i, one) {
        const char *key;
        json_t *member;
        json_object_foreach((json_t *)(uintptr_t)one, key, member) {
            if (strcmp(key, "file") && strcmp(key, "image") && strcmp(key, "scale"))
                return sdrt_fail(f->log, SDRT_E_ARG, "%s: %.64s: there is no such field", name,
                                 key);
        }
        struct sdrt_ip_adapter *ip = add(f, name, json_string_value(json_object_get(one, "file")),
                                         json_string_value(json_object_get(one, "image")));
        if (!ip || strength_in(f, name, one, "scale", &ip->scale)) return SDRT_E_ARG;
    }
    return SDRT_OK;
}
