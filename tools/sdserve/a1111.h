/* SPDX-License-Identifier: MIT
 *
 * The interface of AUTOMATIC1111's web UI, as its clients know it.
 */
#ifndef SDRT_TOOLS_SDSERVE_A1111_H
#define SDRT_TOOLS_SDSERVE_A1111_H

#include "tools/sdserve/fields.h"
#include "tools/sdserve/http.h"

/* /sdapi/v1/... */
enum MHD_Result a1111_txt2img(struct call *call);
enum MHD_Result a1111_img2img(struct call *call);
enum MHD_Result a1111_progress(struct call *call);
enum MHD_Result a1111_interrupt(struct call *call);
enum MHD_Result a1111_skip(struct call *call);
enum MHD_Result a1111_options(struct call *call);
enum MHD_Result a1111_set_options(struct call *call);
enum MHD_Result a1111_samplers(struct call *call);
enum MHD_Result a1111_schedulers(struct call *call);
enum MHD_Result a1111_models(struct call *call);
enum MHD_Result a1111_vaes(struct call *call);
enum MHD_Result a1111_loras(struct call *call);
enum MHD_Result a1111_embeddings(struct call *call);
enum MHD_Result a1111_latent_modes(struct call *call);
enum MHD_Result
a1111_nothing(struct call *call); /* a list that is empty here: styles, hypernetworks */
enum MHD_Result a1111_refresh(struct call *call);
enum MHD_Result a1111_png_info(struct call *call);
enum MHD_Result a1111_memory(struct call *call);
enum MHD_Result a1111_flags(struct call *call);
enum MHD_Result a1111_scripts(struct call *call);
enum MHD_Result a1111_ping(struct call *call);

/* The rows of its settings, for options and override_settings; of both kinds of drawing; of png-info. */
extern const struct field a1111_settings[], a1111_text_fields[], a1111_picture_fields[],
    a1111_info_fields[];

/* `info` of a job that is over, as a text of JSON; NULL without memory. */
char *a1111_info(const struct server *server, const struct job *job, int n_images);

/* What an infotext says of a key, "Sampler", into text; "" where it says nothing. */
void a1111_parameter(const char *infotext, const char *key, char *text, size_t size);

#endif
