/* SPDX-License-Identifier: MIT
 *
 * A plan as a picture.
 */
#ifndef SDRT_TOOLS_PLAN_SVG_H
#define SDRT_TOOLS_PLAN_SVG_H

#include "runtime/base/error.h"

#include <stdio.h>

/* Draws the two programs of a plan that are worth a picture, the denoiser's step and the VAE, one
 * below the other: address over time, one rectangle a buffer, named on hover.  json is what
 * sdrt_session_plan_text() gives.  SDRT_E_FORMAT where it is another. */
int plan_svg(const char *json, FILE *f, const struct sdrt_log *log);

#endif
