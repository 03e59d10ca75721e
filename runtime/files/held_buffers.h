/* SPDX-License-Identifier: MIT
 *
 * Named, counted buffers: what a weights provider owns while views of it are held.
 */
#ifndef SDRT_RUNTIME_FILES_HELD_BUFFERS_H
#define SDRT_RUNTIME_FILES_HELD_BUFFERS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_held_buffer; /* owned by the list it is in */

struct sdrt_held_buffers {
    struct sdrt_held_buffer *first; /* starts as NULL */
};

/* The buffer held under name with one more holder, or NULL when there is none or when it
 * has not this many bytes. */
void *sdrt_held_buffers_get(struct sdrt_held_buffers *list, const char *name, size_t bytes);

/* A new buffer of bytes, aligned to 64, under name, with one holder.  It belongs to the
 * list.  NULL without memory, or when the name is held already. */
void *sdrt_held_buffers_add(struct sdrt_held_buffers *list, const char *name, size_t bytes);

/* One holder less; the last one frees the buffer.  Unknown names are ignored. */
void sdrt_held_buffers_release(struct sdrt_held_buffers *list, const char *name);

/* Frees all buffers, held or not. */
void sdrt_held_buffers_clear(struct sdrt_held_buffers *list);

#ifdef __cplusplus
}
#endif

#endif
