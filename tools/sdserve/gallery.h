/* SPDX-License-Identifier: MIT
 *
 * The page that a browser shows, and the images that are kept.
 */
#ifndef SDRT_TOOLS_SDSERVE_GALLERY_H
#define SDRT_TOOLS_SDSERVE_GALLERY_H

#include "tools/sdserve/http.h"

/* /, /style.css and /page.js, out of the program. */
enum MHD_Result page_answer(struct call *call);

/* The names of the output folder's pictures, newest first; and one of them. */
enum MHD_Result gallery_list(struct call *call);
enum MHD_Result gallery_get(struct call *call);

#endif
