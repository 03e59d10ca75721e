/* SPDX-License-Identifier: MIT */
#include "runtime/random/entropy.h"

#include <sys/random.h>

int sdrt_entropy(void *bytes, size_t n) { return getentropy(bytes, n) == 0; }
