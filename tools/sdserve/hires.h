/* SPDX-License-Identifier: MIT
 *
 * Images that are drawn twice: A1111's "Hires. fix".
 */
#ifndef SDRT_TOOLS_SDSERVE_HIRES_H
#define SDRT_TOOLS_SDSERVE_HIRES_H

#include "tools/sdserve/fields.h"

/* What enlarges between both: a name of sdrt.h's, of A1111's, or of a network that this server lists. */
int hires_upscaler(struct fields *fields, const char *name, const json_t *value);

/* Once all of A1111's fields are read: what belongs to enable_hr, which without it is passed over.
 * SDRT_E_ARG for what this server would draw otherwise. */
int hires_settle(struct fields *fields);

#endif
