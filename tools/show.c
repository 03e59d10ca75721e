/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "tools/show.h"

#include <stdio.h>

#ifdef HAVE_CHAFA

#include <chafa.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* How the terminal takes pictures. */
struct show {
    ChafaTermInfo *info; /* owned */
    ChafaCanvasMode colours;
    ChafaPixelMode pixels;
    int columns, rows;           /* of the window */
    int cell_width, cell_height; /* pixels of a character */
    int drawn;                   /* rows of the picture above the cursor; 0: none to draw over */
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
               ? CHAFA_CANVAS_MODE_FGBG_BGFG
               : CHAFA_CANVAS_MODE_FGBG;
}

static ChafaPixelMode find_pixels(const ChafaTermInfo *info)
{
    if (chafa_term_info_have_seq(info, CHAFA_TERM_SEQ_BEGIN_KITTY_IMMEDIATE_IMAGE_V1))
        return CHAFA_PIXEL_MODE_KITTY;
    if (chafa_term_info_have_seq(info, CHAFA_TERM_SEQ_BEGIN_ITERM2_IMAGE))
        return CHAFA_PIXEL_MODE_ITERM2;
    if (chafa_term_info_have_seq(info, CHAFA_TERM_SEQ_BEGIN_SIXELS)) return CHAFA_PIXEL_MODE_SIXELS;
    return CHAFA_PIXEL_MODE_SYMBOLS;
}

static void find_terminal(struct show *t)
{
    gchar **environment = g_get_environ();
    struct winsize size;

    t->info = chafa_term_db_detect(chafa_term_db_get_default(), environment);
    t->colours = find_colours(t->info);
    t->pixels = find_pixels(t->info);
    g_strfreev(environment);
    *t = (struct show){ t->info, t->colours, t->pixels, 80, 24, 8, 16, 0 };
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row) return;
    t->columns = size.ws_col;
    t->rows = size.ws_row;
    if (size.ws_xpixel >= size.ws_col && size.ws_ypixel >= size.ws_row) {
        t->cell_width = size.ws_xpixel / size.ws_col;
        t->cell_height = size.ws_ypixel / size.ws_row;
    }
}

/* The picture in characters and escapes, of *height_in_rows; the caller frees it with
 * g_string_free(). */
static GString *render(const struct show *t, const uint8_t *pixels, int width, int height,
                       int *height_in_rows)
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
    *height_in_rows = rows;
    return text;
}

int show_open(struct show **out, const struct sdrt_log *log)
{
    *out = NULL;
    if (!isatty(STDOUT_FILENO)) {
        sdrt_note(log, SDRT_LOG_INFO, "standard output is no terminal: no picture is shown");
        return SDRT_OK;
    }
    *out = calloc(1, sizeof **out);
    if (!*out) return sdrt_fail(log, SDRT_E_NOMEM, "no memory to show pictures");
    find_terminal(*out);
    return SDRT_OK;
}

int show_draw(struct show *show, const uint8_t *pixels, int width, int height,
              const struct sdrt_log *log)
{
    int status = SDRT_OK, rows;

    if (!show) return SDRT_OK;
    GString *text = render(show, pixels, width, height, &rows);
    if (!text) return sdrt_fail(log, SDRT_E_NOMEM, "no memory to show the image");
    if (show->drawn) printf("\r\033[%dA", show->drawn);
    if (fwrite(text->str, 1, text->len, stdout) != text->len || putchar('\n') == EOF ||
        fflush(stdout))
        status = sdrt_fail(log, SDRT_E_IO, "standard output: could not be written: %s",
                           strerror(errno));
    g_string_free(text, TRUE);
    show->drawn = rows;
    return status;
}

void show_leave(struct show *show)
{
    if (show) show->drawn = 0;
}

void show_close(struct show **show)
{
    if (!*show) return;
    chafa_term_info_unref((*show)->info);
    free(*show);
    *show = NULL;
}

#else

int show_open(struct show **out, const struct sdrt_log *log)
{
    *out = NULL;
    sdrt_note(log, SDRT_LOG_INFO, "built without libchafa: no picture is shown");
    return SDRT_OK;
}

int show_draw(struct show *show, const uint8_t *pixels, int width, int height,
              const struct sdrt_log *log)
{
    (void)show;
    (void)pixels;
    (void)width;
    (void)height;
    (void)log;
    return SDRT_OK;
}

void show_leave(struct show *show) { (void)show; }

void show_close(struct show **show) { (void)show; }

#endif
