/* SPDX-License-Identifier: MIT */
#include "tools/pictures.h"

static struct sdrt_picture picture_of(const struct sdrt_picture_file *file)
{
    return (struct sdrt_picture){ file->pixels, file->width, file->height, file->channels, 0 };
}

int pictures_read(struct pictures *p, struct sdgen_options *o, const struct sdrt_log *log)
{
    if (!o->init) return SDRT_OK;
    const int status = sdrt_picture_file_read(&p->file, o->init, log);
    if (status != SDRT_OK) return status;
    p->init = picture_of(&p->file);
    o->request.init = &p->init;
    return SDRT_OK;
}

void pictures_free(struct pictures *p) { sdrt_picture_file_free(&p->file); }
