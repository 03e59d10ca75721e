/* SPDX-License-Identifier: MIT */
#include "runtime/files/pickle.h"

#include "runtime/files/pickle_ops.h"

#include <stdlib.h>
#include <string.h>

/* Values that are there from the beginning. */
enum { NONE, TRUE_, FALSE_, EMPTY, MARK, FIRST };

/* The stack is a chain of cells, so that what a container takes from it is already its list. */
struct machine {
    struct sdrt_pickle *p;
    struct sdrt_pickle_ops ops;
    size_t opcode;  /* where the one that is worked on begins */
    uint32_t *memo; /* value + 1; 0: nothing was put there */
    uint32_t places, filled, top;
};

struct chain {
    uint32_t first, last, length;
};

static int damaged(const struct machine *m, const char *why)
{
    return sdrt_fail(m->ops.log, SDRT_E_FORMAT, "%s: damaged pickle: %s (byte %zu)", m->ops.path,
                     why, m->opcode);
}

static int empty_stack(const struct machine *m)
{
    return damaged(m, "takes more from its stack than is there");
}

int sdrt_pickle_spend(size_t *budget, size_t bytes, const char *path, const struct sdrt_log *log)
{
    if (bytes > *budget)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: its pickle would take %zu bytes of memory, which is more than such a "
                         "file can need",
                         path, bytes);
    *budget -= bytes;
    return SDRT_OK;
}

/* ---- the stack ---- */

static uint32_t new_value(struct machine *m, struct sdrt_pickle_value value)
{
    m->p->values[m->p->n_values] = value;
    return m->p->n_values++;
}

static int push(struct machine *m, uint32_t value)
{
    m->p->cells[m->p->n_cells] = (struct sdrt_pickle_cell){ value, m->top };
    m->top = m->p->n_cells++;
    return SDRT_OK;
}

static int push_new(struct machine *m, struct sdrt_pickle_value value)
{
    return push(m, new_value(m, value));
}

/* Takes the value on top; 0 when there is none. */
static int pop(struct machine *m, uint32_t *value)
{
    if (!m->top || m->p->cells[m->top].value == MARK) return 0;
    *value = m->p->cells[m->top].value;
    m->top = m->p->cells[m->top].next;
    return 1;
}

/* Takes n values from the top, or with n < 0 all above the mark and the mark, into *out in the
 * order in which they were pushed; 0 when they are not there. */
static int take(struct machine *m, int n, struct chain *out)
{
    struct sdrt_pickle_cell *const cells = m->p->cells;
    const int to_mark = n < 0;
    uint32_t cell = m->top;

    *out = (struct chain){ 0 };
    while (cell && cells[cell].value != MARK && (to_mark || n-- > 0)) {
        const uint32_t below = cells[cell].next;
        cells[cell].next = out->first;
        out->first = cell;
        if (!out->last) out->last = cell;
        out->length++;
        cell = below;
    }
    if (to_mark ? !cell : n > 0) return 0;
    m->top = to_mark ? cells[cell].next : cell;
    return 1;
}

/* ---- containers ---- */

static void append(struct machine *m, uint32_t container, const struct chain *more)
{
    struct sdrt_pickle_value *v = &m->p->values[container];

    if (!more->first) return;
    if (v->a) m->p->cells[v->last].next = more->first;
    else v->a = more->first;
    v->last = more->last;
}

/* Makes a container of what is above the mark, or of the n values on top. */
static int collect(struct machine *m, enum sdrt_pickle_kind kind, int n)
{
    struct chain chain;

    if (!take(m, n, &chain)) return empty_stack(m);
    if (kind == PICKLE_IS_DICT && chain.length % 2) return damaged(m, "a key without a value");
    const uint32_t value = new_value(m, (struct sdrt_pickle_value){ .kind = kind });
    append(m, value, &chain);
    return push(m, value);
}

/* Adds what is above the mark, or the n values on top, to the container below.  What an object of
 * a class is filled with does not matter here. */
static int add(struct machine *m, enum sdrt_pickle_kind kind, int n)
{
    struct chain chain;

    if (!take(m, n, &chain) || !m->top || m->p->cells[m->top].value == MARK) return empty_stack(m);
    const uint32_t to = m->p->cells[m->top].value;
    const uint32_t is = m->p->values[to].kind;
    if (is == PICKLE_IS_CALL && m->p->values[m->p->values[to].a].a != PICKLE_MAPPING)
        return SDRT_OK;
    if (is != kind || to < FIRST) return damaged(m, "fills what is no such container");
    if (kind == PICKLE_IS_DICT && chain.length % 2) return damaged(m, "a key without a value");
    append(m, to, &chain);
    return SDRT_OK;
}

/* ---- names of Python ---- */

static int push_global(struct machine *m, const char *module, size_t module_size, const char *name,
                       size_t name_size)
{
    struct sdrt_pickle_value v = { .kind = PICKLE_IS_GLOBAL };
    uint32_t type;

    v.a = sdrt_pickle_global_find(module, module_size, name, name_size, &type);
    v.type = type;
    if (v.a == PICKLE_UNKNOWN)
        return sdrt_fail(m->ops.log, SDRT_E_UNSUPPORTED,
                         "%s: its pickle asks for %.*s.%.*s of Python, which no weights need: "
                         "nothing of it was run",
                         m->ops.path, (int)(module_size < 100 ? module_size : 100), module,
                         (int)(name_size < 100 ? name_size : 100), name);
    return push_new(m, v);
}

static int stack_global(struct machine *m)
{
    uint32_t module, name;

    if (!pop(m, &name) || !pop(m, &module)) return empty_stack(m);
    const struct sdrt_pickle_value *a = &m->p->values[module], *b = &m->p->values[name];
    if (a->kind != PICKLE_IS_TEXT || b->kind != PICKLE_IS_TEXT)
        return damaged(m, "a global's name that is no text");
    return push_global(m, a->text, a->a, b->text, b->a);
}

/* Python 2 calls a mapping with the list of its pairs, others are called empty and filled. */
static int has_pairs(const struct sdrt_pickle *p, uint32_t arguments)
{
    uint32_t first;

    return sdrt_pickle_items(p, arguments, &first, 1) >= 1 &&
           p->values[first].kind == PICKLE_IS_LIST;
}

/* Calls callee, a value, with arguments, a LIST: only writes down that it was. */
static int call(struct machine *m, uint32_t callee, uint32_t arguments)
{
    const struct sdrt_pickle_value *f = &m->p->values[callee];

    if (f->kind != PICKLE_IS_GLOBAL) return damaged(m, "calls what is no global");
    if (m->p->values[arguments].kind != PICKLE_IS_LIST)
        return damaged(m, "calls with arguments that are no tuple");
    if (f->a == PICKLE_MAPPING && !has_pairs(m->p, arguments))
        return push_new(m, (struct sdrt_pickle_value){ .kind = PICKLE_IS_DICT });
    struct sdrt_pickle_value v = { .kind = PICKLE_IS_CALL, .a = callee };
    v.arguments = arguments;
    v.state = NONE;
    return push_new(m, v);
}

static int reduce(struct machine *m, unsigned char code)
{
    uint32_t callee, arguments, named;

    if (code == PICKLE_NEWOBJ_EX && !pop(m, &named)) return empty_stack(m);
    if (!pop(m, &arguments) || !pop(m, &callee)) return empty_stack(m);
    return call(m, callee, arguments);
}

/* INST has its class behind the opcode, OBJ first among what is above the mark. */
static int instance(struct machine *m, const struct sdrt_pickle_op *op)
{
    uint32_t arguments, callee;
    int status;

    if (op->code == PICKLE_INST) {
        status = push_global(m, op->text, op->size, op->more, op->more_size);
        if (status != SDRT_OK || !pop(m, &callee)) return status;
        status = collect(m, PICKLE_IS_LIST, -1);
        if (status != SDRT_OK || !pop(m, &arguments)) return status;
        return call(m, callee, arguments);
    }
    status = collect(m, PICKLE_IS_LIST, -1);
    if (status != SDRT_OK || !pop(m, &arguments)) return status;
    struct sdrt_pickle_value *list = &m->p->values[arguments];
    if (!list->a) return empty_stack(m);
    callee = m->p->cells[list->a].value;
    list->a = m->p->cells[list->a].next;
    return call(m, callee, arguments);
}

static int build(struct machine *m)
{
    uint32_t state, object;

    if (!pop(m, &state) || !pop(m, &object)) return empty_stack(m);
    if (m->p->values[object].kind == PICKLE_IS_CALL) m->p->values[object].state = state;
    else if (m->p->values[object].kind != PICKLE_IS_DICT)
        return damaged(m, "gives a state to what has none");
    return push(m, object);
}

static int persistent(struct machine *m)
{
    struct sdrt_pickle_value v = { .kind = PICKLE_IS_STORAGE };
    uint32_t id;

    if (!pop(m, &id)) return empty_stack(m);
    v.arguments = id;
    v.state = NONE;
    return push_new(m, v);
}

/* ---- the memo ---- */

static int put(struct machine *m, uint64_t place)
{
    if (!m->top || m->p->cells[m->top].value == MARK) return empty_stack(m);
    /* Picklers count their places, from 0 or from 1. */
    if (place >= m->places)
        return damaged(m, "a place of the memo beyond the number of its values");
    m->filled += !m->memo[place];
    m->memo[place] = m->p->cells[m->top].value + 1;
    return SDRT_OK;
}

static int get(struct machine *m, uint64_t place)
{
    if (place >= m->places || !m->memo[place]) return damaged(m, "an empty place of the memo");
    return push(m, m->memo[place] - 1);
}

/* ---- opcodes ---- */

static int push_text(struct machine *m, enum sdrt_pickle_kind kind, const char *text, size_t size)
{
    return push_new(m,
                    (struct sdrt_pickle_value){ .kind = kind, .a = (uint32_t)size, .text = text });
}

static int push_int(struct machine *m, int64_t number)
{
    return push_new(m, (struct sdrt_pickle_value){ .kind = PICKLE_IS_INT, .number = number });
}

/* Two's complement, the lowest byte first. */
static int push_long(struct machine *m, const struct sdrt_pickle_op *op)
{
    uint64_t number = 0;

    if (op->size > sizeof number) return push_text(m, PICKLE_IS_BYTES, op->text, op->size);
    if (op->size && (op->text[op->size - 1] & 0x80)) number = UINT64_MAX;
    memcpy(&number, op->text, op->size);
    return push_int(m, (int64_t)number);
}

/* A line with a number, a bool ("01", "00") among them, or with a text in quotes. */
static int push_line(struct machine *m, const struct sdrt_pickle_op *op)
{
    const char *text = op->text;
    size_t size = op->size;
    char digits[24] = "", *end;

    if (op->code == PICKLE_STRING) {
        if (size < 2 || (*text != '\'' && *text != '"') || text[size - 1] != *text)
            return damaged(m, "a text without quotes");
        text++;
        size -= 2;
    }
    if (op->code == PICKLE_STRING || op->code == PICKLE_UNICODE) {
        const int plain = size <= UINT32_MAX && !memchr(text, '\\', size);
        return push_text(m, plain ? PICKLE_IS_TEXT : PICKLE_IS_OTHER, text, size);
    }
    if (op->code == PICKLE_INT && size == 2 && *text == '0')
        return push(m, text[1] == '1' ? TRUE_ : FALSE_);
    if (op->code == PICKLE_LONG && size && text[size - 1] == 'L') size--;
    if (op->code == PICKLE_FLOAT || size > 18)
        return push_new(m, (struct sdrt_pickle_value){ .kind = PICKLE_IS_OTHER });
    memcpy(digits, text, size);
    const long long number = strtoll(digits, &end, 10);
    if (!size || *end) return damaged(m, "a number that is none");
    return push_int(m, number);
}

static int push_constant(struct machine *m, unsigned char code)
{
    switch (code) {
    case PICKLE_NONE: return push(m, NONE);
    case PICKLE_NEWTRUE: return push(m, TRUE_);
    case PICKLE_NEWFALSE: return push(m, FALSE_);
    case PICKLE_EMPTY_TUPLE: return push(m, EMPTY);
    case PICKLE_MARK: return push(m, MARK);
    case PICKLE_EMPTY_DICT:
        return push_new(m, (struct sdrt_pickle_value){ .kind = PICKLE_IS_DICT });
    default: return push_new(m, (struct sdrt_pickle_value){ .kind = PICKLE_IS_LIST });
    }
}

static int drop(struct machine *m, int to_mark)
{
    struct chain chain;

    if (!to_mark && m->top && m->p->cells[m->top].value == MARK) to_mark = 1;
    return take(m, to_mark ? -1 : 1, &chain) ? SDRT_OK : empty_stack(m);
}

/* What is a value by itself. */
static int push_literal(struct machine *m, const struct sdrt_pickle_op *op)
{
    switch (op->code) {
    case PICKLE_BININT:
    case PICKLE_BININT1:
    case PICKLE_BININT2: return push_int(m, (int64_t)op->number);
    case PICKLE_LONG1:
    case PICKLE_LONG4: return push_long(m, op);
    case PICKLE_BINFLOAT: return push_new(m, (struct sdrt_pickle_value){ .kind = PICKLE_IS_OTHER });
    case PICKLE_FLOAT:
    case PICKLE_INT:
    case PICKLE_LONG:
    case PICKLE_STRING:
    case PICKLE_UNICODE: return push_line(m, op);
    case PICKLE_BINSTRING:
    case PICKLE_SHORT_BINSTRING:
    case PICKLE_BINUNICODE:
    case PICKLE_SHORT_BINUNICODE:
    case PICKLE_BINUNICODE8: return push_text(m, PICKLE_IS_TEXT, op->text, op->size);
    case PICKLE_BINBYTES:
    case PICKLE_SHORT_BINBYTES:
    case PICKLE_BINBYTES8:
    case PICKLE_BYTEARRAY8: return push_text(m, PICKLE_IS_BYTES, op->text, op->size);
    default: return push_constant(m, op->code);
    }
}

/* What works on the stack, the memo or nothing; the rest is literals. */
static int step_plain(struct machine *m, const struct sdrt_pickle_op *op)
{
    switch (op->code) {
    case PICKLE_PROTO: return op->number <= 5 ? SDRT_OK : damaged(m, "a protocol beyond the fifth");
    case PICKLE_STOP:
    case PICKLE_FRAME: return SDRT_OK;
    case PICKLE_PUT:
    case PICKLE_BINPUT:
    case PICKLE_LONG_BINPUT: return put(m, op->number);
    case PICKLE_MEMOIZE: return put(m, m->filled);
    case PICKLE_GET:
    case PICKLE_BINGET:
    case PICKLE_LONG_BINGET: return get(m, op->number);
    case PICKLE_DUP:
        if (!m->top || m->p->cells[m->top].value == MARK) return empty_stack(m);
        return push(m, m->p->cells[m->top].value);
    case PICKLE_POP:
    case PICKLE_POP_MARK: return drop(m, op->code == PICKLE_POP_MARK);
    default: return push_literal(m, op);
    }
}

/* What makes a value of others. */
static int step(struct machine *m, const struct sdrt_pickle_op *op)
{
    switch (op->code) {
    case PICKLE_TUPLE:
    case PICKLE_LIST:
    case PICKLE_FROZENSET: return collect(m, PICKLE_IS_LIST, -1);
    case PICKLE_TUPLE1:
    case PICKLE_TUPLE2:
    case PICKLE_TUPLE3: return collect(m, PICKLE_IS_LIST, op->code - PICKLE_TUPLE1 + 1);
    case PICKLE_DICT: return collect(m, PICKLE_IS_DICT, -1);
    case PICKLE_APPEND: return add(m, PICKLE_IS_LIST, 1);
    case PICKLE_APPENDS:
    case PICKLE_ADDITEMS: return add(m, PICKLE_IS_LIST, -1);
    case PICKLE_SETITEM: return add(m, PICKLE_IS_DICT, 2);
    case PICKLE_SETITEMS: return add(m, PICKLE_IS_DICT, -1);
    case PICKLE_GLOBAL: return push_global(m, op->text, op->size, op->more, op->more_size);
    case PICKLE_STACK_GLOBAL: return stack_global(m);
    case PICKLE_REDUCE:
    case PICKLE_NEWOBJ:
    case PICKLE_NEWOBJ_EX: return reduce(m, op->code);
    case PICKLE_INST:
    case PICKLE_OBJ: return instance(m, op);
    case PICKLE_BUILD: return build(m);
    case PICKLE_BINPERSID: return persistent(m);
    default: return step_plain(m, op);
    }
}

static int run(struct machine *m)
{
    struct sdrt_pickle_op op;
    int status;

    do {
        m->opcode = m->ops.at;
        status = sdrt_pickle_op_next(&m->ops, &op);
        if (status == SDRT_OK) status = step(m, &op);
    } while (status == SDRT_OK && op.code != PICKLE_STOP);
    if (status != SDRT_OK) return status;
    m->p->end = m->ops.at;
    return pop(m, &m->p->root) ? SDRT_OK : empty_stack(m);
}

/* An opcode makes one value and one cell, but for those that it counts as more. */
static int reserve(struct machine *m, size_t *budget)
{
    struct sdrt_pickle *p = m->p;
    struct sdrt_pickle_counts n;
    int status = sdrt_pickle_count(&m->ops, &n);

    if (status != SDRT_OK) return status;
    const size_t values = FIRST + n.values, cells = 1 + n.values, places = n.puts + 2;
    if (values > UINT32_MAX)
        return sdrt_fail(m->ops.log, SDRT_E_UNSUPPORTED,
                         "%s: its pickle has %zu values, %u are "
                         "possible",
                         m->ops.path, values, UINT32_MAX);
    status = sdrt_pickle_spend(budget,
                               values * sizeof *p->values + cells * sizeof *p->cells +
                                   places * sizeof *m->memo,
                               m->ops.path, m->ops.log);
    if (status != SDRT_OK) return status;
    p->values = malloc(values * sizeof *p->values);
    p->cells = malloc(cells * sizeof *p->cells);
    m->memo = calloc(places, sizeof *m->memo);
    if (!p->values || !p->cells || !m->memo)
        return sdrt_fail(m->ops.log, SDRT_E_NOMEM, "%s: no memory for its pickle", m->ops.path);
    m->places = (uint32_t)places;
    p->n_cells = 1;
    p->cells[0] = (struct sdrt_pickle_cell){ 0 };
    new_value(m, (struct sdrt_pickle_value){ .kind = PICKLE_IS_NONE });
    new_value(m, (struct sdrt_pickle_value){ .kind = PICKLE_IS_BOOL, .number = 1 });
    new_value(m, (struct sdrt_pickle_value){ .kind = PICKLE_IS_BOOL });
    new_value(m, (struct sdrt_pickle_value){ .kind = PICKLE_IS_LIST });
    new_value(m, (struct sdrt_pickle_value){ .kind = PICKLE_IS_MARK });
    return SDRT_OK;
}

int sdrt_pickle_read(struct sdrt_pickle *out, const struct sdrt_pickle_bytes *b, size_t at,
                     size_t *budget, const struct sdrt_log *log)
{
    struct machine m = { .p = out,
                         .ops = { .bytes = b->at,
                                  .path = b->path,
                                  .pages = b->pages,
                                  .size = b->size,
                                  .at = at,
                                  .log = log } };

    *out = (struct sdrt_pickle){ 0 };
    int status = reserve(&m, budget);
    if (status == SDRT_OK) status = run(&m);
    free(m.memo);
    if (status != SDRT_OK) sdrt_pickle_free(out);
    return status;
}

void sdrt_pickle_free(struct sdrt_pickle *pickle)
{
    free(pickle->values);
    free(pickle->cells);
    *pickle = (struct sdrt_pickle){ 0 };
}

int sdrt_pickle_items(const struct sdrt_pickle *p, uint32_t list, uint32_t *items, int most)
{
    int n = 0;

    if (p->values[list].kind != PICKLE_IS_LIST) return 0;
    for (uint32_t c = p->values[list].a; c && n <= most; c = p->cells[c].next, n++)
        if (n < most) items[n] = p->cells[c].value;
    return n;
}

int sdrt_pickle_is(const struct sdrt_pickle *p, uint32_t value, const char *text)
{
    const struct sdrt_pickle_value *v = &p->values[value];

    return v->kind == PICKLE_IS_TEXT && v->a == strlen(text) && !memcmp(v->text, text, v->a);
}
