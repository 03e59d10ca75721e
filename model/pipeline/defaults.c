/* SPDX-License-Identifier: MIT
 *
 * Defaults in structs of the size that the caller has.
 */
#include "model/pipeline/read.h"

#include <string.h>

/* As much of defaults as there is room for; what the caller's header has beyond them is 0. */
static void fill(void *out, size_t size, const void *defaults, size_t known)
{
    memset(out, 0, size);
    memcpy(out, defaults, size < known ? size : known);
    if (size >= sizeof size) memcpy(out, &size, sizeof size);
}

void sdrt_options_init_sized(struct sdrt_options *options, size_t size)
{
    const struct sdrt_options defaults = sdrt_options_default();

    if (options) fill(options, size, &defaults, sizeof defaults);
}

void sdrt_request_init_sized(struct sdrt_request *request, size_t size)
{
    const struct sdrt_request defaults = sdrt_request_default();

    if (request) fill(request, size, &defaults, sizeof defaults);
}

#undef sdrt_options_init
#undef sdrt_request_init

void sdrt_options_init(struct sdrt_options *options)
{
    sdrt_options_init_sized(options, SDRT_FIRST_OPTIONS);
}

void sdrt_request_init(struct sdrt_request *request)
{
    sdrt_request_init_sized(request, SDRT_FIRST_REQUEST);
}
