/* SPDX-License-Identifier: MIT */
#include "runtime/files/pickle_ops.h"

#include <stdlib.h>
#include <string.h>

/* What follows an opcode. */
enum form {
    NO_OP, /* there is no such opcode */
    PLAIN, /* nothing */
    U1,
    U2,
    U4,
    U8, /* an unsigned number of so many bytes */
    I4, /* a signed one */
    TEXT1,
    TEXT4,
    TEXT8,   /* so many bytes of length, then the text */
    SIGNED4, /* the same, the length signed */
    EIGHT,   /* 8 bytes that nobody reads */
    LINE,
    LINES,  /* one line of text, two */
    DIGITS, /* a line with the number of a memo place */
    REFUSED
};

static const unsigned char forms[256] = {
    [PICKLE_MARK] = PLAIN,
    [PICKLE_STOP] = PLAIN,
    [PICKLE_POP] = PLAIN,
    [PICKLE_POP_MARK] = PLAIN,
    [PICKLE_DUP] = PLAIN,
    [PICKLE_FLOAT] = LINE,
    [PICKLE_INT] = LINE,
    [PICKLE_BININT] = I4,
    [PICKLE_BININT1] = U1,
    [PICKLE_LONG] = LINE,
    [PICKLE_BININT2] = U2,
    [PICKLE_NONE] = PLAIN,
    [PICKLE_PERSID] = REFUSED,
    [PICKLE_BINPERSID] = PLAIN,
    [PICKLE_REDUCE] = PLAIN,
    [PICKLE_STRING] = LINE,
    [PICKLE_BINSTRING] = SIGNED4,
    [PICKLE_SHORT_BINSTRING] = TEXT1,
    [PICKLE_UNICODE] = LINE,
    [PICKLE_BINUNICODE] = TEXT4,
    [PICKLE_APPEND] = PLAIN,
    [PICKLE_BUILD] = PLAIN,
    [PICKLE_GLOBAL] = LINES,
    [PICKLE_DICT] = PLAIN,
    [PICKLE_EMPTY_DICT] = PLAIN,
    [PICKLE_APPENDS] = PLAIN,
    [PICKLE_GET] = DIGITS,
    [PICKLE_BINGET] = U1,
    [PICKLE_INST] = LINES,
    [PICKLE_LONG_BINGET] = U4,
    [PICKLE_LIST] = PLAIN,
    [PICKLE_EMPTY_LIST] = PLAIN,
    [PICKLE_OBJ] = PLAIN,
    [PICKLE_PUT] = DIGITS,
    [PICKLE_BINPUT] = U1,
    [PICKLE_LONG_BINPUT] = U4,
    [PICKLE_SETITEM] = PLAIN,
    [PICKLE_TUPLE] = PLAIN,
    [PICKLE_EMPTY_TUPLE] = PLAIN,
    [PICKLE_SETITEMS] = PLAIN,
    [PICKLE_BINFLOAT] = EIGHT,
    [PICKLE_BINBYTES] = TEXT4,
    [PICKLE_SHORT_BINBYTES] = TEXT1,
    [PICKLE_PROTO] = U1,
    [PICKLE_NEWOBJ] = PLAIN,
    [PICKLE_EXT1] = REFUSED,
    [PICKLE_EXT2] = REFUSED,
    [PICKLE_EXT4] = REFUSED,
    [PICKLE_TUPLE1] = PLAIN,
    [PICKLE_TUPLE2] = PLAIN,
    [PICKLE_TUPLE3] = PLAIN,
    [PICKLE_NEWTRUE] = PLAIN,
    [PICKLE_NEWFALSE] = PLAIN,
    [PICKLE_LONG1] = TEXT1,
    [PICKLE_LONG4] = SIGNED4,
    [PICKLE_SHORT_BINUNICODE] = TEXT1,
    [PICKLE_BINUNICODE8] = TEXT8,
    [PICKLE_BINBYTES8] = TEXT8,
    [PICKLE_EMPTY_SET] = PLAIN,
    [PICKLE_ADDITEMS] = PLAIN,
    [PICKLE_FROZENSET] = PLAIN,
    [PICKLE_NEWOBJ_EX] = PLAIN,
    [PICKLE_STACK_GLOBAL] = PLAIN,
    [PICKLE_MEMOIZE] = PLAIN,
    [PICKLE_FRAME] = U8,
    [PICKLE_BYTEARRAY8] = TEXT8,
    [PICKLE_NEXT_BUFFER] = REFUSED,
    [PICKLE_READONLY_BUFFER] = REFUSED,
};

static const struct {
    unsigned char code;
    const char *name;
} refused[] = {
    { PICKLE_PERSID, "PERSID" },
    { PICKLE_EXT1, "EXT1" },
    { PICKLE_EXT2, "EXT2" },
    { PICKLE_EXT4, "EXT4" },
    { PICKLE_NEXT_BUFFER, "NEXT_BUFFER" },
    { PICKLE_READONLY_BUFFER, "READONLY_BUFFER" },
};

static int truncated(const struct sdrt_pickle_ops *ops)
{
    return sdrt_fail(ops->log, SDRT_E_FORMAT,
                     "%s: damaged pickle: an opcode at byte %zu is cut off", ops->path, ops->at);
}

static int refuse(const struct sdrt_pickle_ops *ops, unsigned char code)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (refused[i].code == code)
            return sdrt_fail(ops->log, SDRT_E_UNSUPPORTED,
                             "%s: its pickle uses the opcode %s (byte %zu), which models do not",
                             ops->path, refused[i].name, ops->at);
    return sdrt_fail(ops->log, SDRT_E_FORMAT,
                     "%s: damaged pickle: no opcode 0x%02x is known (byte "
                     "%zu)",
                     ops->path, code, ops->at);
}

/* n bytes at at, which are there, are read; 0 when that fails. */
static int need(const struct sdrt_pickle_ops *ops, size_t at, size_t n)
{
    return !sdrt_file_pages_need(ops->pages, ops->bytes + at, n);
}

/* A little-endian number of n bytes at *at, behind which *at moves; 0 when there are fewer. */
static int take_number(const struct sdrt_pickle_ops *ops, size_t *at, size_t n, uint64_t *out)
{
    if (ops->size - *at < n || !need(ops, *at, n)) return 0;
    *out = 0;
    memcpy(out, ops->bytes + *at, n);
    *at += n;
    return 1;
}

static int take_text(const struct sdrt_pickle_ops *ops, size_t *at, size_t n, uint64_t limit,
                     struct sdrt_pickle_op *op)
{
    uint64_t length;

    if (!take_number(ops, at, n, &length) || length > limit || length > ops->size - *at ||
        !need(ops, *at, (size_t)length))
        return 0;
    op->text = ops->bytes + *at;
    op->size = (size_t)length;
    *at += op->size;
    return 1;
}

static int take_line(const struct sdrt_pickle_ops *ops, size_t *at, const char **text, size_t *size)
{
    enum { PIECE = 4096 }; /* a line is short; behind it are gigabytes of data */
    const char *from = ops->bytes + *at, *end = NULL;

    for (size_t done = 0, left; !end && (left = ops->size - *at - done) > 0; done += left) {
        if (left > PIECE) left = PIECE;
        if (!need(ops, *at + done, left)) return 0;
        end = memchr(from + done, '\n', left);
    }
    if (!end) return 0;
    *text = from;
    *size = (size_t)(end - from);
    *at += *size + 1;
    return 1;
}

/* A line of digits; 0 for anything else. */
static int take_digits(const struct sdrt_pickle_ops *ops, size_t *at, struct sdrt_pickle_op *op)
{
    if (!take_line(ops, at, &op->text, &op->size) || !op->size || op->size > 10) return 0;
    for (size_t i = 0; i < op->size; i++) {
        if (op->text[i] < '0' || op->text[i] > '9') return 0;
        op->number = op->number * 10 + (uint64_t)(op->text[i] - '0');
    }
    return 1;
}

static int take_argument(const struct sdrt_pickle_ops *ops, enum form form, size_t *at,
                         struct sdrt_pickle_op *op)
{
    switch (form) {
    case U1: return take_number(ops, at, 1, &op->number);
    case U2: return take_number(ops, at, 2, &op->number);
    case U4: return take_number(ops, at, 4, &op->number);
    case U8:
    case EIGHT: return take_number(ops, at, 8, &op->number);
    case I4:
        if (!take_number(ops, at, 4, &op->number)) return 0;
        op->number = (uint64_t)(int64_t)(int32_t)(uint32_t)op->number;
        return 1;
    case TEXT1: return take_text(ops, at, 1, UINT8_MAX, op);
    case TEXT4: return take_text(ops, at, 4, UINT32_MAX, op);
    case TEXT8: return take_text(ops, at, 8, UINT32_MAX, op);
    case SIGNED4: return take_text(ops, at, 4, INT32_MAX, op);
    case LINE: return take_line(ops, at, &op->text, &op->size);
    case LINES:
        return take_line(ops, at, &op->text, &op->size) &&
               take_line(ops, at, &op->more, &op->more_size);
    case DIGITS: return take_digits(ops, at, op);
    default: return 1;
    }
}

int sdrt_pickle_op_next(struct sdrt_pickle_ops *ops, struct sdrt_pickle_op *op)
{
    size_t at = ops->at;

    *op = (struct sdrt_pickle_op){ 0 };
    if (at >= ops->size || !need(ops, at, 1)) return truncated(ops);
    op->code = (unsigned char)ops->bytes[at++];
    const enum form form = (enum form)forms[op->code];
    if (form == NO_OP || form == REFUSED) return refuse(ops, op->code);
    if (!take_argument(ops, form, &at, op)) return truncated(ops);
    ops->at = at;
    return SDRT_OK;
}

int sdrt_pickle_count(const struct sdrt_pickle_ops *ops, struct sdrt_pickle_counts *out)
{
    struct sdrt_pickle_ops walk = *ops;
    struct sdrt_pickle_op op;

    *out = (struct sdrt_pickle_counts){ 0 };
    do {
        const int status = sdrt_pickle_op_next(&walk, &op);
        if (status != SDRT_OK) return status;
        /* An instance takes its class and its arguments as values too. */
        out->values += op.code == PICKLE_INST ? 3 : op.code == PICKLE_OBJ ? 2 : 1;
        out->puts += op.code == PICKLE_PUT || op.code == PICKLE_BINPUT ||
                     op.code == PICKLE_LONG_BINPUT || op.code == PICKLE_MEMOIZE;
    } while (op.code != PICKLE_STOP);
    return SDRT_OK;
}
