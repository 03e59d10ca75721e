/* SPDX-License-Identifier: MIT */
#include "runtime/machine/thread.h"

#include <pthread.h>
#include <unistd.h>

int sdrt_thread_binds(void) { return 0; }

int sdrt_thread_binding(struct sdrt_binding *b)
{
    (void)b;
    return 0;
}

int sdrt_thread_bind(const struct sdrt_binding *b)
{
    (void)b;
    return 0;
}

int sdrt_process_bind(const struct sdrt_binding *b)
{
    (void)b;
    return 0;
}

int sdrt_thread_pus(void) { return (int)sysconf(_SC_NPROCESSORS_ONLN); }

/* Threads of lower classes may be put on the efficiency cores though others idle. */
void sdrt_thread_hurry(void) { (void)pthread_set_qos_class_self_np(QOS_CLASS_USER_INITIATED, 0); }
