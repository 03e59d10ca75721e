/* SPDX-License-Identifier: MIT */
#include "bench/kernel_check.h"
#include "kernels/plugin.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static void take_name(struct sdrt_kernel_file *f, const char *name)
{
    const char *base = name ? name : strrchr(f->path, '/') ? strrchr(f->path, '/') + 1 : f->path;
    size_t n = 0;

    /* It goes to terminals. */
    for (; *base && n + 1 < sizeof f->name; base++)
        f->name[n++] = *base >= ' ' && *base <= '~' ? *base : '?';
    f->name[n] = '\0';
}

int sdrt_kernel_load(struct sdrt_kernel_file *f, const char *path, const struct sdrt_log *log)
{
    struct sdrt_ops *ops = &f->ops, before;
    char here[4096];

    /* A name without a slash would be looked for where libraries are. */
    snprintf(here, sizeof here, "%s%s", strchr(path, '/') ? "" : "./", path);
    void *object = dlopen(here, RTLD_NOW | RTLD_LOCAL);
    if (!object) return sdrt_fail(log, SDRT_E_IO, "cannot load kernel %s", dlerror());
    sdrt_kernel_fill_fn *fill;
    *(void **)&fill = dlsym(object, SDRT_KERNEL_FILL);
    if (!fill)
        return sdrt_fail(log, SDRT_E_FORMAT, "kernel %s: expected it to export %s()", path,
                         SDRT_KERNEL_FILL);
    *f = (struct sdrt_kernel_file){ .path = path };
    sdrt_ops_init(ops, 0);
    before = *ops;
    struct sdrt_kernel k = {
        .abi = SDRT_KERNEL_ABI,
        .attention = &ops->attention,
        .conv = &ops->conv,
        .gemm = &ops->gemm,
        .norm = &ops->norm,
        .elementwise = &ops->elementwise,
        .panel_bytes = sdrt_panel_bytes,
        .panel_offset = sdrt_panel_offset,
        .panel_pack = sdrt_panel_pack,
        .to_f32 = sdrt_to_f32,
        .operand = SDRT_F32,
    };
    const int abi = fill(&k);
    if (abi != SDRT_KERNEL_ABI)
        return sdrt_fail(log, SDRT_E_FORMAT, "kernel %s is built for ABI %d: expected %d", path,
                         abi, SDRT_KERNEL_ABI);
    if (k.operand != SDRT_F32 && k.operand != SDRT_F16 && k.operand != SDRT_BF16)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "kernel %s: operand type %s: expected F32, F16 or BF16", path,
                         sdrt_dtype_name(k.operand));
    f->operand = k.operand;
    take_name(f, k.name);
    f->has[SDRT_FAMILY_ATTENTION] = memcmp(&before.attention, &ops->attention,
                                           sizeof before.attention) != 0;
    f->has[SDRT_FAMILY_CONV] = memcmp(&before.conv, &ops->conv, sizeof before.conv) != 0;
    f->has[SDRT_FAMILY_GEMM] = memcmp(&before.gemm, &ops->gemm, sizeof before.gemm) != 0;
    f->has[SDRT_FAMILY_GN_SUMS] = before.norm.gn_sums != ops->norm.gn_sums;
    f->has[SDRT_FAMILY_GN_FOLD] = before.norm.gn_fold != ops->norm.gn_fold;
    f->has[SDRT_FAMILY_LAYER_NORM] = before.norm.layer_norm != ops->norm.layer_norm;
    f->has[SDRT_FAMILY_RMS_NORM] = before.norm.rms_norm != ops->norm.rms_norm;
    for (int i = 0; i < SDRT_EW_OPS; i++) {
        f->has_op[i] = sdrt_ew_differs(&before.elementwise, &ops->elementwise,
                                       (enum sdrt_elementwise_op)i);
        f->has[SDRT_FAMILY_ELEMENTWISE] |= f->has_op[i];
    }
    for (int i = 0; i < SDRT_FAMILIES; i++)
        if (f->has[i]) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_FORMAT,
                     "kernel %s has no entry of attention, conv, gemm, gn_sums, gn_fold, "
                     "layer_norm, rms_norm or elementwise",
                     path);
}

int sdrt_kernel_has(const struct sdrt_kernel_file *f, const struct sdrt_job *j)
{
    return j->family == SDRT_FAMILY_ELEMENTWISE ? f->has_op[j->u.ew.op] : f->has[j->family];
}
