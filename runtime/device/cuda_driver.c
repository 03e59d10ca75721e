/* SPDX-License-Identifier: MIT */
#include "runtime/device/cuda_driver.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static const char variable[] = "SDRT_CUDA_LIBRARY";

/* ISO C casts no object pointer to a function pointer; POSIX promises this copy. */
static int look_up(void *library, const char *name, void *member)
{
    void *p = dlsym(library, name);

    memcpy(member, &p, sizeof p);
    return p != NULL;
}

/* The name of a call that the library lacks, or NULL. */
static const char *find_calls(struct sdrt_cuda_driver *d)
{
    const char *lacks = NULL;

#define LOOK_UP(name, member, arguments) \
    if (!look_up(d->loaded, #name, &d->member) && !lacks) lacks = #name;
    SDRT_CUDA_CALLS(LOOK_UP)
#undef LOOK_UP
#define LOOK_UP(name, member, arguments) (void)look_up(d->loaded, #name, &d->member);
    SDRT_CUDA_OPTIONAL_CALLS(LOOK_UP)
#undef LOOK_UP
    return lacks;
}

static int load(struct sdrt_cuda_driver *d, const struct sdrt_log *log)
{
    const char *named = getenv(variable);

    if (named && !*named) named = NULL;
    d->loaded = dlopen(named ? named : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (d->loaded) return SDRT_OK;
    if (named)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s=%s: expected a CUDA driver: %s", variable,
                         named, dlerror());
    return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                     "device \"cuda\": no CUDA driver is installed: expected "
                     "libcuda.so.1 of NVIDIA's driver 525 or later, or device \"cpu\"");
}

/* A driver that is too old may lack calls, but not its version. */
static int check_version(struct sdrt_cuda_driver *d, const char *lacks, const struct sdrt_log *log)
{
    int version = 0;

    if (d->version) (void)d->version(&version);
    if (version < CUDA_OLDEST_DRIVER)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "device \"cuda\": the CUDA driver is of version "
                         "%d.%d: expected 12.0 or later",
                         version / 1000, version % 1000 / 10);
    if (lacks)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "device \"cuda\": the CUDA driver has no %s: "
                         "expected one of version 12.0 or later",
                         lacks);
    return SDRT_OK;
}

int sdrt_cuda_driver_open(struct sdrt_cuda_driver *d, const struct sdrt_log *log)
{
    int count = 0, error;

    *d = (struct sdrt_cuda_driver){ .loaded = NULL };
    int status = load(d, log);
    if (status == SDRT_OK) status = check_version(d, find_calls(d), log);
    if (status != SDRT_OK) return status;
    error = d->init(0);
    if (!error) error = d->device_count(&count);
    if (error == CUDA_ERROR_NO_DEVICE || (!error && count < 1))
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "device \"cuda\": the CUDA driver finds no GPU: "
                         "expected one, or device \"cpu\"");
    if (error)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "device \"cuda\": the CUDA driver does not start: "
                         "%s",
                         sdrt_cuda_error(d, error));
    return SDRT_OK;
}

const char *sdrt_cuda_error(const struct sdrt_cuda_driver *d, int error)
{
    const char *name = NULL;

    if (d->error_name && d->error_name(error, &name) == 0 && name) return name;
    return "an error without a name";
}
