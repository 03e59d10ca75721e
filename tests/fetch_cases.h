/* SPDX-License-Identifier: MIT
 *
 * Runs of ./sdfetch against two web servers with faults, and what is left of them in a temporary
 * folder.
 */
#ifndef SDRT_TESTS_FETCH_CASES_H
#define SDRT_TESTS_FETCH_CASES_H

#include "tests/http_server.h"
#include "tests/run_program.h"
#include "tests/temp_folder.h"

#include <string.h>

enum { SIZE = 300000, OTHER_SIZE = 200000 };

extern unsigned char first_file[SIZE], second_file[OTHER_SIZE];
#define SHA256 "cbbf1aa1724d6a078f109e131e053eaae7eb669f6ef00b1ad46004a6118d965d"
#define SHA256_OTHER "7004b2faf0afe4d911e973f1b2b4306089ee4f91ef37c0b49eff1a15d4727741"

/* The hub, which has the first file, and a host that it leads to. */
extern struct http_server hub, elsewhere;
extern char hub_url[64];

/* Before and after a test: .init and .fini of its suite. */
void fetch_set_up(void);
void fetch_tear_down(void);

extern unsigned long file_limit; /* bytes that sdfetch can write; 0: any number */

/* Runs ./sdfetch --quiet with quick retries and the arguments up to a NULL. */
void fetch(const char *token, ...);

/* The one file that most cases fetch, to "model" in the folder. */
#define FILE_ON_HUB "maker/model/weights/x.bin"
#define TO_MODEL "-o", temp_path("model")

/* That status, and one line that has word in it. */
void expect_error(int status, const char *word);

/* The file is there, whole, and nothing else is; nothing was said but, where warned, that no
 * SHA-256 is known. */
void expect_file(const unsigned char *bytes, size_t n, int warned);

/* n bytes of the first file wait in model.part, with their tag; the file itself is not there. */
void expect_part(size_t n);

/* Nothing is left. */
void expect_nothing(void);

#endif
