/* SPDX-License-Identifier: MIT
 *
 * Slots: named memory that lives longer than one run of a program.
 *
 * The external tensors of all programs are slots; tensors of one name are one slot.  A slot holds
 * until what it is filled by begins again: each evaluation, for an image, for a schedule, for a
 * prompt.  What holds for one evaluation and what holds for one image is never wanted at the same
 * time, so it shares memory.
 */
#ifndef SDRT_MODEL_PIPELINE_SLOTS_H
#define SDRT_MODEL_PIPELINE_SLOTS_H

#include "kernels/dtype.h"
#include "runtime/device/device.h"
#include "runtime/graph/program.h"

/* How often something is made, and so how long it holds. */
enum sdrt_when {
    SDRT_ONCE_A_PROMPT,
    SDRT_ONCE_A_SCHEDULE,
    SDRT_EACH_EVALUATION,
    SDRT_ONCE_AN_IMAGE
};

struct sdrt_slot {
    char  *name;
    enum sdrt_dtype type;
    int    dims[4]; /* batch, h, w, c */
    enum sdrt_when life;
    size_t bytes;
    unsigned char *memory; /* the device's; NULL until placed */
};

/* All of a session.  Set to zero at first; freed by sdrt_slots_clear(). */
struct sdrt_slots {
    struct sdrt_slot *slot;
    int    n;
    size_t cap;
    struct sdrt_device *device;
    struct sdrt_queue  *queue; /* reads and writes go behind what it runs */
    const struct sdrt_log *log;
};

/* No slot. */
enum { SDRT_NO_SLOT = -1 };

/* Declares scope + name.  A name that is there already keeps its life and must have this type and
 * size: SDRT_E_ARG, naming it.  SDRT_E_NOMEM. */
int sdrt_slots_add(struct sdrt_slots *slots, const char *scope, const char *name,
                   enum sdrt_dtype type, const int dims[4], enum sdrt_when life);

/* Declares every external tensor of a program that runs this often. */
int sdrt_slots_add_program(struct sdrt_slots *slots, const char *scope,
                           const struct sdrt_program *program, enum sdrt_when life);

/* Index of scope + name; SDRT_NO_SLOT when there is none. */
int sdrt_slots_find(const struct sdrt_slots *slots, const char *scope, const char *name);

/* Gives every slot its place from memory on and returns how many bytes that takes; with NULL it
 * only counts. */
size_t sdrt_slots_place(struct sdrt_slots *slots, unsigned char *memory);

/* Gives the external tensors of a program their slots' memory. */
void sdrt_slots_bind(const struct sdrt_slots *slots, const char *scope,
                     struct sdrt_program *program);

/* Copies bytes into a slot from at on, or out of it. */
void sdrt_slot_write(const struct sdrt_slots *slots, int slot, size_t at, const void *from,
                     size_t bytes);
void sdrt_slot_read(const struct sdrt_slots *slots, int slot, size_t at, void *to, size_t bytes);

/* The slot's memory as the host sees it; at no cost on a processor. */
void *sdrt_slot_map(const struct sdrt_slots *slots, int slot);

/* Frees the table; the memory is its owner's. */
void sdrt_slots_clear(struct sdrt_slots *slots);

#endif
