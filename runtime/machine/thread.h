/* SPDX-License-Identifier: MIT
 *
 * What a system lets a thread say about where it runs.
 */
#ifndef SDRT_RUNTIME_MACHINE_THREAD_H
#define SDRT_RUNTIME_MACHINE_THREAD_H

/* What a thread may run on, as bits. */
enum { SDRT_MOST_PUS = 8192 };
struct sdrt_binding {
    unsigned long pus[SDRT_MOST_PUS / (8 * sizeof(unsigned long))];
    int changed; /* 0: restoring does nothing */
};

/* Whether this system binds threads to PUs at all: Linux does, macOS does not. */
int sdrt_thread_binds(void);

/* Reads what the calling thread may run on into b->pus, and sets it.  1, or 0 where the system
 * refuses.  They take no memory. */
int sdrt_thread_binding(struct sdrt_binding *b);
int sdrt_thread_bind(const struct sdrt_binding *b);

/* Binds all threads that the process has now, and so those that they make.  1, or 0 where the system
 * refuses. */
int sdrt_process_bind(const struct sdrt_binding *b);

/* How many PUs the calling thread may run on. */
int sdrt_thread_pus(void);

/* Asks for the system's fast cores for the calling thread, where that can be asked for but no core
 * can be named. */
void sdrt_thread_hurry(void);

#endif
