/* SPDX-License-Identifier: MIT */
#include "runtime/machine/topology.h"
#include "runtime/base/numbers.h"
#include "runtime/machine/control_group.h"
#include "runtime/machine/core_kinds.h"
#include "runtime/machine/memory.h"

#include <hwloc.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TEXT = 512,
    /* Of a core that is worth a worker: a slower one holds up the others at the end of each step
     * for about as long as it helps. */
    LEAST_WEIGHT = SDRT_WHOLE_WEIGHT * 35 / 100,
};

/* One place for a worker. */
struct place {
    hwloc_obj_t pu;
    int core, node;
    int weight; /* its core's, in thousandths of the best */
};

struct sdrt_topology {
    hwloc_topology_t hwloc;
    int this_machine; /* binding has a meaning */
    int can_bind;     /* and the system allows it */
    enum sdrt_pinning pinning;
    int cores, pus, nodes;
    int strong;       /* cores that are worth a worker; places begin with them */
    int quota;        /* CPUs' worth of time that the control groups grant; 0: no limit */
    struct place *places; /* pus of them, in the order of workers */
    char text[TEXT];
};

/* ---- finding ---- */

/* hwloc leaves out what the cpuset forbids; what the affinity forbids is dropped here. */
static int drop_forbidden(struct sdrt_topology *t)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    int failed = 0;

    if (!set) return SDRT_E_NOMEM;
    if (hwloc_get_cpubind(t->hwloc, set, HWLOC_CPUBIND_PROCESS) == 0 &&
        hwloc_bitmap_intersects(set, hwloc_topology_get_topology_cpuset(t->hwloc)))
        failed = hwloc_topology_restrict(t->hwloc, set, 0) != 0;
    hwloc_bitmap_free(set);
    return failed ? SDRT_E_UNSUPPORTED : SDRT_OK;
}

static int describe(struct sdrt_topology *t, const char *words)
{
    return *words == '<' ? hwloc_topology_set_xmlbuffer(t->hwloc, words, (int)strlen(words) + 1)
                         : hwloc_topology_set_synthetic(t->hwloc, words);
}

/* hwloc reads through NULL where an allocation of its own fails, and then loops at its end: what it
 * takes, some hundreds of KiB, is looked for before it is called. */
static int has_room(void)
{
    enum { ROOM = 8 << 20 };
    void *volatile room = malloc(ROOM); /* a compiler may leave out what is freed at once */

    free(room);
    return room != NULL;
}

static int load(struct sdrt_topology *t, const char *synthetic, const struct sdrt_log *log)
{
    int status = SDRT_OK;

    if (!has_room() || hwloc_topology_init(&t->hwloc) != 0) {
        t->hwloc = NULL;
        return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for the machine's topology");
    }
    /* XML is read by the load alone. */
    if (synthetic && (describe(t, synthetic) != 0 || hwloc_topology_load(t->hwloc) != 0))
        return sdrt_fail(log, SDRT_E_ARG,
                         "topology \"%.64s\": expected hwloc's words, such as \"node:2 core:4 pu:2\", "
                         "or its XML", synthetic);
    if (!synthetic && hwloc_topology_load(t->hwloc) != 0)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "hwloc cannot read this machine's topology");
    t->this_machine = hwloc_topology_is_thissystem(t->hwloc);
    if (t->this_machine) status = drop_forbidden(t);
    if (status != SDRT_OK)
        return sdrt_fail(log, status, "hwloc cannot narrow the topology to this process's CPUs");
    return SDRT_OK;
}

static int node_of(struct sdrt_topology *t, hwloc_obj_t pu)
{
    hwloc_obj_t node = NULL;

    while ((node = hwloc_get_next_obj_by_type(t->hwloc, HWLOC_OBJ_NUMANODE, node)))
        if (hwloc_bitmap_isincluded(pu->cpuset, node->cpuset)) return (int)node->os_index;
    return 0;
}

struct core {
    hwloc_obj_t object;
    int weight;
};

/* The best first; those of one kind in hwloc's logical order, which is the tree's, so NUMA node by
 * node.  A machine that tells no cores counts each PU as one.  The list is the caller's; NULL
 * without memory. */
static struct core *order_cores(const struct sdrt_topology *t, hwloc_obj_type_t type)
{
    struct core *cores = calloc((size_t)t->cores, sizeof *cores);
    int *weight = calloc((size_t)t->cores, sizeof *weight);

    if (!cores || !weight || sdrt_core_weights(t->hwloc, type, t->cores, weight) != SDRT_OK) {
        free(cores);
        cores = NULL;
    }
    for (int c = 0; cores && c < t->cores; c++) {
        int at = c;
        for (; at > 0 && cores[at - 1].weight < weight[c]; at--) cores[at] = cores[at - 1];
        cores[at] = (struct core){ hwloc_get_obj_by_type(t->hwloc, type, (unsigned)c), weight[c] };
    }
    free(weight);
    return cores;
}

static void count_nodes(struct sdrt_topology *t)
{
    for (int i = 0; i < t->pus; i++) {
        int seen = 0;
        for (int k = 0; k < i && !seen; k++) seen = t->places[k].node == t->places[i].node;
        t->nodes += !seen;
    }
}

/* The PUs in the order of workers: one of each core, then the second of each. */
static int order_places(struct sdrt_topology *t)
{
    const int n_cores = hwloc_get_nbobjs_by_type(t->hwloc, HWLOC_OBJ_CORE);
    const hwloc_obj_type_t type = n_cores > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
    const int n_pus = hwloc_get_nbobjs_by_type(t->hwloc, HWLOC_OBJ_PU);
    unsigned round = 0;

    if (n_pus < 1) return SDRT_E_UNSUPPORTED;
    t->cores = hwloc_get_nbobjs_by_type(t->hwloc, type);
    t->places = calloc((size_t)n_pus, sizeof *t->places);
    struct core *cores = order_cores(t, type);
    if (!t->places || !cores) {
        free(cores);
        return SDRT_E_NOMEM;
    }
    for (int before = -1; t->pus > before; round++) {
        before = t->pus;
        for (int c = 0; c < t->cores && t->pus < n_pus; c++) {
            hwloc_obj_t pu = hwloc_get_obj_inside_cpuset_by_type(
                t->hwloc, cores[c].object->cpuset, HWLOC_OBJ_PU, round);
            if (pu)
                t->places[t->pus++] = (struct place){ .pu = pu, .core = c, .node = node_of(t, pu),
                                                      .weight = cores[c].weight };
        }
    }
    for (int c = 0; c < t->cores; c++) t->strong += cores[c].weight >= LEAST_WEIGHT;
    free(cores);
    count_nodes(t);
    return SDRT_OK;
}

/* ---- CPU time ---- */

/* CPUs' worth of time that one group grants: quota and period are microseconds. */
static void limit_by_group(void *user, const char *folder, int version)
{
    double *least = user;
    uint64_t quota, period;
    char line[64];

    if (version == 2) {
        if (!sdrt_group_line(folder, "cpu.max", line, sizeof line) ||
            sscanf(line, "%" SCNu64 " %" SCNu64, &quota, &period) != 2)
            return;
    } else if (!sdrt_group_number(folder, "cpu.cfs_quota_us", &quota) ||
               !sdrt_group_number(folder, "cpu.cfs_period_us", &period)) {
        return;
    }
    /* Without a limit version 1 says -1. */
    if (!quota || quota > INT64_MAX || !period) return;
    const double cpus = (double)quota / (double)period;
    if (*least == 0.0 || cpus < *least) *least = cpus;
}

int sdrt_cpu_quota_below(const char *root)
{
    double cpus = 0.0;

    sdrt_control_groups(root, "cpu", limit_by_group, &cpus);
    if (cpus == 0.0) return 0;
    return cpus < 1.0 ? 1 : cpus > 65536.0 ? 65536 : (int)cpus;
}

/* ---- binding ---- */

static const struct place *place_of(const struct sdrt_topology *t, int worker)
{
    return &t->places[worker % t->pus];
}

static void add_pu(struct sdrt_binding *b, const struct place *place)
{
    const unsigned pu = place->pu->os_index, bits = 8 * sizeof *b->pus;

    if (pu < SDRT_MOST_PUS) b->pus[pu / bits] |= 1ul << pu % bits;
}

/* Asks for what is so already. */
static int may_bind(void)
{
    struct sdrt_binding now;

    return sdrt_thread_binding(&now) && sdrt_thread_bind(&now);
}

static void tell_unbound(const struct sdrt_log *log)
{
    if (sdrt_thread_binds())
        sdrt_note(log, SDRT_LOG_WARNING, "the system refuses to pin threads; running unpinned");
    else
        sdrt_note(log, SDRT_LOG_INFO, "this system pins no threads; they run where it puts them");
}

void sdrt_topology_pinning(struct sdrt_topology *topology, enum sdrt_pinning pinning)
{
    topology->pinning = pinning;
}

/* The quota does not count: who may use the time of two of 64 cores is not to take the first two. */
static int holds(const struct sdrt_topology *t, int workers)
{
    return t->pinning == SDRT_PIN_ALWAYS ||
           (t->pinning == SDRT_PIN_AUTO && workers >= t->strong);
}

int sdrt_topology_pins(const struct sdrt_topology *topology, int workers)
{
    return topology->can_bind && holds(topology, workers);
}

void sdrt_topology_bind(const struct sdrt_topology *topology, int worker, int workers,
                        struct sdrt_binding *before)
{
    struct sdrt_binding own = { .changed = 0 };

    before->changed = 0;
    if (!sdrt_topology_pins(topology, workers) || !sdrt_thread_binding(before)) return;
    add_pu(&own, place_of(topology, worker));
    if (!memcmp(own.pus, before->pus, sizeof own.pus)) return;
    before->changed = sdrt_thread_bind(&own);
}

void sdrt_topology_restore(const struct sdrt_binding *before)
{
    if (before->changed) (void)sdrt_thread_bind(before);
}

void sdrt_topology_unbind(const struct sdrt_topology *topology)
{
    struct sdrt_binding all = { .changed = 0 };

    if (!topology->can_bind || topology->pinning == SDRT_PIN_NEVER) return;
    for (int i = 0; i < topology->pus; i++) add_pu(&all, &topology->places[i]);
    (void)sdrt_thread_bind(&all);
}

/* ---- telling ---- */

static void write_bytes(char *out, size_t size, size_t bytes)
{
    if (!bytes)
        snprintf(out, size, "none");
    else if (bytes < (size_t)1 << 20)
        snprintf(out, size, "%zu KiB", bytes >> 10);
    else if (bytes < (size_t)1 << 30)
        snprintf(out, size, "%.3g MiB", (double)bytes / (1 << 20));
    else
        snprintf(out, size, "%.1f GiB", (double)bytes / (1 << 30));
}

/* "; 4 cores of weight 1.00, 2 of 0.41"; nothing where all are alike.  The first places are one of
 * each core, the best first. */
static void write_kinds(const struct sdrt_topology *t, char *out, size_t size)
{
    size_t at = 0;

    *out = '\0';
    if (t->places[0].weight == t->places[t->cores - 1].weight) return;
    for (int c = 0, next; c < t->cores && at < size; c = next) {
        const int weight = t->places[c].weight;
        for (next = c + 1; next < t->cores && t->places[next].weight == weight;) next++;
        const char *format = c ? ", %d of %.2f"
                           : next == 1 ? "; %d core of weight %.2f" : "; %d cores of weight %.2f";
        at += (size_t)snprintf(out + at, size - at, format, next - c,
                               (double)weight / SDRT_WHOLE_WEIGHT);
    }
}

/* The nodes' memory leaves out what was added to a running machine on some systems. */
static size_t memory_bytes(const struct sdrt_topology *t)
{
    const size_t nodes = (size_t)hwloc_get_root_obj(t->hwloc)->total_memory;
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

    if (!hwloc_topology_is_thissystem(t->hwloc) || pages < 0 || page < 0) return nodes;
    return (size_t)pages * (size_t)page;
}

static void write_text(struct sdrt_topology *t)
{
    const hwloc_obj_t root = hwloc_get_root_obj(t->hwloc);
    const hwloc_obj_t package = hwloc_get_obj_by_type(t->hwloc, HWLOC_OBJ_PACKAGE, 0);
    const char *model = package ? hwloc_obj_get_info_by_name(package, "CPUModel") : NULL;
    char cache[3][32], memory[32], quota[48] = "", kinds[128];

    if (!model) model = hwloc_obj_get_info_by_name(root, "CPUModel");
    for (int level = 1; level <= 3; level++)
        write_bytes(cache[level - 1], sizeof cache[0], sdrt_topology_cache(t, level));
    write_bytes(memory, sizeof memory, memory_bytes(t));
    write_kinds(t, kinds, sizeof kinds);
    if (t->quota) snprintf(quota, sizeof quota, ", CPU time limited to %d", t->quota);
    snprintf(t->text, sizeof t->text,
             "%s; %d core%s, %d thread%s, %d NUMA node%s%s%s; L1d %s, L2 %s, L3 %s; memory %s",
             model ? model : "unknown CPU", t->cores, t->cores == 1 ? "" : "s", t->pus,
             t->pus == 1 ? "" : "s", t->nodes, t->nodes == 1 ? "" : "s", quota, kinds, cache[0],
             cache[1], cache[2], memory);
}

/* ---- the outside ---- */

int sdrt_topology_create(struct sdrt_topology **out, const char *synthetic,
                         const struct sdrt_log *log)
{
    struct sdrt_topology *t = calloc(1, sizeof *t);
    int status;

    *out = NULL;
    if (!t) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for the machine's topology");
    status = load(t, synthetic, log);
    if (status != SDRT_OK) goto out;
    status = order_places(t);
    if (status != SDRT_OK) {
        sdrt_fail(log, status, "the machine's topology: %s",
                  status == SDRT_E_NOMEM ? "out of memory" : "no CPU found");
        goto out;
    }
    if (t->this_machine) t->quota = sdrt_cpu_quota_below("");
    t->can_bind = t->this_machine && may_bind();
    if (t->this_machine && !t->can_bind) tell_unbound(log);
    const struct sdrt_numbers numbers = sdrt_numbers_begin();
    write_text(t);
    sdrt_numbers_end(&numbers);
    *out = t;
    t = NULL;
out:
    sdrt_topology_free(&t);
    return status;
}

void sdrt_topology_free(struct sdrt_topology **topology)
{
    struct sdrt_topology *t = *topology;

    if (!t) return;
    if (t->hwloc) hwloc_topology_destroy(t->hwloc);
    free(t->places);
    free(t);
    *topology = NULL;
}

int sdrt_topology_cores(const struct sdrt_topology *topology)
{
    return topology->quota && topology->quota < topology->strong ? topology->quota
                                                                  : topology->strong;
}

int sdrt_topology_pus(const struct sdrt_topology *topology) { return topology->pus; }
int sdrt_topology_nodes(const struct sdrt_topology *topology) { return topology->nodes; }

int sdrt_topology_pu(const struct sdrt_topology *topology, int worker)
{
    return (int)place_of(topology, worker)->pu->os_index;
}

int sdrt_topology_core(const struct sdrt_topology *topology, int worker)
{
    return place_of(topology, worker)->core;
}

int sdrt_topology_node(const struct sdrt_topology *topology, int worker)
{
    return place_of(topology, worker)->node;
}

int sdrt_topology_weight(const struct sdrt_topology *topology, int worker, int workers)
{
    const struct place *place = place_of(topology, worker);
    int beside = 0;

    /* Of whom nobody knows where he sits, and where all cores are alike. */
    if (!holds(topology, workers) || (topology->this_machine && !topology->can_bind) ||
        topology->places[0].weight == topology->places[topology->cores - 1].weight)
        return SDRT_WHOLE_WEIGHT;
    for (int w = 0; w < workers; w++) beside += place_of(topology, w)->core == place->core;
    return place->weight > beside ? place->weight / beside : 1;
}

size_t sdrt_topology_cache(const struct sdrt_topology *topology, int level)
{
    static const hwloc_obj_type_t types[] = { HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L2CACHE,
                                              HWLOC_OBJ_L3CACHE };
    static const size_t assumed[] = { (size_t)64 << 10, (size_t)512 << 10 }; /* a Cortex-A76's */
    size_t most = 0;

    if (level < 1 || level > 3) return 0;
    for (int i = 0; i < topology->pus; i++) {
        const hwloc_obj_t cache = hwloc_get_ancestor_obj_by_type(
            topology->hwloc, types[level - 1], topology->places[i].pu);
        if (cache && cache->attr->cache.size > most) most = (size_t)cache->attr->cache.size;
    }
    return most || level == 3 || !topology->this_machine ? most : assumed[level - 1];
}

const char *sdrt_topology_text(const struct sdrt_topology *topology) { return topology->text; }

/* ---- memory ---- */

int sdrt_topology_spread(const struct sdrt_topology *topology, int workers, size_t bytes,
                         int *nodes, int most)
{
    const size_t huge_page = sdrt_memory_huge_page();
    int n = 0;

    for (int w = 0; w < workers && w < topology->pus; w++) {
        const int node = topology->places[w].node;
        int seen = 0;
        for (int i = 0; i < n && !seen; i++) seen = nodes[i] == node;
        if (!seen && n < most) nodes[n++] = node;
    }
    return n > 1 && bytes / huge_page >= (size_t)n ? n : 0;
}

int sdrt_topology_place(const struct sdrt_topology *topology, const int *nodes, int n, void *p,
                        size_t bytes)
{
    hwloc_bitmap_t set;
    int refused;

    if (!n || !topology->this_machine) return SDRT_OK;
    set = hwloc_bitmap_alloc();
    if (!set) return SDRT_E_UNSUPPORTED;
    for (int i = 0; i < n; i++) hwloc_bitmap_set(set, (unsigned)nodes[i]);
    refused = hwloc_set_area_membind(topology->hwloc, p, bytes, set, HWLOC_MEMBIND_INTERLEAVE,
                                     HWLOC_MEMBIND_BYNODESET) != 0;
    hwloc_bitmap_free(set);
    return refused ? SDRT_E_UNSUPPORTED : SDRT_OK;
}
