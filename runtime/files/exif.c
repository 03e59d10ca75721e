/* SPDX-License-Identifier: MIT
 *
 * EXIF, by libexif: how a picture lies, and a comment.
 */
#include "runtime/files/picture_formats.h"
#include "runtime/files/png_text.h"

#include <libexif/exif-data.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { CODE = 8 /* bytes in front of a comment, which name its encoding */ };

/* ---- reading ---- */

static unsigned unit(const unsigned char *at, int big)
{
    return big ? (unsigned)at[0] << 8 | at[1] : (unsigned)at[1] << 8 | at[0];
}

/* Text that people wrote in UTF-16 as UTF-8.  Programs differ in the order of bytes whatever the rest
 * of the file has: a mark tells it, else the zero that most texts begin with. */
static char *from_utf16(const unsigned char *text, size_t size, int big)
{
    char *out = malloc(size / 2 * 3 + 1);
    size_t used = 0, i = 0;

    if (!out) return NULL;
    if (size >= 2 && (unit(text, 1) == 0xfeff || unit(text, 1) == 0xfffe)) {
        big = unit(text, 1) == 0xfeff;
        i = 2;
    } else if (size >= 2 && !text[0] != !text[1]) {
        big = !text[0];
    }
    for (; i + 1 < size; i += 2) {
        utf8proc_int32_t c = (utf8proc_int32_t)unit(text + i, big);
        if (c >= 0xd800 && c < 0xdc00 && i + 3 < size) {
            const unsigned low = unit(text + i + 2, big);
            if (low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + (c - 0xd800) * 0x400 + (utf8proc_int32_t)(low - 0xdc00);
                i += 2;
            }
        }
        if (!c) break;
        if (c >= 0xd800 && c < 0xe000) c = 0xfffd;
        used += (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)out + used);
    }
    out[used] = '\0';
    return out;
}

/* Of bytes, up to a zero. */
static char *from_bytes(const unsigned char *data, size_t size)
{
    char *bytes = strndup((const char *)data, size),
         *text = bytes ? sdrt_png_text_utf8(bytes) : NULL;

    free(bytes);
    return text;
}

/* A comment's text, whatever it is encoded in; NULL without memory. */
static char *comment_of(const unsigned char *data, size_t size, int big)
{
    if (size >= CODE && !memcmp(data, "UNICODE\0", CODE))
        return from_utf16(data + CODE, size - CODE, big);
    if (size >= CODE &&
        (!memcmp(data, "ASCII\0\0\0", CODE) || !memcmp(data, "\0\0\0\0\0\0\0\0", CODE)))
        return from_bytes(data + CODE, size - CODE);
    return from_bytes(data, size);
}

int sdrt_exif_read(const uint8_t *bytes, size_t size, int *turn, char **comment)
{
    const size_t head = size >= 6 && !memcmp(bytes, "Exif\0\0", 6) ? 0 : 6;
    unsigned char *all = malloc(size + head);
    ExifData *data = all && size + head <= 1 << 24 ? exif_data_new() : NULL;
    int status = all ? SDRT_OK : SDRT_E_NOMEM;

    if (data) {
        memcpy(all, "Exif\0\0", head);
        memcpy(all + head, bytes, size);
        exif_data_unset_option(data, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
        exif_data_load_data(data, all, (unsigned)(size + head));
        const ExifByteOrder order = exif_data_get_byte_order(data);
        const ExifEntry *o = exif_data_get_entry(data, EXIF_TAG_ORIENTATION);
        const ExifEntry *c = exif_data_get_entry(data, EXIF_TAG_USER_COMMENT);
        if (o && o->format == EXIF_FORMAT_SHORT && o->size >= 2) {
            const int said = exif_get_short(o->data, order);
            if (said >= 1 && said <= 8) *turn = said;
        }
        if (c && c->size && !*comment) {
            *comment = comment_of(c->data, c->size, order == EXIF_BYTE_ORDER_MOTOROLA);
            if (!*comment) status = SDRT_E_NOMEM;
        }
        exif_data_unref(data);
    }
    free(all);
    return status;
}

/* ---- writing ---- */

static size_t put_unit(unsigned char *out, unsigned unit)
{
    out[0] = (unsigned char)(unit >> 8);
    out[1] = (unsigned char)unit;
    return 2;
}

/* CODE and text in UTF-16, its high bytes first; bytes that are not UTF-8 become U+FFFD. */
static size_t to_utf16(const char *text, unsigned char *out)
{
    const size_t size = strlen(text);
    size_t used = CODE;

    memcpy(out, "UNICODE\0", CODE);
    for (size_t i = 0; i < size;) {
        utf8proc_int32_t c;
        const utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + i,
                                                    (utf8proc_ssize_t)(size - i), &c);
        i += n > 0 ? (size_t)n : 1;
        if (n <= 0) c = 0xfffd;
        if (c >= 0x10000) used += put_unit(out + used, 0xd800 + (unsigned)((c - 0x10000) >> 10));
        used += put_unit(out + used, c < 0x10000 ? (unsigned)c : 0xdc00 + ((unsigned)c & 0x3ff));
    }
    return used;
}

static uint8_t *make(const char *comment, size_t *size)
{
    ExifData *data = exif_data_new();
    ExifEntry *entry = exif_entry_new();
    unsigned char *text = malloc(CODE + 2 * strlen(comment) + 1), *saved = NULL;
    unsigned length = 0;

    *size = 0;
    if (data && entry && text) {
        exif_data_set_byte_order(data, EXIF_BYTE_ORDER_MOTOROLA);
        entry->tag = EXIF_TAG_USER_COMMENT;
        entry->format = EXIF_FORMAT_UNDEFINED;
        entry->size = (unsigned)to_utf16(comment, text);
        entry->components = entry->size;
        entry->data = text; /* freed below, not by the entry */
        exif_content_add_entry(data->ifd[EXIF_IFD_EXIF], entry);
        exif_data_save_data(data, &saved, &length);
        entry->data = NULL;
        entry->size = 0;
    }
    if (entry) exif_entry_unref(entry);
    if (data) exif_data_unref(data);
    free(text);
    *size = length;
    return saved;
}

int sdrt_exif_make(uint8_t **exif, size_t *size, const char *where, const char *comment,
                   const struct sdrt_log *log)
{
    enum { MOST = 65533 /* of a JPEG's segment; libexif reads no more of other files */ };

    *exif = make(comment, size);
    if (!*exif) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its parameters", where);
    if (*size <= MOST) return SDRT_OK;
    sdrt_note(log, SDRT_LOG_WARNING,
              "%s: its parameters are too long for EXIF and were left out; a PNG "
              "has room",
              where);
    free(*exif);
    *exif = NULL;
    return SDRT_OK;
}
