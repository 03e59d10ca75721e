/* SPDX-License-Identifier: MIT */
#include "model/pipeline/slots.h"
#include "runtime/base/grow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names that begin with a slash stand in no scope. */
static const char *scope_of(const char *scope, const char *name)
{
    return *name == '/' ? "" : scope;
}

/* Whether a slot is called scope + name. */
static int is_named(const struct sdrt_slot *s, const char *scope, const char *name)
{
    const size_t n = strlen(scope = scope_of(scope, name));

    return !strncmp(s->name, scope, n) && !strcmp(s->name + n, name);
}

int sdrt_slots_find(const struct sdrt_slots *slots, const char *scope, const char *name)
{
    for (int i = 0; i < slots->n; i++)
        if (is_named(&slots->slot[i], scope, name)) return i;
    return SDRT_NO_SLOT;
}

/* Whether a slot that is there has this type and size, or is of twice as many images; logs where it is
 * neither. */
static int check(const struct sdrt_slots *slots, const struct sdrt_slot *s, enum sdrt_dtype type,
                 const int dims[4])
{
    const int fits = s->dims[0] == dims[0] || s->dims[0] == 2 * dims[0];

    if (s->type == type && fits && !memcmp(s->dims + 1, dims + 1, 3 * sizeof *dims)) return SDRT_OK;
    return sdrt_fail(slots->log, SDRT_E_ARG, "slot %s is %s [%d][%d][%d][%d] here and %s "
                     "[%d][%d][%d][%d] there: expected one type and size", s->name,
                     sdrt_dtype_name(type), dims[0], dims[1], dims[2], dims[3],
                     sdrt_dtype_name(s->type), s->dims[0], s->dims[1], s->dims[2], s->dims[3]);
}

int sdrt_slots_add(struct sdrt_slots *slots, const char *scope, const char *name,
                   enum sdrt_dtype type, const int dims[4], enum sdrt_when life)
{
    const int known = sdrt_slots_find(slots, scope, name);
    const size_t count = (size_t)dims[0] * (size_t)dims[1] * (size_t)dims[2] * (size_t)dims[3];

    if (known != SDRT_NO_SLOT) return check(slots, &slots->slot[known], type, dims);
    scope = scope_of(scope, name);
    const size_t size = strlen(scope) + strlen(name) + 1;
    struct sdrt_slot *more = sdrt_grow(slots->slot, (size_t)slots->n, &slots->cap, sizeof *more);
    char *full = malloc(size);
    if (more) slots->slot = more;
    if (!more || !full) {
        free(full);
        return sdrt_fail(slots->log, SDRT_E_NOMEM, "out of memory for the slot %s", name);
    }
    snprintf(full, size, "%s%s", scope, name);
    slots->slot[slots->n++] = (struct sdrt_slot){
        .name = full, .type = type, .dims = { dims[0], dims[1], dims[2], dims[3] }, .life = life,
        .bytes = sdrt_dtype_bytes(type, count),
    };
    return SDRT_OK;
}

int sdrt_slots_add_program(struct sdrt_slots *slots, const char *scope,
                           const struct sdrt_program *program, enum sdrt_when life)
{
    struct sdrt_external e;
    int status = SDRT_OK;

    for (int i = 0; status == SDRT_OK && sdrt_program_external(program, i, &e); i++)
        status = sdrt_slots_add(slots, scope, e.name, e.type, e.dims, life);
    return status;
}

/* Places the slots of one life behind at; returns the end. */
static size_t place_life(struct sdrt_slots *slots, enum sdrt_when life, unsigned char *memory,
                         size_t at)
{
    for (int i = 0; i < slots->n; i++) {
        struct sdrt_slot *s = &slots->slot[i];
        if (s->life != life) continue;
        s->memory = memory ? memory + at : NULL;
        at += (s->bytes + 63) / 64 * 64;
    }
    return at;
}

size_t sdrt_slots_place(struct sdrt_slots *slots, unsigned char *memory)
{
    size_t at = place_life(slots, SDRT_ONCE_A_PROMPT, memory, 0);

    at = place_life(slots, SDRT_ONCE_A_SCHEDULE, memory, at);
    const size_t evaluation = place_life(slots, SDRT_EACH_EVALUATION, memory, at);
    const size_t image = place_life(slots, SDRT_ONCE_AN_IMAGE, memory, at);
    const size_t picture = place_life(slots, SDRT_ONCE_A_PICTURE, memory, at);
    const size_t later = evaluation > image ? evaluation : image;
    return later > picture ? later : picture;
}

/* Where an external tensor begins in its slot: its images are the last ones there. */
static size_t place_in(const struct sdrt_slot *s, const struct sdrt_external *e)
{
    return s->bytes / (size_t)s->dims[0] * (size_t)(s->dims[0] - e->dims[0]);
}

void sdrt_slots_bind(const struct sdrt_slots *slots, const char *scope,
                     struct sdrt_program *program)
{
    struct sdrt_external e;

    for (int i = 0; sdrt_program_external(program, i, &e); i++) {
        const struct sdrt_slot *s = &slots->slot[sdrt_slots_find(slots, scope, e.name)];
        sdrt_program_bind(program, e.tensor, s->memory + place_in(s, &e));
    }
}

/* ---- doubles ---- */

int sdrt_slots_add_far_program(struct sdrt_slots *slots, const char *scope,
                               const struct sdrt_program *program, enum sdrt_when life)
{
    struct sdrt_external e;
    const int status = sdrt_slots_add_program(slots, scope, program, life);

    for (int i = 0; status == SDRT_OK && sdrt_program_external(program, i, &e); i++) {
        struct sdrt_slot *s = &slots->slot[sdrt_slots_find(slots, scope, e.name)];
        s->far_reads |= e.reads;
        s->far_writes |= e.writes;
    }
    return status;
}

void sdrt_slots_double(struct sdrt_slots *slots, const unsigned char *memory, unsigned char *far)
{
    for (int i = 0; i < slots->n; i++)
        slots->slot[i].far = far + (slots->slot[i].memory - memory);
}

void sdrt_slots_bind_far(const struct sdrt_slots *slots, const char *scope,
                         struct sdrt_program *program)
{
    struct sdrt_external e;

    for (int i = 0; sdrt_program_external(program, i, &e); i++) {
        const struct sdrt_slot *s = &slots->slot[sdrt_slots_find(slots, scope, e.name)];
        sdrt_program_bind(program, e.tensor, s->far + place_in(s, &e));
    }
}

int sdrt_slots_find_moves(const struct sdrt_slots *slots, const char *scope,
                          const struct sdrt_program *program, struct sdrt_slot_moves *out)
{
    struct sdrt_external e;

    *out = (struct sdrt_slot_moves){ .in = calloc((size_t)slots->n + 1, sizeof *out->in),
                                     .out = calloc((size_t)slots->n + 1, sizeof *out->out) };
    if (!out->in || !out->out)
        return sdrt_fail(slots->log, SDRT_E_NOMEM, "out of memory for a list of slots");
    for (int i = 0; sdrt_program_external(program, i, &e); i++) {
        const int slot = sdrt_slots_find(slots, scope, e.name);
        if (e.reads && !slots->slot[slot].far_writes) out->in[out->n_in++] = slot;
        if (e.writes && !slots->slot[slot].far_reads) out->out[out->n_out++] = slot;
    }
    return SDRT_OK;
}

void sdrt_slot_moves_free(struct sdrt_slot_moves *moves)
{
    free(moves->in);
    free(moves->out);
    *moves = (struct sdrt_slot_moves){ .in = NULL };
}

void sdrt_slots_send(const struct sdrt_slots *slots, const struct sdrt_slot_moves *moves,
                     struct sdrt_queue *queue)
{
    for (int i = 0; i < moves->n_in; i++) {
        const struct sdrt_slot *s = &slots->slot[moves->in[i]];
        sdrt_queue_write(queue, s->far, s->memory, s->bytes);
    }
}

void sdrt_slots_fetch(const struct sdrt_slots *slots, const struct sdrt_slot_moves *moves,
                      struct sdrt_queue *queue)
{
    for (int i = 0; i < moves->n_out; i++) {
        const struct sdrt_slot *s = &slots->slot[moves->out[i]];
        sdrt_queue_read(queue, s->memory, s->far, s->bytes);
    }
}

/* ---- reaching them ---- */

void sdrt_slot_write(const struct sdrt_slots *slots, int slot, size_t at, const void *from,
                     size_t bytes)
{
    sdrt_queue_write(slots->queue, slots->slot[slot].memory + at, from, bytes);
}

void sdrt_slot_read(const struct sdrt_slots *slots, int slot, size_t at, void *to, size_t bytes)
{
    sdrt_queue_read(slots->queue, to, slots->slot[slot].memory + at, bytes);
}

void *sdrt_slot_map(const struct sdrt_slots *slots, int slot)
{
    return sdrt_device_map(slots->device, slots->slot[slot].memory);
}

void sdrt_slots_clear(struct sdrt_slots *slots)
{
    for (int i = 0; i < slots->n; i++) free(slots->slot[i].name);
    free(slots->slot);
    slots->slot = NULL;
    slots->n = 0;
    slots->cap = 0;
}
