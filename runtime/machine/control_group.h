/* SPDX-License-Identifier: MIT
 *
 * Control groups: where the limits of this process stand.  Every group above the process limits
 * it, so whoever asks walks from its own up to the root, in both versions of the system.
 */
#ifndef SDRT_RUNTIME_MACHINE_CONTROL_GROUP_H
#define SDRT_RUNTIME_MACHINE_CONTROL_GROUP_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A group: its folder, below which its files lie, with its version, 1 or 2. */
typedef void sdrt_group_fn(void *user, const char *folder, int version);

/* Calls fn for the group of this process and for each above it, as far as they can be seen here: in
 * version 1 the groups of controller ("memory", "cpu"), then the groups of version 2.  All is read below the
 * folder root instead of "/", so that a test can describe another machine; root "" is this one.
 * What cannot be read has no groups. */
void sdrt_control_groups(const char *root, const char *controller, sdrt_group_fn *fn, void *user);

/* Small files of the kernel.  Each returns 1, or 0 where the file or what is wanted is not there.
 * The first line of the file name in folder, cut to size; a number at its start ("max" is none); and
 * the number that stands after key at the start of a line ("MemAvailable:   123 kB",
 * "inactive_file 9"). */
int sdrt_group_line(const char *folder, const char *name, char *line, size_t size);
int sdrt_group_number(const char *folder, const char *name, uint64_t *value);
int sdrt_group_field(const char *folder, const char *name, const char *key, uint64_t *value);

#endif
