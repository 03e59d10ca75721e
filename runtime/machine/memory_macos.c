/* SPDX-License-Identifier: MIT */
#include "runtime/machine/memory.h"
#include "runtime/base/error.h"

#include <mach/mach.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Pages that nobody holds, and those that the system takes back first. */
int sdrt_memory_available(size_t *bytes)
{
    vm_statistics64_data_t pages;
    mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;

    *bytes = 0;
    if (host_statistics64(mach_host_self(), HOST_VM_INFO64, (host_info64_t)&pages, &count) !=
        KERN_SUCCESS)
        return SDRT_E_UNSUPPORTED;
    *bytes = ((size_t)pages.free_count + pages.inactive_count + pages.purgeable_count) *
             (size_t)sysconf(_SC_PAGESIZE);
    return SDRT_OK;
}

/* It has none that a program may ask for; large blocks are aligned as elsewhere. */
size_t sdrt_memory_huge_page(void) { return (size_t)2 << 20; }

void sdrt_memory_want_huge(void *p, size_t bytes) { (void)p, (void)bytes; }

/* MADV_DONTNEED would leave the pages resident. */
void sdrt_memory_discard(void *p, size_t bytes) { (void)madvise(p, bytes, MADV_FREE); }

static int own(mach_task_basic_info_data_t *info)
{
    mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;

    return task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)info, &count) ==
           KERN_SUCCESS;
}

size_t sdrt_memory_rss(void)
{
    mach_task_basic_info_data_t info;

    return own(&info) ? (size_t)info.resident_size : 0;
}

size_t sdrt_memory_peak_rss(void)
{
    mach_task_basic_info_data_t info;

    return own(&info) ? (size_t)info.resident_size_max : 0;
}

size_t sdrt_memory_pss(void) { return 0; }

void sdrt_memory_reset_peak(void) {}
