/* SPDX-License-Identifier: MIT
 *
 * Control nets and their pictures in requests.
 */
#ifndef SDRT_TOOLS_SDSERVE_CONTROL_H
#define SDRT_TOOLS_SDSERVE_CONTROL_H

#include "tools/sdserve/fields.h"

/* alwayson_scripts.controlnet's args: units as sd-webui-controlnet has them, of which those that are off
 * are passed over.  SDRT_E_ARG for what this server would draw otherwise. */
int control_units(struct fields *fields, const char *name, const json_t *args);

/* [{"net", "image", "scale", "start", "end", "map"}] */
int control_list(struct fields *fields, const char *name, const json_t *value);

/* Once all fields are read: whether the units' sizes and ways to another size go together with the
 * request's. */
int control_settle(struct fields *fields);

/* /controlnet/version, settings, model_list, module_list, control_types */
enum MHD_Result control_version(struct call *call);
enum MHD_Result control_models(struct call *call);
enum MHD_Result control_modules(struct call *call);
enum MHD_Result control_settings(struct call *call);
enum MHD_Result control_types(struct call *call);

#endif
