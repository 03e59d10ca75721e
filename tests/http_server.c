/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tests/http_server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(sizeof(pthread_t) <= sizeof(unsigned long), "a thread fits its field");

/* Guards what the test and its servers' threads share. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Sends all of it; 0 when the client is gone. */
static int send_all(int client, const void *data, size_t size)
{
    const char *from = data;

    while (size) {
        const ssize_t n = send(client, from, size, MSG_NOSIGNAL);
        if (n <= 0) return 0;
        from += n;
        size -= (size_t)n;
    }
    return 1;
}

/* The value of a header, up to the end of its line. */
static void header_value(char *out, size_t room, const char *text, const char *name)
{
    char pattern[64];

    snprintf(pattern, sizeof pattern, "\r\n%s: ", name);
    const char *found = strcasestr(text, pattern);
    out[0] = 0;
    if (!found) return;
    found += strlen(pattern);
    snprintf(out, room, "%.*s", (int)strcspn(found, "\r"), found);
}

/* Reads up to the empty line; 0 when the client says less. */
static int read_request(int client, struct http_request *request)
{
    char text[4096];
    size_t used = 0;

    text[0] = 0;
    while (!strstr(text, "\r\n\r\n")) {
        const ssize_t n = recv(client, text + used, sizeof text - 1 - used, 0);
        if (n <= 0) return 0;
        used += (size_t)n;
        text[used] = 0;
    }
    if (sscanf(text, "GET %511s HTTP/1.1", request->path) != 1) return 0;
    header_value(request->range, sizeof request->range, text, "Range");
    header_value(request->if_range, sizeof request->if_range, text, "If-Range");
    header_value(request->authorization, sizeof request->authorization, text, "Authorization");
    header_value(request->agent, sizeof request->agent, text, "User-Agent");
    return 1;
}

static void send_body(const struct http_file *file, const struct http_step *step, int client,
                      size_t start)
{
    size_t n = file->size - start;

    if ((step->cut_after || step->stall) && step->cut_after < n) n = step->cut_after;
    if (step->damage && n) {
        unsigned char other = file->data[start] ^ 1;
        if (!send_all(client, &other, 1)) return;
        start++;
        n--;
    }
    if (!send_all(client, file->data + start, n)) return;
    char byte;
    if (step->stall) recv(client, &byte, 1, 0);
}

/* An answer that is no file. */
static void send_status(const struct http_step *step, int client, int status, const char *range)
{
    char head[1024];
    const int n = snprintf(head, sizeof head,
                           "HTTP/1.1 %d Status\r\nConnection: close\r\nContent-Length: 3\r\n"
                           "%s%s%s%s%s\r\nno\n",
                           status, step->location ? "Location: " : "",
                           step->location ? step->location : "", step->location ? "\r\n" : "",
                           step->headers ? step->headers : "", range);

    send_all(client, head, (size_t)n);
}

static void send_file(const struct http_file *file, const struct http_step *step, int client,
                      const struct http_request *request)
{
    const char *etag = step->etag ? step->etag : file->etag;
    const int same = !request->if_range[0] || strcmp(request->if_range, etag) == 0;
    char head[1024], length[64] = "", range[96] = "";
    size_t start = 0;

    if (!step->ignore_range && (same || step->ignore_if_range))
        sscanf(request->range, "bytes=%zu-", &start);
    if (start && start >= file->size) {
        snprintf(range, sizeof range, "Content-Range: bytes */%zu\r\n", file->size);
        send_status(step, client, 416, range);
        return;
    }
    if (!step->no_length)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n",
                 step->claim ? step->claim : file->size - start);
    if (start)
        snprintf(range, sizeof range, "Content-Range: bytes %zu-%zu/%zu\r\n", start, file->size - 1,
                 file->size);
    const int n = snprintf(head, sizeof head,
                           "HTTP/1.1 %s\r\nConnection: close\r\nETag: %s\r\n%s%s%s\r\n",
                           start ? "206 Partial Content" : "200 OK", etag, length, range,
                           step->headers ? step->headers : "");
    if (send_all(client, head, (size_t)n)) send_body(file, step, client, start);
}

static void answer(struct http_server *server, int client)
{
    struct http_request request;
    struct http_step step;
    struct http_file file;

    if (!read_request(client, &request)) return;
    memset(&step, 0, sizeof step);
    pthread_mutex_lock(&lock);
    int i = server->n_requests;
    if (i < HTTP_MAX_REQUESTS) server->requests[server->n_requests++] = request;
    if (i >= server->n_steps) i = server->n_steps - 1;
    if (i >= 0) step = server->steps[i];
    file = server->file;
    pthread_mutex_unlock(&lock);
    if (step.status == 1) return;
    if (step.status) send_status(&step, client, step.status, "");
    else send_file(&file, &step, client, &request);
}

static void *serve(void *user)
{
    struct http_server *server = user;
    int client;

    while ((client = accept(server->listener, NULL, NULL)) >= 0) {
        answer(server, client);
        /* Closing with unread bytes would reset the line before the last ones arrive. */
        shutdown(client, SHUT_WR);
        close(client);
    }
    return NULL;
}

void http_start(struct http_server *server)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    pthread_t thread;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(server->listener >= 0);
    cr_assert(bind(server->listener, (struct sockaddr *)&address, size) == 0);
    cr_assert(listen(server->listener, 16) == 0);
    cr_assert(getsockname(server->listener, (struct sockaddr *)&address, &size) == 0);
    server->port = ntohs(address.sin_port);
    cr_assert(pthread_create(&thread, NULL, serve, server) == 0);
    server->thread = (unsigned long)thread;
}

void http_stop(struct http_server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join((pthread_t)server->thread, NULL);
    close(server->listener);
}

void http_plan(struct http_server *server, const struct http_step *steps, int n)
{
    cr_assert(n <= HTTP_MAX_STEPS);
    pthread_mutex_lock(&lock);
    if (n) memcpy(server->steps, steps, (size_t)n * sizeof *steps);
    server->n_steps = n;
    server->n_requests = 0;
    pthread_mutex_unlock(&lock);
}

void http_replace(struct http_server *server, struct http_file file)
{
    pthread_mutex_lock(&lock);
    server->file = file;
    pthread_mutex_unlock(&lock);
}

int http_count(struct http_server *server)
{
    pthread_mutex_lock(&lock);
    const int n = server->n_requests;
    pthread_mutex_unlock(&lock);
    return n;
}

struct http_request http_request(struct http_server *server, int i)
{
    pthread_mutex_lock(&lock);
    cr_assert(i < server->n_requests, "only %d requests came", server->n_requests);
    const struct http_request request = server->requests[i];
    pthread_mutex_unlock(&lock);
    return request;
}
