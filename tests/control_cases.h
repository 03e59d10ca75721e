/* SPDX-License-Identifier: MIT
 *
 * Images that control nets guide, and how one is drawn and compared.
 */
#ifndef SDRT_TESTS_CONTROL_CASES_H
#define SDRT_TESTS_CONTROL_CASES_H

#include "model/sdrt.h"

enum { W = 80, H = 64, N = W * H * 3, NETS = 4 /* of a request, and more than are drawn */ };

struct picture_case {
    const char *model, *name, *sampler, *negative;
    int steps;
    float cfg;
    int n;
    float scale[2], start[2], end[2];
    int guess;
    float strength; /* with which an initial picture is redrawn; 0: there is none */
};

static const char bad[] = "blurry, bad hands";

/* The pictures that the nets read, and one to begin with. */
struct shown {
    uint8_t *rgb[3];
    struct sdrt_picture pictures[3];
    struct sdrt_control controls[NETS];
};

/* Fills it, and frees what it has. */
void shown_make(struct shown *s);
void shown_free(struct shown *s);

/* The request of a case, which borrows s. */
struct sdrt_request control_case_request(const struct picture_case *p, struct shown *s,
                                         const char *net);

/* Draws a case on c and expects diffusers' image, plans that equal their bounds and no line in the log.
 * types may be NULL. */
void control_case_check(struct sdrt_context *c, const struct picture_case *p, const char *kind,
                        const char *net, const char *const *types);

/* Expects the plan of each of the passes of c's session, which has drawn, to be as small as its lower
 * bound; name is told of one that is not. */
void expect_lower_bounds(const struct sdrt_context *c, const char *name);

#endif
