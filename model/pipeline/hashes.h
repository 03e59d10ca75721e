/* SPDX-License-Identifier: MIT
 *
 * The hashes of a model's files and of LoRAs that images name, as the web UI and Civitai count them.
 */
#ifndef SDRT_MODEL_PIPELINE_HASHES_H
#define SDRT_MODEL_PIPELINE_HASHES_H

#include "model/pipeline/model.h"
#include "model/sdrt.h"

#include <stdio.h>

/* When a model is opened: finds the hashes of the files that options name, or computes them where options say
 * so.  SDRT_E_NOMEM, SDRT_E_IO.  Of folders there are none. */
int sdrt_hashes_open(struct sdrt_model *m, const struct sdrt_options *o);
void sdrt_hashes_close(struct sdrt_model *m);

/* Writes ", Model hash: ..." and, where a VAE replaces the model's, its hash and name, as far as they are
 * known; to parameters that are not begun with a comma. */
void sdrt_hashes_write_model(const struct sdrt_model *m, FILE *f);

/* "name: digits, ..." of a request's LoRAs whose hashes are known, or are computed where the model's options
 * say so, into *text; sdrt_free() it.  NULL for none.  SDRT_E_NOMEM without a line. */
int sdrt_hashes_of_loras(const struct sdrt_model *m, const struct sdrt_request *r, char **text);

#endif
