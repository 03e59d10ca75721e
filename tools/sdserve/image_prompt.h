/* SPDX-License-Identifier: MIT
 *
 * IP-Adapters and the pictures that are prompts to them, in requests.
 */
#ifndef SDRT_TOOLS_SDSERVE_IMAGE_PROMPT_H
#define SDRT_TOOLS_SDSERVE_IMAGE_PROMPT_H

#include "tools/sdserve/fields.h"

/* sd-webui-controlnet's pre-processors that make a unit an IP-Adapter; a constant, NULL behind the last. */
const char *image_prompt_module(int i);

/* Whether a unit of sd-webui-controlnet with this pre-processor, which may be NULL, is one, also one that is
 * not there, as those of faces. */
int image_prompt_is(const char *module);

/* Such a unit, whose members have names that units have, with the picture that it has.  SDRT_E_ARG for what
 * this server would draw otherwise. */
int image_prompt_unit(struct fields *fields, const char *name, const json_t *unit,
                      const char *picture);

/* [{"file", "image", "scale"}] */
int image_prompt_list(struct fields *fields, const char *name, const json_t *value);

#endif
