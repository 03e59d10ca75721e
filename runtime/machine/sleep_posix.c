/* SPDX-License-Identifier: MIT
 *
 * For systems without a futex that any program may use: macOS has one from 14.4 on
 * (os_sync_wait_on_address), and this serves the older ones too.
 */
#include "runtime/machine/sleep.h"

#include <pthread.h>
#include <stdint.h>

/* Numbers share a room; whoever wakes wakes all that sleep there, and they look again. */
enum { ROOMS = 16 };

static struct room {
    pthread_mutex_t lock;
    pthread_cond_t changed;
} rooms[ROOMS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_rooms(void)
{
    for (int i = 0; i < ROOMS; i++) {
        pthread_mutex_init(&rooms[i].lock, NULL);
        pthread_cond_init(&rooms[i].changed, NULL);
    }
}

/* A child after fork() may find rooms locked by threads that it has not got; its new ones are the
 * first to use them. */
static void prepare(void)
{
    open_rooms();
    pthread_atfork(NULL, NULL, open_rooms);
}

static struct room *room_of(const atomic_uint *value)
{
    pthread_once(&once, prepare);
    return &rooms[(uintptr_t)value / 128 % ROOMS];
}

/* Who changes the number does so before it takes the lock, so it cannot change unseen between the
 * look and the sleep. */
void sdrt_sleep_while(atomic_uint *value, unsigned old)
{
    struct room *room = room_of(value);

    pthread_mutex_lock(&room->lock);
    if (atomic_load(value) == old) pthread_cond_wait(&room->changed, &room->lock);
    pthread_mutex_unlock(&room->lock);
}

void sdrt_wake(atomic_uint *value)
{
    struct room *room = room_of(value);

    pthread_mutex_lock(&room->lock);
    pthread_mutex_unlock(&room->lock);
    pthread_cond_broadcast(&room->changed);
}
