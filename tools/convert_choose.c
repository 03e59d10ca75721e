/* SPDX-License-Identifier: MIT
 *
 * As what type each tensor is written.
 */
#include "kernels/pack.h"
#include "kernels/store.h"
#include "tools/convert.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum sdrt_dtype type;
} types[] = {
    { "f32", SDRT_F32 },         { "f16", SDRT_F16 },         { "bf16", SDRT_BF16 },
    { "f8_e4m3", SDRT_F8_E4M3 }, { "f8_e5m2", SDRT_F8_E5M2 }, { "q8_0", SDRT_Q8_0 },
    { "q4_k", SDRT_Q4_K },
};

int convert_rule_read(struct convert_rule *out, const char *text, const struct sdrt_log *log)
{
    const char *sign = strrchr(text, '='), *name = sign ? sign + 1 : text;

    *out = (struct convert_rule){ .pattern = sign ? text : NULL,
                                  .length = sign ? (size_t)(sign - text) : 0,
                                  .keep = !strcmp(name, "keep") };
    if (out->keep) return SDRT_OK;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcasecmp(name, types[i].name)) {
            out->type = types[i].type;
            return SDRT_OK;
        }
    return sdrt_fail(log, SDRT_E_ARG,
                     "'%s': is no type: expected keep, f32, f16, bf16, f8_e4m3, f8_e5m2, q8_0 or "
                     "q4_k, alone or behind PATTERN=",
                     name);
}

static int matches(const struct convert_rule *rule, const char *name, char *pattern, size_t room)
{
    if (!rule->pattern) return 1;
    if (rule->length >= room) return 0;
    memcpy(pattern, rule->pattern, rule->length);
    pattern[rule->length] = 0;
    return fnmatch(pattern, name, 0) == 0;
}

static int is_f8(enum sdrt_dtype type) { return type == SDRT_F8_E4M3 || type == SDRT_F8_E5M2; }

/* What becomes of a tensor that a rule gives a type to. */
static enum sdrt_dtype type_for(const struct convert_tensor *t, enum sdrt_dtype type)
{
    const struct sdrt_dtype_block block = sdrt_dtype_block(type);
    const int64_t row = t->rank ? t->shape[t->rank - 1] : 1;

    if (block.values == 1 && !is_f8(type)) return type;
    return t->rank < 2 || row % block.values ? SDRT_F16 : type;
}

static int choose(const struct convert_model *m, struct convert_tensor *t,
                  const struct convert_rule *rules, int n, enum convert_format format)
{
    char pattern[1200];
    int i = 0;

    t->to = t->kept;
    if (sdrt_is_float(t->from)) {
        while (i < n && !matches(&rules[i], t->name, pattern, sizeof pattern)) i++;
        if (i < n && !rules[i].keep) t->to = type_for(t, rules[i].type);
        /* f16 has all values of both, and GGUF has neither. */
        if (format == CONVERT_GGUF && is_f8(t->to)) t->to = SDRT_F16;
    }
    if (format == CONVERT_SAFETENSORS || t->to == SDRT_F32 || sdrt_can_store(t->to) ||
        t->to == SDRT_I8 || t->to == SDRT_I32 || t->to == SDRT_I64)
        return SDRT_OK;
    return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "%s: is %s, which no GGUF file has", t->name,
                     sdrt_dtype_name(t->to));
}

int convert_choose(struct convert_model *m, const struct convert_rule *rules, int n,
                   enum convert_format format)
{
    int status = SDRT_OK;

    for (int i = 0; i < n; i++) {
        if (rules[i].keep) continue;
        if (format == CONVERT_SAFETENSORS && !sdrt_dtype_size(rules[i].type))
            return sdrt_fail(m->log, SDRT_E_ARG,
                             "%s is no type of safetensors files: expected f32, f16, bf16, f8_e4m3 "
                             "or f8_e5m2, or a name that ends in .gguf",
                             sdrt_dtype_name(rules[i].type));
        if (format == CONVERT_GGUF && is_f8(rules[i].type))
            return sdrt_fail(m->log, SDRT_E_ARG,
                             "%s is no type of GGUF files: expected f32, f16, bf16, q8_0 or q4_k",
                             sdrt_dtype_name(rules[i].type));
    }
    for (size_t i = 0; i < m->n && status == SDRT_OK; i++)
        status = choose(m, &m->list[i], rules, n, format);
    return status;
}
