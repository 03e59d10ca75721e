/* SPDX-License-Identifier: MIT
 *
 * Sleeping until another thread changes a number: a futex on Linux, a condition variable elsewhere.
 */
#ifndef SDRT_RUNTIME_MACHINE_SLEEP_H
#define SDRT_RUNTIME_MACHINE_SLEEP_H

#include <stdatomic.h>

/* Sleeps while *value is old, until sdrt_wake(); may return earlier for no reason, so the caller
 * looks again. */
void sdrt_sleep_while(atomic_uint *value, unsigned old);

/* Wakes all that sleep on *value, which the caller has changed. */
void sdrt_wake(atomic_uint *value);

#endif
