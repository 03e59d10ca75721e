/* SPDX-License-Identifier: MIT
 *
 * OpenAI's interface for images.
 */
#ifndef SDRT_TOOLS_SDSERVE_OPENAI_H
#define SDRT_TOOLS_SDSERVE_OPENAI_H

#include "tools/sdserve/fields.h"

/* The fields of all three. */
extern const struct field openai_fields[];

/* /v1/images/..., of which edits and variations are forms. */
enum MHD_Result openai_generations(struct call *call);
enum MHD_Result openai_edits(struct call *call);
enum MHD_Result openai_variations(struct call *call);

/* /v1/models */
enum MHD_Result openai_models(struct call *call);
enum MHD_Result openai_model(struct call *call);

#endif
