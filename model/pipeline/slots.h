/* SPDX-License-Identifier: MIT
 *
 * Slots: named memory that lives longer than one run of a program.
 *
 * The external tensors of all programs are slots; tensors of one name are one slot.  A slot holds
 * until what it is filled by begins again: each evaluation, for an image, for a schedule, for a
 * prompt.  What holds for one evaluation, for one image and for one picture to begin with is never
 * wanted at the same time, so it shares memory.
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
    SDRT_ONCE_AN_IMAGE,
    SDRT_ONCE_A_PICTURE /* that a run begins with */
};

struct sdrt_slot {
    char  *name;
    enum sdrt_dtype type;
    int    dims[4]; /* batch, h, w, c */
    enum sdrt_when life;
    size_t bytes;
    unsigned char *memory; /* the device's; NULL until placed */
    unsigned char *far;    /* its double in another device's memory; NULL where there is none */
    int    far_reads, far_writes; /* whether a program there does */
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

/* Declares scope + name, or name alone where that begins with a slash.  A name that is there already keeps
 * its life and must have this type and size, or half the batch: SDRT_E_ARG, naming it.  SDRT_E_NOMEM. */
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

/* Gives the external tensors of a program their slots' memory: of a slot of more images the last ones,
 * which are the conditional half of pairs. */
void sdrt_slots_bind(const struct sdrt_slots *slots, const char *scope,
                     struct sdrt_program *program);

/* Copies bytes into a slot from at on, or out of it. */
void sdrt_slot_write(const struct sdrt_slots *slots, int slot, size_t at, const void *from,
                     size_t bytes);
void sdrt_slot_read(const struct sdrt_slots *slots, int slot, size_t at, void *to, size_t bytes);

/* ---- doubles, for programs on a device whose memory is not the host's ---- */

/* Declares them likewise, and notes what the program reads and writes. */
int sdrt_slots_add_far_program(struct sdrt_slots *slots, const char *scope,
                               const struct sdrt_program *program, enum sdrt_when life);

/* Gives every slot its double: far is laid out as the memory of sdrt_slots_place(). */
void sdrt_slots_double(struct sdrt_slots *slots, const unsigned char *memory, unsigned char *far);

/* Gives the external tensors of a program the doubles' memory. */
void sdrt_slots_bind_far(const struct sdrt_slots *slots, const char *scope,
                         struct sdrt_program *program);

/* The slots that are copied to their doubles before a run of a far program, which are those that it
 * reads and no far program writes, and those that come back after it, which are those that it
 * writes and no far program reads. */
struct sdrt_slot_moves {
    int *in, *out; /* n_in, n_out of them; owned */
    int  n_in, n_out;
};

/* Finds them once all programs are declared.  SDRT_E_NOMEM; *out is freed by
 * sdrt_slot_moves_free(), which zeroes it, in either case. */
int sdrt_slots_find_moves(const struct sdrt_slots *slots, const char *scope,
                          const struct sdrt_program *program, struct sdrt_slot_moves *out);
void sdrt_slot_moves_free(struct sdrt_slot_moves *moves);

/* Copies those slots on a queue of the far device.  A copy that fails is told by the queue's next
 * wait. */
void sdrt_slots_send(const struct sdrt_slots *slots, const struct sdrt_slot_moves *moves,
                     struct sdrt_queue *queue);
void sdrt_slots_fetch(const struct sdrt_slots *slots, const struct sdrt_slot_moves *moves,
                      struct sdrt_queue *queue);

/* ---- reaching them ---- */

/* The slot's memory as the host sees it; at no cost on a processor. */
void *sdrt_slot_map(const struct sdrt_slots *slots, int slot);

/* Frees the table; the memory is its owner's. */
void sdrt_slots_clear(struct sdrt_slots *slots);

#endif
