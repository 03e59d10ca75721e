/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/folder_weights.h"

#include "runtime/base/text.h"
#include "runtime/files/json.h"
#include "runtime/files/path.h"
#include "runtime/files/read_file.h"
#include "runtime/files/tensor_files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_INDEX_BYTES = 16 << 20, MAX_REF_BYTES = 256, NAME_ROOM = SDRT_FOLDER_NAME };

const char sdrt_diffusion_weights[] = "diffusion_pytorch_model";
const char sdrt_transformers_weights[] = "model";

static int out_of_memory(const char *path, const struct sdrt_log *log)
{
    return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its paths", path);
}

void sdrt_folder_weights_free(struct sdrt_folder_weights *weights)
{
    for (size_t i = 0; i < weights->n; i++) free(weights->paths[i]);
    free(weights->paths);
    *weights = (struct sdrt_folder_weights){ 0 };
}

/* Adds a path, which is taken over. */
static int add_path(struct sdrt_folder_weights *w, char *path, const char *folder,
                    const struct sdrt_log *log)
{
    char **paths = path ? realloc(w->paths, (w->n + 1) * sizeof *paths) : NULL;

    if (!paths) {
        free(path);
        return out_of_memory(folder, log);
    }
    w->paths = paths;
    w->paths[w->n++] = path;
    return SDRT_OK;
}

/* A link whose file is gone, as in a hub's cache of which a blob was deleted. */
static int is_dangling(const char *path)
{
    struct stat s;

    return lstat(path, &s) == 0 && S_ISLNK(s.st_mode) && stat(path, &s) != 0;
}

static int missing(const char *path, const char *hint, const struct sdrt_log *log)
{
    if (is_dangling(path))
        return sdrt_fail(log, SDRT_E_MISSING,
                         "%s: is a link to a file that is not there: expected "
                         "it downloaded%s",
                         path, hint);
    return sdrt_fail(log, SDRT_E_MISSING, "%s: is not there: expected it downloaded%s", path, hint);
}

/* ---- the files of a part ---- */

/* Adds the file that the index gives a tensor, unless it is among those seen. */
static int add_shard(struct sdrt_folder_weights *w, const char *folder, const json_t *file,
                     json_t *seen, const char *index, const char *tensor, const char *hint,
                     const struct sdrt_log *log)
{
    const char *shard = json_string_value(file);

    if (!shard || !*shard || strchr(shard, '/'))
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: weight_map: %.100s: expected the name of a file beside it", index,
                         tensor);
    if (json_object_get(seen, shard)) return SDRT_OK;
    char *path = sdrt_path_join(folder, shard);
    if (!path || json_object_set_new(seen, shard, json_true())) {
        free(path);
        return out_of_memory(index, log);
    }
    if (sdrt_path_is_file(path)) return add_path(w, path, folder, log);
    const int status = missing(path, hint, log);
    free(path);
    return status;
}

/* Adds each file that the index names, once. */
static int add_shards(struct sdrt_folder_weights *w, const char *folder, const char *index,
                      const char *hint, const struct sdrt_log *log)
{
    json_t *root = NULL, *seen = NULL, *map, *file;
    const char *tensor;
    int status = sdrt_json_load(&root, index, MAX_INDEX_BYTES, log);

    if (status != SDRT_OK) return status;
    map = json_object_get(root, "weight_map");
    seen = json_object();
    if (!seen) status = out_of_memory(index, log);
    else if (!json_is_object(map) || !json_object_size(map))
        status = sdrt_fail(log, SDRT_E_FORMAT,
                           "%s: weight_map: expected an object that gives each tensor its file",
                           index);
    if (status != SDRT_OK) goto out;
    json_object_foreach(map, tensor, file) {
        status = add_shard(w, folder, file, seen, index, tensor, hint, log);
        if (status != SDRT_OK) break;
    }
out:
    json_decref(seen);
    json_decref(root);
    return status;
}

/* Adds the file of that name, or the files that it names when it is an index; nothing where it is
 * not there. */
static int try_name(struct sdrt_folder_weights *w, const char *folder, const char *name,
                    const char *hint, const struct sdrt_log *log)
{
    char *path = sdrt_path_join(folder, name);
    int status = SDRT_OK;

    if (!path) return out_of_memory(folder, log);
    if (is_dangling(path)) status = missing(path, hint, log);
    else if (sdrt_path_is_file(path)) {
        if (!sdrt_ends_with(name, ".json")) return add_path(w, path, folder, log);
        status = add_shards(w, folder, path, hint, log);
    }
    free(path);
    return status;
}

/* What else a folder may hold in the place of weights that are read. */
static const struct {
    const char *end, *what;
} others[] = {
    { ".onnx", "an ONNX model" },
    { ".onnx_data", "an ONNX model" },
    { ".pb", "a graph of ONNX or TensorFlow" },
    { "openvino_model.xml", "an OpenVINO model" },
    { ".msgpack", "weights of Flax" },
    { ".h5", "weights of TensorFlow" },
    { ".mlpackage", "a Core ML model" },
    { ".mlmodelc", "a Core ML model" },
    { ".engine", "a TensorRT engine" },
    { ".non_ema.safetensors", "weights before averaging" },
    { ".non_ema.bin", "weights before averaging" },
    { ".incomplete", "a download that was cut off" },
};

/* The first of a folder's files that is of those; "" when none is. */
static void find_other(char out[NAME_ROOM], const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *e;

    *out = 0;
    while (d && !*out && (e = readdir(d)))
        for (size_t i = 0; i < sizeof others / sizeof *others && !*out && *e->d_name != '.'; i++)
            if (sdrt_ends_with(e->d_name, others[i].end))
                snprintf(out, NAME_ROOM, "; it has %.60s, %s", e->d_name, others[i].what);
    if (d) closedir(d);
}

static int no_weights(const char *folder, const char *base, const char *pickled, const char *hint,
                      const struct sdrt_log *log)
{
    char other[NAME_ROOM];

    find_other(other, folder);
    return sdrt_fail(log, SDRT_E_MISSING,
                     "%s: has no weights: expected %s.safetensors or %s.bin, also as .fp16 or "
                     ".bf16, or with .index.json%s%s",
                     folder, base, pickled, other, hint);
}

int sdrt_folder_weights_find(struct sdrt_folder_weights *out, const char *folder, const char *base,
                             const char *hint, const struct sdrt_log *log)
{
    static const char *const kinds[] = { "safetensors", "bin" };
    static const char *const variants[] = { "", ".fp16", ".bf16" };
    const char *const pickled = !strcmp(base, sdrt_transformers_weights) ? "pytorch_model" : base;
    int status = SDRT_OK;

    *out = (struct sdrt_folder_weights){ 0 };
    for (int kind = 0; kind < 2; kind++)
        for (int variant = 0; variant < 3; variant++) {
            const char *b = kind ? pickled : base, *k = kinds[kind], *v = variants[variant];
            char names[3][NAME_ROOM];
            snprintf(names[0], NAME_ROOM, "%s%s.%s", b, v, k);
            snprintf(names[1], NAME_ROOM, "%s.%s.index%s.json", b, k, v);
            snprintf(names[2], NAME_ROOM, "%s%s.%s.index.json", b, v, k);
            for (int i = 0; i < 3 && status == SDRT_OK && !out->n; i++)
                status = try_name(out, folder, names[i], hint, log);
        }
    if (status == SDRT_OK && !out->n) status = no_weights(folder, base, pickled, hint, log);
    if (status != SDRT_OK) sdrt_folder_weights_free(out);
    return status;
}

void sdrt_folder_find_file(char out[SDRT_FOLDER_NAME], const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *e;

    *out = 0;
    while (d && (e = readdir(d)))
        if (*e->d_name != '.' && sdrt_tensor_file_extension(e->d_name) &&
            (!*out || strcmp(e->d_name, out) < 0))
            snprintf(out, SDRT_FOLDER_NAME, "%s", e->d_name);
    if (d) closedir(d);
}

/* ---- what a path stands for ---- */

/* path without its last name, "." for one without folders. */
static char *parent(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
}

/* The only folder in snapshots/, into name; how many there are. */
static int find_snapshot(char name[NAME_ROOM], const char *snapshots)
{
    DIR *d = opendir(snapshots);
    struct dirent *e;
    int n = 0;

    while (d && (e = readdir(d)))
        if (*e->d_name != '.' && !n++) snprintf(name, NAME_ROOM, "%s", e->d_name);
    if (d) closedir(d);
    return n;
}

/* The snapshot's name, from refs/main or because it is the only one. */
static int name_snapshot(char name[NAME_ROOM], const char *path, const char *snapshots,
                         const struct sdrt_log *log)
{
    char *ref = sdrt_path_join(path, "refs/main"), *text = NULL;
    size_t size = 0;
    int status = ref ? SDRT_OK : out_of_memory(path, log);

    *name = 0;
    if (status == SDRT_OK && sdrt_path_is_file(ref)) {
        status = sdrt_read_file(ref, MAX_REF_BYTES, &text, &size, log);
        if (status == SDRT_OK) text[strcspn(text, " \t\r\n")] = 0;
        if (status == SDRT_OK &&
            (!*text || *text == '.' || strchr(text, '/') || strlen(text) >= NAME_ROOM))
            status = sdrt_fail(log, SDRT_E_FORMAT, "%s: expected the name of a snapshot", ref);
        if (status == SDRT_OK) snprintf(name, NAME_ROOM, "%s", text);
    } else if (status == SDRT_OK) {
        const int n = find_snapshot(name, snapshots);
        if (n != 1)
            status = sdrt_fail(log, n ? SDRT_E_UNSUPPORTED : SDRT_E_MISSING,
                               "%s: is a hub's cache with %d snapshots and no refs/main: expected "
                               "the folder of one of them",
                               path, n);
    }
    free(text);
    free(ref);
    return status;
}

static int resolve_cache(char **out, const char *path, const char *snapshots,
                         const struct sdrt_log *log)
{
    char name[NAME_ROOM];
    const int status = name_snapshot(name, path, snapshots, log);

    if (status != SDRT_OK) return status;
    *out = sdrt_path_join(snapshots, name);
    if (!*out) return out_of_memory(path, log);
    if (sdrt_path_is_folder(*out)) return SDRT_OK;
    free(*out);
    *out = NULL;
    return sdrt_fail(log, SDRT_E_MISSING,
                     "%s: is a hub's cache whose snapshot %s is not there: "
                     "expected it downloaded",
                     path, name);
}

int sdrt_folder_resolve(char **out, const char *path, const struct sdrt_log *log)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    int status = SDRT_OK;

    *out = NULL;
    char *snapshots = sdrt_path_join(path, "snapshots");
    if (!snapshots) return out_of_memory(path, log);
    if (sdrt_path_is_folder(snapshots)) status = resolve_cache(out, path, snapshots, log);
    else *out = !strcmp(name, "model_index.json") ? parent(path) : strdup(path);
    free(snapshots);
    return status == SDRT_OK && !*out ? out_of_memory(path, log) : status;
}
