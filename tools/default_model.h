/* SPDX-License-Identifier: MIT
 *
 * The model of a call that names none.
 */
#ifndef SDRT_TOOLS_DEFAULT_MODEL_H
#define SDRT_TOOLS_DEFAULT_MODEL_H

enum { DEFAULT_MODEL_PATH = 4096 };

/* What the variable SDRT_MODEL names, else the small model (tools/demo-model/ makes it) in a
 * folder demo-model beside this program or its build folder, else the one installed with it;
 * NULL where there is none.  Borrowed from the environment or written to path.  *small, which
 * is 1 for the small model, may not be NULL. */
const char *default_model(char path[DEFAULT_MODEL_PATH], int *small);

#endif
