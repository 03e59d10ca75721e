/* SPDX-License-Identifier: MIT
 *
 * Static memory planning on plain data: buffers with a size and a life, placed in one arena
 * so that no two that live at the same time overlap.  It knows nothing of graphs.
 *
 * This is dynamic storage allocation (strip packing with fixed horizontal positions), which
 * is NP-hard; the planner tries good orders first and then repairs the best ones, and stops
 * at the lower bound.  The effort is bounded by counted work, not by a clock, so that the
 * same buffers always give the same plan.
 */
#ifndef SDRT_RUNTIME_GRAPH_PLANNER_H
#define SDRT_RUNTIME_GRAPH_PLANNER_H

#include "runtime/base/error.h"

#include <stddef.h>

enum { SDRT_PLAN_ALIGN = 64 }; /* bytes; of every offset, and sizes are rounded up to it */

/* One buffer.  It lives from operation first to operation last, both included.  One that
 * always lives has first 0 (or less) and last INT_MAX. */
struct sdrt_plan_buffer {
    size_t size; /* bytes; 0 is allowed and takes no room */
    int first, last;
};

struct sdrt_plan_result {
    size_t peak;        /* bytes: the end of the highest buffer, a multiple of the alignment */
    size_t lower_bound; /* bytes: the most that is alive at one operation */
};

/* Places the n buffers of in: offsets[i] is where in[i] starts, in bytes from the arena's
 * start.  All arrays are the caller's.  out->peak >= out->lower_bound always; equal nearly
 * always.  Some tens of milliseconds at most for some hundred buffers.
 * SDRT_E_ARG for a life that ends before it begins, or sizes that add up to more than can be
 * addressed; SDRT_E_NOMEM. */
int sdrt_plan_memory(const struct sdrt_plan_buffer *in, size_t *offsets, int n,
                     struct sdrt_plan_result *out, const struct sdrt_log *log);

/* Verifies a plan: every offset aligned, every buffer within peak bytes, no two buffers that
 * live at the same time overlap.  SDRT_E_ARG with one line naming the first fault. */
int sdrt_plan_check(const struct sdrt_plan_buffer *in, const size_t *offsets, int n, size_t peak,
                    const struct sdrt_log *log);

#endif
