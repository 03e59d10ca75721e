/* SPDX-License-Identifier: MIT
 *
 * The structs that callers hand over, of whatever age, as the library's own.
 */
#ifndef SDRT_MODEL_PIPELINE_READ_H
#define SDRT_MODEL_PIPELINE_READ_H

#include "model/sdrt.h"
#include "runtime/base/error.h"

#include <stddef.h>

/* Sizes in the first header: up to the first member that was added. */
#define SDRT_FIRST_OPTIONS offsetof(struct sdrt_options, no_pin)
#define SDRT_FIRST_REQUEST offsetof(struct sdrt_request, progress_user)

/* What the init functions write. */
struct sdrt_options sdrt_options_default(void);
struct sdrt_request sdrt_request_default(void);

/* Copies the caller's struct, of the size that it says, over the defaults in *out, and puts
 * defaults in the place of NULL.  SDRT_E_ARG where the size cannot be, or a number or pointer is
 * impossible for every model; SDRT_E_UNSUPPORTED where something is set that this version does not
 * know or cannot do yet.  The line goes to the options' log, or to log. */
int sdrt_options_read(struct sdrt_options *out, const struct sdrt_options *options);
/* Puts what the seed chooses in the place of prompts with choices, where r asks for that: owned are texts that
 * the caller frees when r is done with, also after a failure, NULL where there are none.  SDRT_E_ARG,
 * SDRT_E_NOMEM. */
int sdrt_request_vary(struct sdrt_request *r, char *owned[2], const struct sdrt_log *log);

int sdrt_request_read(struct sdrt_request *out, const struct sdrt_request *request,
                      const struct sdrt_log *log);

#endif
