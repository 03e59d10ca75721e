/* SPDX-License-Identifier: MIT */
#include "tools/pictures.h"

/* Reads path, where there is one, and lets *out be it. */
static int read_one(const char *path, struct sdrt_picture_file *file, struct sdrt_picture *picture,
                    const struct sdrt_picture **out, const struct sdrt_log *log)
{
    if (!path) return SDRT_OK;
    const int status = sdrt_picture_file_read(file, path, log);
    if (status != SDRT_OK) return status;
    *picture = (struct sdrt_picture){ file->pixels, file->width, file->height, file->channels, 0 };
    *out = picture;
    return SDRT_OK;
}

int pictures_read(struct pictures *p, struct sdgen_options *o, const struct sdrt_log *log)
{
    int status = read_one(o->init, &p->init_file, &p->init, &o->request.init, log);

    if (status == SDRT_OK)
        status = read_one(o->mask, &p->mask_file, &p->mask, &o->request.mask, log);
    for (int i = 0; i < o->request.n_controls && status == SDRT_OK; i++)
        status = read_one(o->control_images[i], &p->control_files[i], &p->controls[i],
                          &o->controls[i].picture, log);
    for (int i = 0; i < o->request.n_ip_adapters && status == SDRT_OK; i++)
        status = read_one(o->ip_images[i], &p->ip_files[i], &p->ips[i], &o->ips[i].picture, log);
    return status;
}

void pictures_free(struct pictures *p)
{
    sdrt_picture_file_free(&p->init_file);
    sdrt_picture_file_free(&p->mask_file);
    for (int i = 0; i < SDGEN_MAX_IPS; i++) sdrt_picture_file_free(&p->ip_files[i]);
    for (int i = 0; i < SDGEN_MAX_CONTROLS; i++) sdrt_picture_file_free(&p->control_files[i]);
}
