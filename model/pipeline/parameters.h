/* SPDX-License-Identifier: MIT
 *
 * The text in an image that says how it was made, as A1111's web UI writes it, so that its tools and
 * Civitai read ours: prompt, negative prompt, then "Steps: 20, Sampler: Euler a, ..." in one line.
 */
#ifndef SDRT_MODEL_PIPELINE_PARAMETERS_H
#define SDRT_MODEL_PIPELINE_PARAMETERS_H

struct sdrt_run;

/* The text of image i of a run; the caller's.  NULL without memory. */
char *sdrt_parameters_text(const struct sdrt_run *run, int i);

/* A1111's word for a sampler or schedule of SDRT_LIST_SAMPLERS or _SCHEDULES, a constant, or name
 * where it has none; and the other way around, in any case. */
const char *sdrt_parameters_label(const char *name);
const char *sdrt_parameters_name(const char *label);

#endif
