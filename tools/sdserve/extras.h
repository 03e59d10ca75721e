/* SPDX-License-Identifier: MIT
 *
 * A1111's extras: enlarging a picture by a network of --upscaler-dir.
 */
#ifndef SDRT_TOOLS_SDSERVE_EXTRAS_H
#define SDRT_TOOLS_SDSERVE_EXTRAS_H

#include "tools/sdserve/fields.h"

/* The fields of extra-single-image. */
extern const struct field extras_fields[];

/* /sdapi/v1/extra-single-image, /sdapi/v1/upscalers.  One picture is enlarged at a time, beside those
 * that are drawn. */
enum MHD_Result extras_single(struct call *call);
enum MHD_Result extras_upscalers(struct call *call);

#endif
