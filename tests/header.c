/* SPDX-License-Identifier: MIT
 *
 * Compiled by check_header.sh as C11 and as C++: the installed header stands alone.
 */
#include <sdrt.h>

#include <sdrt.h>

#if SDRT_ABI < 1 || SDRT_VERSION_MAJOR * 1000 + SDRT_VERSION_MINOR < 1
#error "the version cannot be tested at compile time"
#endif

int probe(struct sdrt_context *context);

int probe(struct sdrt_context *context)
{
    struct sdrt_options options;
    struct sdrt_request request;

    sdrt_options_init(&options);
    sdrt_request_init(&request);
    return sdrt_open(&context, &options) == SDRT_OK && sdrt_generate(context, &request) == SDRT_OK;
}
