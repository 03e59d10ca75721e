/* SPDX-License-Identifier: MIT */
#include "tools/fetch.h"

#include <stdio.h>
#include <string.h>

/* 401 and 403: the words depend on whether the server knows who asks. */
static int explain_refusal(const struct fetch_request *r, const struct fetch_reply *reply,
                           int token_sent)
{
    if (!r->repository)
        return sdrt_fail(r->log, SDRT_E_UNSUPPORTED, "%s: the server refuses it (%d)", r->label,
                         reply->status);
    if (strcmp(reply->error_code, "RepoNotFound") == 0)
        return sdrt_fail(r->log, SDRT_E_MISSING,
                         "%s: %s/%s is not there, or is private and needs HF_TOKEN (%d)", r->label,
                         r->hub, r->repository, reply->status);
    if (!token_sent)
        return sdrt_fail(r->log, SDRT_E_UNSUPPORTED,
                         "%s: the hub wants an account (%d): accept the licence at %s/%s, then put "
                         "a token from %s/settings/tokens into HF_TOKEN",
                         r->label, reply->status, r->hub, r->repository, r->hub);
    if (reply->status == 401)
        return sdrt_fail(r->log, SDRT_E_UNSUPPORTED,
                         "%s: the hub does not take the token in HF_TOKEN (401): expected one from "
                         "%s/settings/tokens that may read",
                         r->label, r->hub);
    return sdrt_fail(r->log, SDRT_E_UNSUPPORTED,
                     "%s: the account of HF_TOKEN may not have it (403): accept the licence at "
                     "%s/%s first",
                     r->label, r->hub, r->repository);
}

int fetch_explain(const struct fetch_request *r, const struct fetch_reply *reply, int token_sent)
{
    switch (reply->status) {
    case 401:
    case 403: return explain_refusal(r, reply, token_sent);
    case 404:
    case 410:
        if (strcmp(reply->error_code, "RevisionNotFound") == 0)
            return sdrt_fail(r->log, SDRT_E_MISSING, "%s: no such revision (%d): %s", r->label,
                             reply->status, r->url);
        return sdrt_fail(r->log, SDRT_E_MISSING, "%s: not there (%d): %s", r->label, reply->status,
                         r->url);
    case 429:
        return sdrt_fail(r->log, SDRT_E_UNSUPPORTED,
                         "%s: the server was asked too often (429); expected a later try",
                         r->label);
    default:
        return sdrt_fail(r->log, SDRT_E_IO, "%s: the server answers %d: %s", r->label,
                         reply->status, r->url);
    }
}
