/* SPDX-License-Identifier: MIT
 *
 * Attention in bf16 tiles; a causal mask and a bias, of text encoders, are AVX-512's.
 */
#include "kernels/amx/flash.h"
#include "kernels/amx/wide.h"

static struct sdrt_attention_ops wider(void)
{
    struct sdrt_attention_ops ops = { 0 };

    sdrt_attention_init_avx512(&ops);
    return ops;
}

/* Blocks of queries of one head, and the queries in one. */
static int blocks_of(const struct sdrt_attention_shape *s, int *rows)
{
    if (s->head_dim <= FLASH_CHANNELS) {
        const struct flash_cut u = flash_cut(s);
        *rows = u.rows;
        return u.blocks;
    }
    const struct wide_cut u = wide_cut(s);
    *rows = u.rows;
    return divide_up(s->q_len, u.rows);
}

static int is_taken(enum sdrt_dtype type) { return type == SDRT_F32 || is_bf16(type); }

static int takes(const struct sdrt_attention_shape *s)
{
    if (s->causal || s->biased) return wider().takes(s);
    return is_taken(s->q_type) && is_taken(s->k_type) && is_taken(s->v_type) &&
           is_taken(s->o_type);
}

static enum sdrt_dtype operand(const struct sdrt_attention_shape *s)
{
    return s->causal || s->biased ? wider().operand(s) : SDRT_BF16;
}

static int parts(const struct sdrt_attention_shape *s, int workers)
{
    int rows;

    if (s->causal || s->biased) return wider().parts(s, workers);
    return int_min(s->batch * s->heads * blocks_of(s, &rows), 16 * workers);
}

static size_t scratch(const struct sdrt_attention_shape *s)
{
    if (s->causal || s->biased) return wider().scratch(s);
    if (s->head_dim <= FLASH_CHANNELS) {
        const struct flash_cut u = flash_cut(s);
        return flash_place(&u, NULL, NULL);
    }
    const struct wide_cut u = wide_cut(s);
    return wide_place(&u, NULL, NULL);
}

static void run_unit(const struct attention_unit *a, char *base)
{
    if (a->s->head_dim <= FLASH_CHANNELS) {
        const struct flash_cut u = flash_cut(a->s);
        struct flash_scratch at;
        flash_place(&u, base, &at);
        flash_unit(a, &u, &at);
    } else {
        const struct wide_cut u = wide_cut(a->s);
        struct wide_scratch at;
        wide_place(&u, base, &at);
        wide_unit(a, &u, &at);
    }
}

static int attention(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s,
                     const struct sdrt_attention_args *a)
{
    if (s->causal || s->biased) return wider().attention(ex, s, a);
    int rows;
    const int blocks = blocks_of(s, &rows), units = s->batch * s->heads * blocks;

    tiles_begin();
    for (int i = sdrt_row_begin(units, ex->part, ex->nparts);
         i < sdrt_row_begin(units, ex->part + 1, ex->nparts); i++) {
        const int q0 = i % blocks * rows, head = i / blocks % s->heads;
        const size_t image = (size_t)(i / blocks / s->heads);
        const size_t c = (size_t)head * (size_t)s->head_dim;
        const size_t query = image * (size_t)s->q_len + (size_t)q0;
        const size_t key = image * (size_t)s->kv_len;
        const struct attention_unit unit = {
            .s = s, .queries = int_min(rows, s->q_len - q0),
            .q = sdrt_element(a->q, s->q_type, query * (size_t)s->q_pitch + c),
            .k = sdrt_element(a->k, s->k_type, key * (size_t)s->k_pitch + c),
            .v = sdrt_element(a->v, s->v_type, key * (size_t)s->v_pitch + c),
            .o = sdrt_element(a->o, s->o_type, query * (size_t)s->o_pitch + c),
        };
        run_unit(&unit, ex->scratch);
    }
    tiles_end();
    return 0;
}

void sdrt_attention_init_amx(struct sdrt_attention_ops *ops)
{
    ops->takes = takes;
    ops->operand = operand;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->attention = attention;
}
