/* SPDX-License-Identifier: MIT
 *
 * What models and LoRAs of few steps are made for, proposed or, by --auto, taken.
 */
#ifndef SDRT_TOOLS_AUTO_OPTION_H
#define SDRT_TOOLS_AUTO_OPTION_H

#include "tools/options.h"

/* Looks at the request's LoRAs, the prompt's, and the model's files.  What one of them is made for and the
 * command line does not say is told in one line, where the request would be drawn otherwise, and with --auto
 * set in o->request, which then points into o and constants.  Parameters of --from-image count as said. */
void auto_apply(const struct sdrt_context *context, struct sdgen_options *o,
                const struct sdrt_log *log);

#endif
