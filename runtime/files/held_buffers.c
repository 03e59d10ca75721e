/* SPDX-License-Identifier: MIT */
#include "runtime/files/held_buffers.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct sdrt_held_buffer {
    struct sdrt_held_buffer *next;
    void *data;
    size_t bytes;
    unsigned holders;
    char name[];
};

enum { ALIGNMENT = 64 };

/* Where the pointer to name's buffer is kept; it points to NULL when there is none. */
static struct sdrt_held_buffer **find(struct sdrt_held_buffers *list, const char *name)
{
    struct sdrt_held_buffer **at = &list->first;

    while (*at && strcmp((*at)->name, name)) at = &(*at)->next;
    return at;
}

void *sdrt_held_buffers_get(struct sdrt_held_buffers *list, const char *name, size_t bytes)
{
    struct sdrt_held_buffer *buffer = *find(list, name);

    if (!buffer || buffer->bytes != bytes) return NULL;
    buffer->holders++;
    return buffer->data;
}

void *sdrt_held_buffers_add(struct sdrt_held_buffers *list, const char *name, size_t bytes)
{
    const size_t length = strlen(name) + 1;
    struct sdrt_held_buffer *buffer;

    if (bytes > SIZE_MAX - ALIGNMENT || *find(list, name)) return NULL;
    buffer = malloc(sizeof *buffer + length);
    if (!buffer) return NULL;
    buffer->bytes = bytes;
    /* An empty tensor still gets an address of its own. */
    bytes = bytes ? (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
    if (posix_memalign(&buffer->data, ALIGNMENT, bytes) != 0) {
        free(buffer);
        return NULL;
    }
    buffer->holders = 1;
    memcpy(buffer->name, name, length);
    buffer->next = list->first;
    list->first = buffer;
    return buffer->data;
}

static void unlink_first(struct sdrt_held_buffer **at)
{
    struct sdrt_held_buffer *buffer = *at;

    *at = buffer->next;
    free(buffer->data);
    free(buffer);
}

void sdrt_held_buffers_release(struct sdrt_held_buffers *list, const char *name)
{
    struct sdrt_held_buffer **at = find(list, name);

    if (*at && --(*at)->holders == 0) unlink_first(at);
}

void sdrt_held_buffers_clear(struct sdrt_held_buffers *list)
{
    while (list->first) unlink_first(&list->first);
}
