/* SPDX-License-Identifier: MIT */
#include "tools/prompt_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 100000 /* lines */ };

void prompt_file_free(struct prompt_file *file)
{
    for (int i = 0; i < file->n; i++) free(file->lines[i]);
    free(file->lines);
    *file = (struct prompt_file){ 0 };
}

/* One line of the file, without its end. */
static int take_line(struct prompt_file *file, const char *line, const char *path, int number,
                     const struct sdrt_log *log)
{
    const char *text = line + strspn(line, " \t");

    if (!*text || *text == '#') return SDRT_OK;
    if (!strncmp(text, "--", 2))
        return sdrt_fail(log, SDRT_E_FORMAT, "%s:%d: expected a prompt, not options", path, number);
    if (file->n == MOST)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: expected at most %d prompts", path, MOST);
    char **lines = realloc(file->lines, ((size_t)file->n + 1) * sizeof *lines);
    if (lines) file->lines = lines;
    if (!lines || !(lines[file->n] = strdup(line)))
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its prompts", path);
    file->n++;
    return SDRT_OK;
}

int prompt_file_read(struct prompt_file *file, const char *path, const struct sdrt_log *log)
{
    FILE *f = strcmp(path, "-") ? fopen(path, "r") : stdin;
    char *line = NULL;
    size_t room = 0;
    int status = SDRT_OK;

    *file = (struct prompt_file){ 0 };
    if (!f)
        return sdrt_fail(log, errno == ENOENT ? SDRT_E_MISSING : SDRT_E_IO, "%s: %s", path,
                         strerror(errno));
    for (int number = 1; status == SDRT_OK && getline(&line, &room, f) >= 0; number++) {
        const char *start = number == 1 && !strncmp(line, "\xEF\xBB\xBF", 3) ? line + 3 : line;
        line[strcspn(line, "\r\n")] = '\0';
        status = take_line(file, start, path, number, log);
    }
    if (status == SDRT_OK && ferror(f))
        status = sdrt_fail(log, SDRT_E_IO, "%s: cannot be read: %s", path, strerror(errno));
    if (status == SDRT_OK && !file->n)
        status = sdrt_fail(log, SDRT_E_FORMAT, "%s: expected prompts, one a line", path);
    free(line);
    if (f != stdin) fclose(f);
    if (status != SDRT_OK) prompt_file_free(file);
    return status;
}
