/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "tools/show.h"

#include <stdio.h>

#ifdef HAVE_CHAFA

#include <chafa.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* How the terminal takes pictures; info is owned. */
struct terminal {
    ChafaTermInfo  *info;
    ChafaCanvasMode colours;
    ChafaPixelMode  pixels;
    int columns, rows;       /* of the window */
    int cell_width, cell_height; /* pixels of a character */
};

static ChafaCanvasMode find_colours(const ChafaTermInfo *info)
{
    if (chafa_term_info_have_seq(info, CHAFA_TERM_SEQ_SET_COLOR_FGBG_DIRECT) &&
        chafa_term_info_have_seq(info, CHAFA_TERM_SEQ_SET_COLOR_FG_DIRECT))
        return CHAFA_CANVAS_MODE_TRUECOLOR;
    if (chafa_term_info_have_seq(info, CHAFA_TERM_SEQ_SET_COLOR_FGBG_256))
        return CHAFA_CANVAS_MODE_INDEXED_240;
    if (chafa_term_info_have_seq(info, CHAFA_TERM_SEQ_SET_COLOR_FGBG_16))
        return CHAFA_CANVAS_MODE_INDEXED_16;
    return chafa_term_info_have_seq(info, CHAFA_TERM_SEQ_INVERT_COLORS)
               ? CHAFA_CANVAS_MODE_FGBG_BGFG : CHAFA_CANVAS_MODE_FGBG;
}

static ChafaPixelMode find_pixels(const ChafaTermInfo *info)
{
    if (chafa_term_info_have_seq(info, CHAFA_TERM_SEQ_BEGIN_KITTY_IMMEDIATE_IMAGE_V1))
        return CHAFA_PIXEL_MODE_KITTY;
    if (chafa_term_info_have_seq(info, CHAFA_TERM_SEQ_BEGIN_ITERM2_IMAGE))
        return CHAFA_PIXEL_MODE_ITERM2;
    if (chafa_term_info_have_seq(info, CHAFA_TERM_SEQ_BEGIN_SIXELS))
        return CHAFA_PIXEL_MODE_SIXELS;
    return CHAFA_PIXEL_MODE_SYMBOLS;
}

static void find_terminal(struct terminal *t)
{
    gchar **environment = g_get_environ();
    struct winsize size;

    t->info = chafa_term_db_detect(chafa_term_db_get_default(), environment);
    t->colours = find_colours(t->info);
    t->pixels = find_pixels(t->info);
    g_strfreev(environment);
    *t = (struct terminal){ t->info, t->colours, t->pixels, 80, 24, 8, 16 };
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row) return;
    t->columns = size.ws_col;
    t->rows = size.ws_row;
    if (size.ws_xpixel >= size.ws_col && size.ws_ypixel >= size.ws_row) {
        t->cell_width = size.ws_xpixel / size.ws_col;
        t->cell_height = size.ws_ypixel / size.ws_row;
    }
}

/* The picture in characters and escapes; the caller frees it with g_string_free(). */
static GString *render(const struct terminal *t, const uint8_t *pixels, int width, int height)
{
    /* The prompt line that follows needs two rows. */
    gint columns = t->columns, rows = t->rows > 4 ? t->rows - 2 : t->rows;
    ChafaCanvasConfig *config = chafa_canvas_config_new();
    ChafaSymbolMap *symbols = chafa_symbol_map_new();

    chafa_calc_canvas_geometry(width, height, &columns, &rows,
                               (gfloat)t->cell_width / (gfloat)t->cell_height, TRUE, FALSE);
    chafa_symbol_map_add_by_tags(symbols, CHAFA_SYMBOL_TAG_BLOCK | CHAFA_SYMBOL_TAG_SPACE);
    chafa_canvas_config_set_symbol_map(config, symbols);
    chafa_canvas_config_set_canvas_mode(config, t->colours);
    chafa_canvas_config_set_pixel_mode(config, t->pixels);
    chafa_canvas_config_set_geometry(config, columns, rows);
    chafa_canvas_config_set_cell_geometry(config, t->cell_width, t->cell_height);
    ChafaCanvas *canvas = chafa_canvas_new(config);
    chafa_canvas_draw_all_pixels(canvas, CHAFA_PIXEL_RGB8, pixels, width, height, width * 3);
    GString *text = chafa_canvas_print(canvas, t->info);
    chafa_canvas_unref(canvas);
    chafa_symbol_map_unref(symbols);
    chafa_canvas_config_unref(config);
    return text;
}

int show_image(const uint8_t *pixels, int width, int height, const struct sdrt_log *log)
{
    struct terminal t;
    int status = SDRT_OK;

    if (!isatty(STDOUT_FILENO)) {
        sdrt_note(log, SDRT_LOG_INFO, "standard output is no terminal: the image is not shown");
        return SDRT_OK;
    }
    find_terminal(&t);
    GString *text = render(&t, pixels, width, height);
    chafa_term_info_unref(t.info);
    if (!text) return sdrt_fail(log, SDRT_E_NOMEM, "no memory to show the image");
    if (fwrite(text->str, 1, text->len, stdout) != text->len || putchar('\n') == EOF ||
        fflush(stdout))
        status = sdrt_fail(log, SDRT_E_IO, "standard output: could not be written: %s",
                           strerror(errno));
    g_string_free(text, TRUE);
    return status;
}

#else

int show_image(const uint8_t *pixels, int width, int height, const struct sdrt_log *log)
{
    (void)pixels;
    (void)width;
    (void)height;
    sdrt_note(log, SDRT_LOG_INFO, "built without libchafa: the image is not shown");
    return SDRT_OK;
}

#endif
