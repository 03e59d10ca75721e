/* SPDX-License-Identifier: MIT
 *
 * The fields of a request as a table: what each may say, and what becomes of it.  A field that no row
 * has is refused by its name.
 */
#ifndef SDRT_TOOLS_SDSERVE_FIELDS_H
#define SDRT_TOOLS_SDSERVE_FIELDS_H

#include "tools/sdserve/http.h"
#include "tools/sdserve/wish.h"

enum field_kind {
    FIELD_TEXT,    /* borrowed into a const char * */
    FIELD_WHOLE,   /* into an int, from low to high */
    FIELD_FLOAT,   /* into a float, from low to high */
    FIELD_DOUBLE,  /* into a double, from low to high */
    FIELD_SEED,    /* into a uint64_t; -1: left to chance, which leaves it as it is */
    FIELD_FLAG,    /* into an int */
    FIELD_PICTURE, /* base64, into a struct sdrt_picture_file */
    FIELD_CALL,    /* call takes it */
    FIELD_OFF,     /* what is not there: only null, false, 0, "" or nothing in it is taken */
    FIELD_IDLE,    /* belongs to what is off, and is passed over */
};

struct fields; /* of one request, while they are read */

struct field {
    const char *name;
    enum field_kind kind;
    size_t where; /* offset in struct wish */
    double low, high;
    int (*call)(struct fields *fields, const char *name, const json_t *value);
    const char *schema; /* of FIELD_CALL, JSON Schema's text of what it takes; NULL: anything */
};

struct fields {
    struct server *server;
    struct wish *wish;
    const json_t *object;
    int texts; /* values are texts, as a form's are */
    const struct sdrt_log *log;
    const char *bad; /* the field that was refused, borrowed from object; NULL for none */
};

/* Reads all of fields->object by the rows, which end with one without name.  null is as good as
 * absent.  SDRT_E_ARG with a line that begins with the field's name. */
int fields_read(struct fields *fields, const struct field *rows);

/* Reads those of the object's fields that the rows have, whatever else is there. */
int fields_pick(struct fields *fields, const struct field *rows);

/* For calls: SDRT_E_ARG with "name: expected what". */
int fields_refuse(struct fields *fields, const char *name, const char *expected);

/* A sampler or schedule in any spelling, into the request; "" and, for schedules, A1111's "Automatic"
 * leave it as it is. */
int field_sampler(struct fields *fields, const char *name, const json_t *value);
int field_schedule(struct fields *fields, const char *name, const json_t *value);
/* A checkpoint by its title. */
int field_checkpoint(struct fields *fields, const char *name, const json_t *value);
/* A VAE by its title, "Automatic" and "None" among them. */
int field_vae(struct fields *fields, const char *name, const json_t *value);
/* "png", "jpeg" or "webp". */
int field_format(struct fields *fields, const char *name, const json_t *value);

/* Base64, or a data: address, as a picture in out, which is freed first.  name is for messages. */
int field_picture(struct fields *fields, const char *name, const char *text,
                  struct sdrt_picture_file *out);
/* The same of bytes. */
int field_bytes(struct fields *fields, const char *name, const uint8_t *bytes, size_t size,
                struct sdrt_picture_file *out);

/* Lets the request begin with the pictures that were read, where there are some. */
void fields_begin(struct wish *wish);

#endif
