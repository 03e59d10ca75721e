/* SPDX-License-Identifier: MIT
 *
 * What the library is.
 */
#include <config.h>

#include "model/sdrt.h"
#include "runtime/base/error.h"

#include <stdlib.h>

const char *sdrt_version(void) { return PACKAGE_VERSION; }
int sdrt_abi_version(void) { return SDRT_ABI; }
const char *sdrt_status_name(int status) { return sdrt_status_text(status); }
void sdrt_free(void *memory) { free(memory); }
