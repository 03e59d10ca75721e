/* SPDX-License-Identifier: MIT
 *
 * WebP, by libwebp.
 */
#include "runtime/files/picture_formats.h"

#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>
#include <webp/mux.h>

/* ---- reading ---- */

static int keep_exif(struct sdrt_picture_file *out, int *turn, const struct sdrt_picture_bytes *in)
{
    const WebPData data = { in->bytes, in->size };
    WebPDemuxer *demux = WebPDemux(&data);
    WebPChunkIterator chunk;
    int status = SDRT_OK;

    if (!demux) return SDRT_OK; /* what is damaged, decoding tells */
    if (WebPDemuxGetChunk(demux, "EXIF", 1, &chunk))
        status = sdrt_exif_read(chunk.chunk.bytes, chunk.chunk.size, turn, &out->parameters);
    WebPDemuxReleaseChunkIterator(&chunk);
    WebPDemuxDelete(demux);
    return status;
}

int sdrt_webp_decode(struct sdrt_picture_file *out, int *turn, const struct sdrt_picture_bytes *in)
{
    WebPBitstreamFeatures f;
    const int known = WebPGetFeatures(in->bytes, in->size, &f) == VP8_STATUS_OK;

    if (known && f.has_animation)
        return sdrt_fail(in->log, SDRT_E_FORMAT, "%s: a WebP that moves: expected one picture",
                         in->path);
    if (!known || f.width > SDRT_PICTURE_FILE_SIDE || f.height > SDRT_PICTURE_FILE_SIDE)
        return sdrt_fail(in->log, SDRT_E_FORMAT, "%s: not a good WebP picture of at most %dx%d",
                         in->path, SDRT_PICTURE_FILE_SIDE, SDRT_PICTURE_FILE_SIDE);
    if (sdrt_picture_check_pixels(in, (size_t)f.width, (size_t)f.height)) return SDRT_E_FORMAT;
    out->width = f.width;
    out->height = f.height;
    out->channels = f.has_alpha ? 4 : 3;
    const size_t stride = (size_t)f.width * (size_t)out->channels, size = stride * (size_t)f.height;
    out->pixels = malloc(size);
    if (!out->pixels || keep_exif(out, turn, in) != SDRT_OK)
        return sdrt_fail(in->log, SDRT_E_NOMEM, "%s: no memory for a picture of %dx%d", in->path,
                         f.width, f.height);
    if ((f.has_alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto)(in->bytes, in->size, out->pixels,
                                                               size, (int)stride))
        return SDRT_OK;
    return sdrt_fail(in->log, SDRT_E_FORMAT,
                     "%s: not a good WebP picture: it is damaged or cut off", in->path);
}

/* ---- writing ---- */

/* The picture alone, without what is said of it. */
static int encode(int quality, WebPMemoryWriter *writer, const uint8_t *rgb, int width, int height)
{
    WebPConfig config;
    WebPPicture picture;
    int ok = WebPConfigInit(&config) && WebPPictureInit(&picture);

    if (!ok) return 0;
    config.quality = (float)quality;
    if (quality == 100) ok = WebPConfigLosslessPreset(&config, 6);
    picture.use_argb = config.lossless;
    picture.width = width;
    picture.height = height;
    picture.writer = WebPMemoryWrite;
    picture.custom_ptr = writer;
    ok = ok && WebPPictureImportRGB(&picture, rgb, width * 3) && WebPEncode(&config, &picture);
    WebPPictureFree(&picture);
    return ok;
}

/* The picture with EXIF beside it; its bytes are malloc's.  0 without memory. */
static int add_exif(const WebPMemoryWriter *writer, const uint8_t *exif, size_t size, WebPData *out)
{
    enum { HEAD = 6 /* "Exif\0\0", which JPEG has and WebP has not */ };
    const WebPData picture = { writer->mem, writer->size };
    const WebPData chunk = { exif + HEAD, size - HEAD };
    WebPMux *mux = WebPMuxNew();
    const int ok = mux && WebPMuxSetImage(mux, &picture, 0) == WEBP_MUX_OK &&
                   WebPMuxSetChunk(mux, "EXIF", &chunk, 0) == WEBP_MUX_OK &&
                   WebPMuxAssemble(mux, out) == WEBP_MUX_OK;

    WebPMuxDelete(mux);
    return ok;
}

int sdrt_webp_encode(int quality, uint8_t **bytes, size_t *size, const char *where,
                     const uint8_t *rgb, int width, int height, const char *parameters,
                     const struct sdrt_log *log)
{
    WebPMemoryWriter writer;
    uint8_t *exif = NULL;
    size_t exif_size = 0;
    WebPData out;

    if (parameters) {
        const int status = sdrt_exif_make(&exif, &exif_size, where, parameters, log);
        if (status != SDRT_OK) return status;
    }
    WebPMemoryWriterInit(&writer);
    int ok = encode(quality, &writer, rgb, width, height);
    out = (WebPData){ writer.mem, writer.size };
    if (ok && exif) ok = add_exif(&writer, exif, exif_size, &out);
    if (!ok || exif) WebPMemoryWriterClear(&writer);
    free(exif);
    if (!ok) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to encode it", where);
    *bytes = (uint8_t *)(uintptr_t)out.bytes;
    *size = out.size;
    return SDRT_OK;
}
