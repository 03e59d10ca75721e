/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "bench/build_info.h"
#include "bench/harness.h"
#include "bench/machine.h"
#include "bench/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

void sdrt_build_facts(struct sdrt_report *r)
{
    const time_t now = time(NULL);
    struct utsname system;
    struct tm utc;
    char text[256] = "";

    sdrt_report_text(r, "run.version", PACKAGE_VERSION, NULL);
    sdrt_report_text(r, "run.commit", SDRT_BUILD_COMMIT, "commit");
    sdrt_report_text(r, "run.compiler", COMPILER ", " SDRT_BUILD_FLAGS, "compiler");
    if (uname(&system) == 0)
        snprintf(text, sizeof text, "%s %s %s", system.sysname, system.release, system.machine);
    sdrt_report_text(r, "run.system", text, "system");
    if (gmtime_r(&now, &utc)) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    sdrt_report_text(r, "run.date", text, "date");
}

void sdrt_machine_facts(struct sdrt_report *r, const struct sdrt_topology *topology,
                        const char *isa, const char *precision, int threads)
{
    const int pins = sdrt_topology_pins(topology, threads);
    json_t *places = json_array();
    char text[256] = "";
    int at = 0;

    sdrt_report_text(r, "machine", sdrt_topology_text(topology), "machine");
    sdrt_build_facts(r);
    sdrt_report_text(r, "isa", isa, "instruction set");
    if (precision) sdrt_report_text(r, "precision", precision, "precision");
    sdrt_report_number(r, "threads", threads, "threads", "", 0);
    for (int w = 0; w < threads && pins && places; w++) {
        const int pu = sdrt_topology_pu(topology, w);
        json_array_append_new(places, json_integer(pu));
        if (at < (int)sizeof text - 16)
            at += snprintf(text + at, sizeof text - (size_t)at, "%s%d", w ? " " : "processors ", pu);
    }
    sdrt_report_value(r, "run.pinning", places);
    sdrt_report_text(r, "run.pinned", at ? text : "no", "pinned to");
}

/* ---- the load ---- */

static void all_processors(double *busy, double *steal)
{
    unsigned long long t[8] = { 0 };
    FILE *f = fopen("/proc/stat", "r");

    *busy = *steal = NAN;
    if (!f) return;
    const int n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2],
                         &t[3], &t[4], &t[5], &t[6], &t[7]);
    fclose(f);
    if (n != 8) return;
    const double hz = (double)sysconf(_SC_CLK_TCK);
    *busy = (double)(t[0] + t[1] + t[2] + t[5] + t[6]) / hz; /* all but idle, waiting, stolen */
    *steal = (double)t[7] / hz;
}

static double own_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

void sdrt_load_begin(struct sdrt_load *load)
{
    load->wall = sdrt_bench_now();
    load->own = own_seconds();
    all_processors(&load->busy, &load->steal);
}

void sdrt_load_end(const struct sdrt_load *load, struct sdrt_report *r)
{
    const double shortest = 0.5; /* the system counts in hundredths of a second */
    const double wall = sdrt_bench_now() - load->wall, own = own_seconds() - load->own;
    double busy, steal, average = NAN, other = NAN, stolen = NAN;

    all_processors(&busy, &steal);
    if (wall > shortest) {
        other = fmax(0.0, (busy - load->busy - own) / wall);
        stolen = (steal - load->steal) / wall;
    }
    if (getloadavg(&average, 1) != 1) average = NAN;
    sdrt_report_number(r, "run.load.seconds", wall, NULL, "", 0);
    sdrt_report_number(r, "run.load.other_cpus", other, "others' load", "processors", 2);
    sdrt_report_number(r, "run.load.stolen_cpus", stolen, "stolen", "processors", 2);
    sdrt_report_number(r, "run.load.average", average, NULL, "", 0);
    if (other + stolen > 0.05)
        sdrt_report_warn(r, "other programs and virtual machines took %.2f processors during this "
                         "run: times are too long, and shares of the roof too low", other + stolen);
}
