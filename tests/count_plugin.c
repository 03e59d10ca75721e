/* SPDX-License-Identifier: MIT
 *
 * Plugin for qemu-user: how many AArch64 instructions a program ran, of which kinds.  A number that
 * is the same on every machine and in every run, so that a test can hold a kernel to it.
 *
 *     qemu-aarch64 -plugin ./count_plugin.so -d plugin PROGRAM
 *
 * The interface (version 1) is declared here, so that no header of qemu's is needed.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
                                           void (*f)(uint64_t, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *p,
                                                uint64_t by);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*f)(uint64_t, void *), void *user);
void qemu_plugin_outs(const char *text);

EXPORT int qemu_plugin_version = 1;

enum kind { PRODUCT, VECTOR, LOAD, STORE, OTHER, KINDS };
static const char *const names[KINDS] = { "products", "vector", "loads", "stores", "other" };
static uint64_t counts[KINDS];

/* By the encoding tables of the Arm ARM, C4.1: good enough to tell kernels apart. */
static enum kind kind_of(uint32_t w)
{
    const unsigned op0 = w >> 25 & 15;

    if ((op0 & 5) == 4) { /* x1x0: loads and stores */
        if ((w & 0x3a000000) == 0x28000000) return w & 1u << 22 ? LOAD : STORE; /* pairs */
        if ((w & 0xbf000000) == 0x0c000000 || (w & 0xbf000000) == 0x0d000000)
            return w & 1u << 22 ? LOAD : STORE;          /* LD1, LD1R, ST1 */
        if ((w & 0x3b000000) == 0x18000000) return LOAD; /* literal */
        if ((w & 0x3a000000) == 0x38000000)
            return w & 3u << 22
                       ? (w & 1u << 26 && w >> 30 == 0 && (w >> 22 & 3) == 2 ? STORE : LOAD)
                       : STORE;
        return OTHER;
    }
    if (op0 != 7 && op0 != 15) return OTHER;
    if ((w & 0xbfa0fc00) == 0x0e20cc00) return PRODUCT; /* FMLA, vector */
    if ((w & 0xbf80f400) == 0x0f801000) return PRODUCT; /* FMLA, by element, single */
    if ((w & 0xbfc0f400) == 0x0f001000) return PRODUCT; /* and half */
    if ((w & 0xbfe0fc00) == 0x0e400c00) return PRODUCT; /* FMLA, vector, half */
    if ((w & 0xbfe0fc00) == 0x2e401c00) return PRODUCT; /* FMUL, likewise: a sum's first */
    if ((w & 0xbfc0fc00) == 0x2e40ec00) return PRODUCT; /* BFDOT, BFMMLA */
    if ((w & 0xbfc0f400) == 0x0f40f000) return PRODUCT; /* BFDOT, by element */
    if ((w & 0xbf20fc00) == 0x0e009400) return PRODUCT; /* SDOT */
    if ((w & 0xbf00f400) == 0x0f00e000) return PRODUCT; /* SDOT, by element */
    if ((w & 0xffe0f400) == 0x4e80a400) return PRODUCT; /* SMMLA */
    return VECTOR;
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const uint32_t *word = qemu_plugin_insn_data(insn);
        qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD_U64, &counts[kind_of(*word)], 1);
    }
}

static void at_exit(uint64_t id, void *user)
{
    char line[256];
    uint64_t all = 0;
    int n = 0;

    (void)id;
    (void)user;
    for (int k = 0; k < KINDS; k++) all += counts[k];
    n = snprintf(line, sizeof line, "instructions %llu", (unsigned long long)all);
    for (int k = 0; k < KINDS; k++)
        n += snprintf(line + n, sizeof line - (size_t)n, " %s %llu", names[k],
                      (unsigned long long)counts[k]);
    snprintf(line + n, sizeof line - (size_t)n, "\n");
    qemu_plugin_outs(line);
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    (void)info;
    (void)argc;
    (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
