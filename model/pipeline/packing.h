/* SPDX-License-Identifier: MIT
 *
 * As what type a model's matrices are packed, by the precision that it was opened in.
 */
#ifndef SDRT_MODEL_PIPELINE_PACKING_H
#define SDRT_MODEL_PIPELINE_PACKING_H

#include "runtime/device/device.h"
#include "runtime/weights/packing.h"

/* precision: a name of sdrt_precision_name(), which the device computes in.  For the store of any of
 * the model's parts; from any thread. */
sdrt_packing_policy *sdrt_packing_of(const char *precision, const struct sdrt_device *device);

#endif
