/* SPDX-License-Identifier: MIT
 *
 * What the compiler calls before each access of memory of a translation unit that was compiled
 * with -fsanitize=thread: here in the place of the sanitizer's own library.
 */
#include "tests/emulation/cuda/internal.h"

namespace shim {

static void access(const void *instruction, const void *p, size_t bytes, int write)
{
    if (!now || now->current < 0) return;
    const unsigned char *c = (const unsigned char *)p, *s = shared_bytes();
    if (c >= s && c < s + SHARED_BYTES) {
        const actor who = actor_of(now->current);
        (write ? shared_write : shared_read)(who, (uint32_t)(c - s), (uint32_t)bytes);
        return;
    }
    if (in_device(p)) {
        count_transfer(instruction, p, bytes, write);
        device_access(p, bytes, write);
        return;
    }
    /* A thread's own: registers, of which sums of products under way are out of bounds. */
    for (const range &r : now->thread_[(size_t)now->current].registers)
        if (c < (const unsigned char *)r.p + r.bytes && c + bytes > (const unsigned char *)r.p) {
            fault(SHIM_IN_FLIGHT, "touches a sum before the products are waited for");
            return;
        }
}

static void aligned_access(const void *instruction, const void *p, size_t bytes, int write)
{
    if (now && now->current >= 0 && (uintptr_t)p % bytes)
        fault(SHIM_ALIGNMENT, "%s %zu bytes at %p", write ? "writes" : "reads", bytes, p);
    access(instruction, p, bytes, write);
}

} // namespace shim

using namespace shim;

extern "C" {

void __tsan_init(void) {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit(void) {}
void __tsan_vptr_update(void **, void *) {}
void __tsan_vptr_read(void **) {}
void __tsan_read1(void *p) { access(CALLER, p, 1, 0); }
void __tsan_read2(void *p) { aligned_access(CALLER, p, 2, 0); }
void __tsan_read4(void *p) { aligned_access(CALLER, p, 4, 0); }
void __tsan_read8(void *p) { aligned_access(CALLER, p, 8, 0); }
void __tsan_read16(void *p) { aligned_access(CALLER, p, 16, 0); }
void __tsan_write1(void *p) { access(CALLER, p, 1, 1); }
void __tsan_write2(void *p) { aligned_access(CALLER, p, 2, 1); }
void __tsan_write4(void *p) { aligned_access(CALLER, p, 4, 1); }
void __tsan_write8(void *p) { aligned_access(CALLER, p, 8, 1); }
void __tsan_write16(void *p) { aligned_access(CALLER, p, 16, 1); }
void __tsan_unaligned_read2(void *p) { access(CALLER, p, 2, 0); }
void __tsan_unaligned_read4(void *p) { access(CALLER, p, 4, 0); }
void __tsan_unaligned_read8(void *p) { access(CALLER, p, 8, 0); }
void __tsan_unaligned_read16(void *p) { access(CALLER, p, 16, 0); }
void __tsan_unaligned_write2(void *p) { access(CALLER, p, 2, 1); }
void __tsan_unaligned_write4(void *p) { access(CALLER, p, 4, 1); }
void __tsan_unaligned_write8(void *p) { access(CALLER, p, 8, 1); }
void __tsan_unaligned_write16(void *p) { access(CALLER, p, 16, 1); }
void __tsan_read_range(void *p, size_t n) { access(CALLER, p, n, 0); }
void __tsan_write_range(void *p, size_t n) { access(CALLER, p, n, 1); }
/* clang's, in the place of calls. */
void *__tsan_memcpy(void *to, const void *from, size_t n)
{
    access(CALLER, from, n, 0);
    access(CALLER, to, n, 1);
    return memcpy(to, from, n);
}
void *__tsan_memset(void *to, int value, size_t n)
{
    access(CALLER, to, n, 1);
    return memset(to, value, n);
}
}

bytes16 shim_load_16(const void *p)
{
    bytes16 x = { { 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu } };

    if ((uintptr_t)p % 16) fault(SHIM_ALIGNMENT, "loads 16 bytes at %p", p);
    count_transfer(CALLER, p, 16, 0);
    if (!in_device(p) || device_access(p, 16, 0)) memcpy(&x, p, 16);
    return x;
}

bytes8 shim_load_8(const void *p)
{
    bytes8 x = { { 0xffffffffu, 0xffffffffu } };

    if ((uintptr_t)p % 8) fault(SHIM_ALIGNMENT, "loads 8 bytes at %p", p);
    count_transfer(CALLER, p, 8, 0);
    if (!in_device(p) || device_access(p, 8, 0)) memcpy(&x, p, 8);
    return x;
}

void shim_store_8(void *p, bytes8 x)
{
    if ((uintptr_t)p % 8) fault(SHIM_ALIGNMENT, "stores 8 bytes at %p", p);
    count_transfer(CALLER, p, 8, 1);
    if (!in_device(p) || device_access(p, 8, 1)) memcpy(p, &x, 8);
}

void shim_store_16(void *p, bytes16 x)
{
    if ((uintptr_t)p % 16) fault(SHIM_ALIGNMENT, "stores 16 bytes at %p", p);
    count_transfer(CALLER, p, 16, 1);
    if (!in_device(p) || device_access(p, 16, 1)) memcpy(p, &x, 16);
}
