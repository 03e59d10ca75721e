/* SPDX-License-Identifier: MIT
 *
 * What the server takes, for programs that read OpenAPI.
 */
#ifndef SDRT_TOOLS_SDSERVE_OPENAPI_H
#define SDRT_TOOLS_SDSERVE_OPENAPI_H

#include "tools/sdserve/http.h"

/* /openapi.json */
enum MHD_Result openapi_answer(struct call *call);

#endif
