/* SPDX-License-Identifier: MIT
 *
 * Slots: names, sizes, and where they lie.
 */
#include "kernels/isa.h"
#include "model/pipeline/slots.h"
#include "runtime/device/cpu.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <string.h>

static struct sdrt_slots slots;

static void set_up(void)
{
    temp_folder_make();
    slots = (struct sdrt_slots){ .log = &kept_log };
    cr_assert_eq(sdrt_cpu_device_open(&slots.device, 0, "generic", SDRT_PIN_NEVER, &kept_log),
                 SDRT_OK);
    cr_assert_eq(sdrt_queue_open(&slots.queue, slots.device, 1, &kept_log), SDRT_OK);
}

static void tear_down(void)
{
    sdrt_slots_clear(&slots);
    sdrt_queue_close(&slots.queue);
    sdrt_device_close(&slots.device);
    temp_folder_remove();
}

TestSuite(slots, .init = set_up, .fini = tear_down);

static int add(const char *scope, const char *name, int c, enum sdrt_when life)
{
    const int dims[4] = { 1, 1, 1, c };

    return sdrt_slots_add(&slots, scope, name, SDRT_F32, dims, life);
}

static unsigned char *place_of(const char *scope, const char *name)
{
    return slots.slot[sdrt_slots_find(&slots, scope, name)].memory;
}

Test(slots, one_name_is_one_slot)
{
    expect_quiet(add("", "text", 5, SDRT_ONCE_A_PROMPT), "first");
    expect_quiet(add("", "text", 5, SDRT_EACH_EVALUATION), "again");
    expect_quiet(add("refiner/", "text", 7, SDRT_ONCE_A_PROMPT), "in another scope");
    cr_expect_eq(slots.n, 2);
    cr_expect_eq(slots.slot[0].life, SDRT_ONCE_A_PROMPT);
    cr_expect_eq(sdrt_slots_find(&slots, "", "text"), 0);
    cr_expect_eq(sdrt_slots_find(&slots, "refiner/", "text"), 1);
    cr_expect_eq(sdrt_slots_find(&slots, "", "refiner/text"), 1);
    cr_expect_eq(sdrt_slots_find(&slots, "", "tex"), SDRT_NO_SLOT);
    cr_expect_eq(sdrt_slots_find(&slots, "t", "ext"), 0);
}

Test(slots, sizes_that_disagree_are_named)
{
    expect_quiet(add("", "text", 5, SDRT_ONCE_A_PROMPT), "first");
    expect_failure(add("", "text", 6, SDRT_ONCE_A_PROMPT), SDRT_E_ARG,
                   "slot text is F32 [1][1][1][6] here", "another size");
    expect_failure(sdrt_slots_add(&slots, "", "text", SDRT_BF16, (const int[]){ 1, 1, 1, 5 },
                                  SDRT_ONCE_A_PROMPT),
                   SDRT_E_ARG, "slot text is BF16", "another type");
    cr_expect_eq(slots.n, 1);
}

/* Each slot has memory of its own, but what holds for an evaluation, for an image and for a picture
 * share theirs. */
Test(slots, lives_share_memory_where_they_may)
{
    static unsigned char memory[1 << 16] __attribute__((aligned(64)));
    char name[16];

    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "slot%d", i);
        expect_quiet(add("", name, 1 + i, i % 2 ? SDRT_ONCE_A_PROMPT : SDRT_ONCE_A_SCHEDULE), name);
    }
    expect_quiet(add("", "in", 100, SDRT_EACH_EVALUATION), "in");
    expect_quiet(add("", "out", 100, SDRT_EACH_EVALUATION), "out");
    expect_quiet(add("", "pixels", 100, SDRT_ONCE_AN_IMAGE), "pixels");
    expect_quiet(add("", "picture", 300, SDRT_ONCE_A_PICTURE), "picture");
    const size_t bytes = sdrt_slots_place(&slots, NULL);
    cr_assert_leq(bytes, sizeof memory);
    cr_expect_eq(sdrt_slots_place(&slots, memory), bytes);
    for (int i = 0; i < slots.n; i++) {
        const struct sdrt_slot *a = &slots.slot[i];
        cr_expect_eq((a->memory - memory) % 64, 0, "%s is not aligned", a->name);
        cr_expect(a->memory >= memory && a->memory + a->bytes <= memory + bytes, "%s", a->name);
        for (int k = 0; k < i; k++) {
            const struct sdrt_slot *b = &slots.slot[k];
            const int apart = a->memory + a->bytes <= b->memory ||
                              b->memory + b->bytes <= a->memory;
            const int may = a->life != b->life && a->life >= SDRT_EACH_EVALUATION &&
                            b->life >= SDRT_EACH_EVALUATION;
            cr_expect(apart || may, "%s and %s", a->name, b->name);
        }
    }
    cr_expect_eq(place_of("", "in"), place_of("", "pixels"));
    cr_expect_eq(place_of("", "in"), place_of("", "picture"));
}

Test(slots, are_written_and_read)
{
    static unsigned char memory[256] __attribute__((aligned(64)));
    const float in[2] = { 3.0f, 4.0f };
    float out[3];

    expect_quiet(add("", "x", 3, SDRT_ONCE_A_PROMPT), "x");
    sdrt_slots_place(&slots, memory);
    sdrt_slot_write(&slots, 0, sizeof(float), in, sizeof in);
    sdrt_slot_read(&slots, 0, 0, out, sizeof out);
    cr_expect(out[0] >= 0.0f && out[0] <= 0.0f && out[1] > 2.9f && out[2] > 3.9f);
    cr_expect_eq(sdrt_slot_map(&slots, 0), memory);
}
