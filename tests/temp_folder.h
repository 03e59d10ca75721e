/* SPDX-License-Identifier: MIT
 *
 * A temporary folder for tests that write files, and a log that keeps its lines.
 */
#ifndef SDRT_TESTS_TEMP_FOLDER_H
#define SDRT_TESTS_TEMP_FOLDER_H

#include "runtime/base/error.h"

#include <stddef.h>

/* Before and after a test: .init and .fini of its suite.  Both reset the log. */
void temp_folder_make(void);
void temp_folder_remove(void);

/* The folder itself. */
const char *temp_folder(void);

/* name in the folder; the last 32 results stay valid. */
const char *temp_path(const char *name);

/* Writes a file into the folder and returns its path. */
const char *temp_write(const char *name, const void *data, size_t size);

/* The file's bytes, size of them and a 0, owned by the caller. */
char *temp_read(const char *path, size_t *size);

/* How many entries the folder has. */
int temp_entries(void);

extern const struct sdrt_log kept_log;
extern int kept_lines;       /* since the last reset */
extern char kept_text[2048]; /* the last of them */

/* Fails the test unless rc is status, after exactly one line that has word in it; resets the
 * log.  case_name says in the message which case it was. */
void expect_failure(int rc, int status, const char *word, const char *case_name);

/* Fails the test unless rc is SDRT_OK and nothing was logged. */
void expect_quiet(int rc, const char *case_name);

#endif
