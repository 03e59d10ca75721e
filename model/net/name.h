/* SPDX-License-Identifier: MIT
 *
 * Building the long dotted names of tensors.
 */
#ifndef SDRT_MODEL_NET_NAME_H
#define SDRT_MODEL_NET_NAME_H

#include <stddef.h>

/* snprintf for names: out gets the formatted text, cut at size - 1.  A name that was cut
 * is in no checkpoint, so it ends as a missing tensor, never as a wrong one. */
void sdrt_name(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
