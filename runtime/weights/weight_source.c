/* SPDX-License-Identifier: MIT
 *
 * A store's provider, asked by one thread at a time.
 */
#include "runtime/weights/weight_store_internal.h"

enum sdrt_dtype sdrt_store_look_up(struct sdrt_weight_store *s, const char *name, int rows,
                                   size_t count, int *fault)
{
    const struct sdrt_weights_provider *p = &s->provider;
    const int describes = p->describe != NULL;
    struct sdrt_weight_view v;

    *fault = SDRT_OK;
    if (s->fixed != SDRT_DTYPES) return s->fixed;
    pthread_mutex_lock(&s->asking);
    if ((describes ? p->describe : p->get)(p->self, name, -1, NULL, &v) != SDRT_OK) {
        *fault = SDRT_E_MISSING;
        v.dtype = SDRT_F32;
    } else {
        if (sdrt_weight_elements(&v) != count || (v.rank > 0 && v.shape[0] != rows))
            *fault = SDRT_E_FORMAT;
        if (!describes || v.data) p->release(p->self, name);
    }
    pthread_mutex_unlock(&s->asking);
    return v.dtype;
}

void sdrt_weight_store_change(struct sdrt_weight_store *s, void (*fn)(void *user), void *user)
{
    pthread_mutex_lock(&s->asking);
    fn(user);
    pthread_mutex_unlock(&s->asking);
}

void sdrt_store_close(struct sdrt_weight_store *s, const char *name)
{
    pthread_mutex_lock(&s->asking);
    s->provider.release(s->provider.self, name);
    pthread_mutex_unlock(&s->asking);
}

int sdrt_store_open(struct sdrt_weight_store *s, const char *name, int64_t rows, int64_t rest,
                    struct sdrt_weight_view *v)
{
    const struct sdrt_weights_provider *p = &s->provider;
    const int64_t shape[2] = { rows, rest };
    const int rank = rest == 1 ? 1 : 2;

    pthread_mutex_lock(&s->asking);
    const int status = (p->describe ? p->describe : p->get)(p->self, name, rank, shape, v);
    pthread_mutex_unlock(&s->asking);
    if (status == SDRT_E_MISSING)
        return sdrt_fail(s->log, status, "the checkpoint lacks tensor %s", name);
    if (status != SDRT_OK) return status;
    const int whole = rest % sdrt_dtype_block(v->dtype).values == 0;
    if (whole && sdrt_weight_elements(v) == (size_t)(rows * rest) &&
        (!v->rank || v->shape[0] == rows))
        return SDRT_OK;
    if (v->data) sdrt_store_close(s, name);
    if (!whole)
        return sdrt_fail(s->log, SDRT_E_UNSUPPORTED,
                         "tensor %s: rows of %lld values are no whole blocks of %s", name,
                         (long long)rest, sdrt_dtype_name(v->dtype));
    return sdrt_fail(s->log, SDRT_E_FORMAT, "tensor %s: expected %lld x %lld values", name,
                     (long long)rows, (long long)rest);
}

int sdrt_store_fetch(struct sdrt_weight_store *s, const char *name, int64_t rows, int64_t rest,
                     struct sdrt_weight_view *v)
{
    const struct sdrt_weights_provider *p = &s->provider;
    const int64_t shape[2] = { rows, rest };
    int status = sdrt_store_open(s, name, rows, rest, v);

    if (status != SDRT_OK) return status;
    if (!v->data) {
        pthread_mutex_lock(&s->asking);
        status = p->get(p->self, name, rest == 1 ? 1 : 2, shape, v);
        pthread_mutex_unlock(&s->asking);
    }
    if (status != SDRT_OK) return status;
    status = sdrt_weight_check_finite(v, name, s->log);
    if (status != SDRT_OK) sdrt_store_close(s, name);
    return status;
}
