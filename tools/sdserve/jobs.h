/* SPDX-License-Identifier: MIT
 *
 * Jobs as the interfaces share them, and this server's own interface to them.
 */
#ifndef SDRT_TOOLS_SDSERVE_JOBS_H
#define SDRT_TOOLS_SDSERVE_JOBS_H

#include "tools/sdserve/fields.h"
#include "tools/sdserve/http.h"

/* A wish with the defaults of server and shelf; NULL without memory. */
struct wish *jobs_wish(struct call *call);

/* Checks the wish, takes it over and submits it.  NULL after an answer, in *answered. */
struct job *jobs_submit(struct call *call, struct wish *wish, enum MHD_Result *answered);

/* Of a job that is over without being done. */
enum MHD_Result jobs_answer_failed(struct call *call, const struct job *over);

/* What is known of a job: state, place, progress, images' addresses. */
json_t *jobs_describe(struct call *call, const struct job *job);

/* Seconds until it is over, as far as steps were measured; below 0: unknown. */
double jobs_seconds_left(struct call *call, const struct job *job);

/* The preview as a PNG in base64, the caller's; NULL where there is none.  number, where it is not NULL:
 * only one that is newer, whose number it becomes. */
char *jobs_preview(struct call *call, const struct job *job, int *number);

/* The fields of a job's body. */
extern const struct field jobs_fields[];

enum MHD_Result jobs_post(struct call *call);
enum MHD_Result jobs_get(struct call *call);
enum MHD_Result jobs_list(struct call *call);
enum MHD_Result jobs_delete(struct call *call);

#endif
