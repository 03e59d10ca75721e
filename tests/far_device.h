/* SPDX-License-Identifier: MIT
 *
 * A device whose memory the host does not reach, for tests where there is none: the processor's
 * kernels on memory that can be touched only by what the device does.
 */
#ifndef SDRT_TESTS_FAR_DEVICE_H
#define SDRT_TESTS_FAR_DEVICE_H

#include "runtime/device/device.h"

/* Opens it with the kernels of the sdrt_isa flags; its host has the same.  The test fails where it
 * does not open.  The caller's, or the model's. */
struct sdrt_device *far_device_open(unsigned isa);

/* What all such devices did since the last far_device_reset(). */
struct far_device_counts {
    long writes, reads; /* copies */
    double bytes;       /* of both */
    long runs;          /* of lists of steps */
    long uploads;       /* copies beside steps */
    long replays;       /* of them those of a recording that was there */
    long recordings;    /* made and not forgotten, ever */
    long blocks;        /* of memory, not freed, ever */
};
struct far_device_counts far_device_counts(void);
void far_device_reset(void);

/* When the copies of steps are made: as late as they may be, or at once. */
void far_device_upload_late(int late);

/* From then on copies to the device fail, until the next reset. */
void far_device_break(void);

#endif
