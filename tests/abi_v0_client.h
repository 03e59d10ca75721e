/* SPDX-License-Identifier: MIT
 *
 * A program made with the first header, abi_v0.h, which is not included here.
 */
#ifndef SDRT_TESTS_ABI_V0_CLIENT_H
#define SDRT_TESTS_ABI_V0_CLIENT_H

struct abi_v0_result {
    int status;           /* of the whole */
    int broken;           /* 1: the library wrote behind a struct */
    int stages, previews; /* calls of the callbacks, which got the request's user */
    char text[256];       /* the last line of the log */
    unsigned char pixels[64 * 64 * 3];
};

/* Draws "a cat" with the model, 64x64, two steps of euler, seed 11, two threads. */
void abi_v0_draw(const char *model, struct abi_v0_result *result);

#endif
