/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "bench/build_info.h"
#include "bench/machine.h"
#include "bench/report.h"
#include "runtime/device/cpu.h"
#include "runtime/device/cuda.h"

#include <stdio.h>
#include <sys/utsname.h>
#include <time.h>

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
            at += snprintf(text + at, sizeof text - (size_t)at, "%s%d", w ? " " : "processors ",
                           pu);
    }
    sdrt_report_value(r, "run.pinning", places);
    sdrt_report_text(r, "run.pinned", at ? text : "no", "pinned to");
}

void sdrt_device_facts(struct sdrt_report *r, const struct sdrt_queue *queue, const char *precision)
{
    const struct sdrt_device *device = queue->device;
    struct sdrt_cuda_facts gpu;
    char text[160];

    sdrt_machine_facts(r, sdrt_cpu_topology(device->host), device->isa, precision, queue->workers);
    if (!sdrt_is_cuda_device(device)) return;
    sdrt_cuda_device_facts(device, &gpu);
    snprintf(text, sizeof text,
             "%s, compute capability %d.%d, %d multiprocessors, %.0f MiB, driver "
             "for CUDA %d.%d",
             gpu.name, gpu.capability / 10, gpu.capability % 10, gpu.multiprocessors,
             (double)gpu.memory / (1 << 20), gpu.driver / 1000, gpu.driver % 1000 / 10);
    sdrt_report_text(r, "gpu.text", text, "GPU");
    sdrt_report_text(r, "gpu.name", gpu.name, NULL);
    sdrt_report_number(r, "gpu.capability", gpu.capability / 10.0, NULL, "", 0);
    sdrt_report_number(r, "gpu.multiprocessors", gpu.multiprocessors, NULL, "", 0);
    sdrt_report_number(r, "gpu.memory_bytes", (double)gpu.memory, NULL, "", 0);
    sdrt_report_number(r, "gpu.driver", gpu.driver, NULL, "", 0);
}
