/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "model/lora/strength.h"
#include "runtime/base/numbers.h"

#include <math.h>
#include <string.h>

enum { IN = SDRT_LORA_IN, MID = SDRT_LORA_MIDDLE, OUT = SDRT_LORA_OUT, MOST = SDRT_LORA_BLOCKS };

/* Which blocks a list of so many numbers is about. */
static const struct list {
    int count;
    signed char blocks[MOST];
} lists[] = {
    { 12,
      { SDRT_LORA_BASE, IN + 4, IN + 5, IN + 7, IN + 8, MID, OUT, OUT + 1, OUT + 2, OUT + 3,
        OUT + 4, OUT + 5 } },
    { 17,
      { SDRT_LORA_BASE, IN + 1, IN + 2, IN + 4, IN + 5, IN + 7, IN + 8, MID, OUT + 3, OUT + 4,
        OUT + 5, OUT + 6, OUT + 7, OUT + 8, OUT + 9, OUT + 10, OUT + 11 } },
    { 20, { SDRT_LORA_BASE, IN,      IN + 1,  IN + 2,  IN + 3,  IN + 4,  IN + 5,
            IN + 6,         IN + 7,  IN + 8,  MID,     OUT,     OUT + 1, OUT + 2,
            OUT + 3,        OUT + 4, OUT + 5, OUT + 6, OUT + 7, OUT + 8 } },
    { 26, { SDRT_LORA_BASE, IN,      IN + 1,  IN + 2,  IN + 3,  IN + 4,  IN + 5,   IN + 6,  IN + 7,
            IN + 8,         IN + 9,  IN + 10, IN + 11, MID,     OUT,     OUT + 1,  OUT + 2, OUT + 3,
            OUT + 4,        OUT + 5, OUT + 6, OUT + 7, OUT + 8, OUT + 9, OUT + 10, OUT + 11 } },
};

/* The extension's own presets. */
static const struct {
    const char *name, *weights;
} presets[] = {
    { "NONE", "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0" },
    { "ALL", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1" },
    { "INS", "1,1,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0" },
    { "IND", "1,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0" },
    { "INALL", "1,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0" },
    { "MIDD", "1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0" },
    { "OUTD", "1,0,0,0,0,0,0,0,1,1,1,1,0,0,0,0,0" },
    { "OUTS", "1,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,1" },
    { "OUTALL", "1,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1" },
    { "ALL0.5", "0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5" },
};

struct sdrt_lora_strength sdrt_lora_strength_even(double scale)
{
    return (struct sdrt_lora_strength){ .denoiser = scale, .text = scale };
}

/* Neither is NaN. */
static int same(double a, double b) { return a <= b && b <= a; }

int sdrt_lora_strength_equal(const struct sdrt_lora_strength *a, const struct sdrt_lora_strength *b)
{
    int equal = same(a->denoiser, b->denoiser) && same(a->text, b->text) &&
                a->by_block == b->by_block;

    for (int i = 0; equal && a->by_block && i < MOST; i++) equal = same(a->block[i], b->block[i]);
    return equal;
}

int sdrt_lora_strength_is_finite(const struct sdrt_lora_strength *s)
{
    int finite = isfinite(s->denoiser) && isfinite(s->text);

    for (int i = 0; finite && s->by_block && i < MOST; i++) finite = isfinite(s->block[i]) != 0;
    return finite;
}

double sdrt_lora_strength_at(const struct sdrt_lora_strength *s,
                             const struct sdrt_lora_place *place)
{
    const int text = !strncmp(place->module, "text_encoder", strlen("text_encoder"));
    const double scale = text ? s->text : s->denoiser;

    return s->by_block && place->block >= 0 ? scale * s->block[place->block] : scale;
}

/* The numbers of text into values; how many, MOST + 1 for more, -1 where one is no number. */
static int read_numbers(const char *text, double values[MOST])
{
    int n = 0;

    for (;; text++) {
        char *end;
        const double value = sdrt_parse_number(text, &end);
        end += strspn(end, " ");
        if (end == text || !isfinite(value) || (*end && *end != ',')) return -1;
        if (n == MOST) return MOST + 1;
        values[n++] = value;
        text = end;
        if (!*text) return n;
    }
}

int sdrt_lora_strength_read_blocks(struct sdrt_lora_strength *s, const char *text,
                                   const char *where, const struct sdrt_log *log)
{
    double values[MOST];
    int n;

    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (!strcmp(text, presets[i].name)) text = presets[i].weights;
    n = read_numbers(text, values);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (lists[i].count != n) continue;
        s->by_block = 1;
        memset(s->block, 0, sizeof s->block);
        for (int k = 0; k < n; k++) s->block[lists[i].blocks[k]] = values[k];
        return SDRT_OK;
    }
    return sdrt_fail(log, SDRT_E_ARG,
                     "%s: expected the weights of blocks as 12, 17, 20 or 26 numbers, or a name "
                     "as OUTALL",
                     where);
}
