/* SPDX-License-Identifier: MIT
 *
 * Kinds of cores: how fast each is beside the best, on processors whose cores are not alike (Arm's
 * big.LITTLE, Apple's, Intel's hybrids).
 */
#ifndef SDRT_RUNTIME_MACHINE_CORE_KINDS_H
#define SDRT_RUNTIME_MACHINE_CORE_KINDS_H

#include "runtime/base/error.h"

#include <hwloc.h>

/* What counts as 1 in the weights below. */
enum { SDRT_WHOLE_WEIGHT = 1000 };

/* Writes into weight [n] how fast the n objects of type (cores, or PUs where the machine tells no
 * cores) are, in thousandths of the best.  By the first that tells kinds apart: the capacity that
 * Linux gives each processor; the highest frequency; the order alone, in which each kind counts
 * three tenths of the next better one, as on Apple's processors.  Kinds less than a tenth apart
 * count as one, since processors of one kind differ that much in their highest frequencies.  All
 * are SDRT_WHOLE_WEIGHT where nothing tells.
 * SDRT_E_NOMEM (nothing logged). */
int sdrt_core_weights(hwloc_topology_t hwloc, hwloc_obj_type_t type, int n, int *weight);

#endif
