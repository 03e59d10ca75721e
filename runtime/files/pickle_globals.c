/* SPDX-License-Identifier: MIT */
#include "runtime/files/pickle_globals.h"

#include <string.h>

/* torch/storage.py, _dtype_to_storage_type_map(); the newer types have no class of storages. */
static const struct sdrt_pickle_type types[] = {
    { "Float", "float32", "F32", 4, 1, SDRT_F32 },
    { "Half", "float16", "F16", 2, 1, SDRT_F16 },
    { "BFloat16", "bfloat16", "BF16", 2, 1, SDRT_BF16 },
    { "Double", "float64", "F64", 8, 1, SDRT_F64 },
    { "Long", "int64", "I64", 8, 1, SDRT_I64 },
    { "Int", "int32", "I32", 4, 1, SDRT_I32 },
    { "Byte", "uint8", "U8", 1, 1, SDRT_U8 },
    { "Untyped", NULL, "U8", 1, 1, SDRT_U8 },
    { "Char", "int8", "I8", 1, 1, SDRT_I8 },
    { "Bool", "bool", "BOOL", 1, 1, SDRT_BOOL },
    { NULL, "float8_e4m3fn", "F8_E4M3", 1, 1, SDRT_F8_E4M3 },
    { NULL, "float8_e5m2", "F8_E5M2", 1, 1, SDRT_F8_E5M2 },
    { "Short", "int16", "I16", 2, 0, SDRT_DTYPES },
    { NULL, "uint16", "U16", 2, 0, SDRT_DTYPES },
    { NULL, "uint32", "U32", 4, 0, SDRT_DTYPES },
    { NULL, "uint64", "U64", 8, 0, SDRT_DTYPES },
    { NULL, "float8_e4m3fnuz", "F8_E4M3FNUZ", 1, 0, SDRT_DTYPES },
    { NULL, "float8_e5m2fnuz", "F8_E5M2FNUZ", 1, 0, SDRT_DTYPES },
    { NULL, "float8_e8m0fnu", "F8_E8M0", 1, 0, SDRT_DTYPES },
    { "ComplexFloat", "complex64", "C64", 8, 0, SDRT_DTYPES },
    { "ComplexDouble", "complex128", "C128", 16, 0, SDRT_DTYPES },
};

enum { TYPES = sizeof types / sizeof *types };

/* A module that ends in '.' stands for all beneath it, and no name for all names of a module.
 * Python 2 wrote the modules of its time. */
static const struct {
    const char *module, *name;
    enum sdrt_pickle_global kind;
} globals[] = {
    { "collections", "OrderedDict", PICKLE_MAPPING },
    { "collections", "defaultdict", PICKLE_MAPPING },
    { "collections", "Counter", PICKLE_MAPPING },
    { "builtins", "dict", PICKLE_MAPPING },
    { "__builtin__", "dict", PICKLE_MAPPING },
    { "torch._utils", "_rebuild_tensor", PICKLE_TENSOR },
    { "torch._utils", "_rebuild_tensor_v2", PICKLE_TENSOR },
    { "torch._utils", "_rebuild_tensor_v3", PICKLE_TENSOR_V3 },
    { "torch._utils", "_rebuild_parameter", PICKLE_PARAMETER },
    { "torch._utils", "_rebuild_parameter_with_state", PICKLE_PARAMETER },
    { "torch._tensor", "_rebuild_from_type_v2", PICKLE_FROM_TYPE },
    { "torch", "Size", PICKLE_SEQUENCE },
    { "torch.nn.modules.container", "ParameterDict", PICKLE_MODULE },
    { "torch.nn.modules.container", "ParameterList", PICKLE_MODULE },
    { "torch", "Tensor", PICKLE_OPAQUE },
    { "torch.nn.parameter", "Parameter", PICKLE_OPAQUE },
    { "torch", "device", PICKLE_OPAQUE },
    { "torch.serialization", "_get_layout", PICKLE_OPAQUE },
    { "builtins", "list", PICKLE_SEQUENCE },
    { "builtins", "tuple", PICKLE_SEQUENCE },
    { "builtins", "set", PICKLE_SEQUENCE },
    { "builtins", "frozenset", PICKLE_SEQUENCE },
    { "builtins", "int", PICKLE_OPAQUE },
    { "builtins", "float", PICKLE_OPAQUE },
    { "builtins", "bool", PICKLE_OPAQUE },
    { "builtins", "str", PICKLE_OPAQUE },
    { "builtins", "bytes", PICKLE_OPAQUE },
    { "builtins", "bytearray", PICKLE_OPAQUE },
    { "builtins", "complex", PICKLE_OPAQUE },
    { "builtins", "slice", PICKLE_OPAQUE },
    { "builtins", "range", PICKLE_OPAQUE },
    { "builtins", "object", PICKLE_OPAQUE },
    { "__builtin__", "list", PICKLE_SEQUENCE },
    { "__builtin__", "tuple", PICKLE_SEQUENCE },
    { "__builtin__", "set", PICKLE_SEQUENCE },
    { "__builtin__", "frozenset", PICKLE_SEQUENCE },
    { "__builtin__", "int", PICKLE_OPAQUE },
    { "__builtin__", "long", PICKLE_OPAQUE },
    { "__builtin__", "float", PICKLE_OPAQUE },
    { "__builtin__", "bool", PICKLE_OPAQUE },
    { "__builtin__", "str", PICKLE_OPAQUE },
    { "__builtin__", "unicode", PICKLE_OPAQUE },
    { "__builtin__", "bytearray", PICKLE_OPAQUE },
    { "__builtin__", "complex", PICKLE_OPAQUE },
    { "__builtin__", "object", PICKLE_OPAQUE },
    { "copyreg", "_reconstructor", PICKLE_OPAQUE },
    { "copy_reg", "_reconstructor", PICKLE_OPAQUE },
    { "_codecs", "encode", PICKLE_OPAQUE },
    { "typing", "Any", PICKLE_OPAQUE },
    { "argparse", "Namespace", PICKLE_OPAQUE },
    { "datetime", "datetime", PICKLE_OPAQUE },
    { "datetime", "timedelta", PICKLE_OPAQUE },
    { "pathlib", "PosixPath", PICKLE_OPAQUE },
    { "pathlib", "WindowsPath", PICKLE_OPAQUE },
    { "pathlib._local", "PosixPath", PICKLE_OPAQUE },
    { "pathlib._local", "WindowsPath", PICKLE_OPAQUE },
    { "numpy.core.multiarray", "scalar", PICKLE_OPAQUE },
    { "numpy.core.multiarray", "_reconstruct", PICKLE_OPAQUE },
    { "numpy._core.multiarray", "scalar", PICKLE_OPAQUE },
    { "numpy._core.multiarray", "_reconstruct", PICKLE_OPAQUE },
    { "numpy", "dtype", PICKLE_OPAQUE },
    { "numpy", "ndarray", PICKLE_OPAQUE },
    { "numpy.dtypes", NULL, PICKLE_OPAQUE },
    { "omegaconf.", NULL, PICKLE_OPAQUE },
    { "pytorch_lightning.", NULL, PICKLE_OPAQUE },
    { "lightning.", NULL, PICKLE_OPAQUE },
    { "lightning_fabric.", NULL, PICKLE_OPAQUE },
};

static int same(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && !memcmp(text, word, size);
}

static int in_module(const char *text, size_t size, const char *module)
{
    const size_t n = strlen(module);

    if (module[n - 1] != '.') return same(text, size, module);
    return size > n ? !memcmp(text, module, n) : size == n - 1 && !memcmp(text, module, size);
}

/* Whether name is front with end behind it. */
static int joined(const char *name, size_t size, const char *front, const char *end)
{
    const size_t n = strlen(end);

    return front && size > n && !memcmp(name + size - n, end, n) && same(name, size - n, front);
}

/* torch.HalfStorage, of torch.cuda too, as of before 1.0; torch.float16; of the oldest, without a
 * use, torch.HalfTensor. */
static enum sdrt_pickle_global find_type(const char *name, size_t size, uint32_t *type)
{
    for (uint32_t i = 0; i < TYPES; i++) {
        *type = i;
        if (types[i].torch && same(name, size, types[i].torch)) return PICKLE_DTYPE;
        if (joined(name, size, types[i].storage, "Storage")) return PICKLE_STORAGE;
        if (joined(name, size, types[i].storage, "Tensor")) return PICKLE_OPAQUE;
    }
    *type = 0;
    return PICKLE_UNKNOWN;
}

enum sdrt_pickle_global sdrt_pickle_global_find(const char *module, size_t module_size,
                                                const char *name, size_t name_size, uint32_t *type)
{
    *type = 0;
    if (same(module, module_size, "torch") || same(module, module_size, "torch.cuda") ||
        same(module, module_size, "torch.storage")) {
        const enum sdrt_pickle_global kind = find_type(name, name_size, type);
        if (kind) return kind;
    }
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (in_module(module, module_size, globals[i].module) &&
            (!globals[i].name || same(name, name_size, globals[i].name)))
            return globals[i].kind;
    return PICKLE_UNKNOWN;
}

const struct sdrt_pickle_type *sdrt_pickle_type_at(uint32_t type) { return &types[type]; }
