/* SPDX-License-Identifier: MIT
 *
 * Whether a thread is to stop what it does for a caller.  Opening a model has no queue that could be
 * cancelled, and reads files from deep within, by functions that serve others too; who opens says whom
 * to ask, and they ask.
 */
#ifndef SDRT_RUNTIME_BASE_STOP_H
#define SDRT_RUNTIME_BASE_STOP_H

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_stop {
    int (*ask)(void *user); /* NULL: nobody is asked */
    void *user;
    int asked_for; /* whether it has once said so; then it is not asked again */
};

/* From now on the calling thread asks stop, which stays the caller's and valid until the next call;
 * NULL: nobody.  Returns whom it has asked before. */
struct sdrt_stop *sdrt_stop_ask(struct sdrt_stop *stop);

/* Not 0 where what the calling thread does is to end soon, with SDRT_E_CANCELLED and no line, which
 * whoever has called sdrt_stop_ask() writes. */
int sdrt_stop_asked(void);

#ifdef __cplusplus
}
#endif

#endif
