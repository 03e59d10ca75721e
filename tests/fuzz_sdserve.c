/* SPDX-License-Identifier: MIT
 *
 * Two seconds of damaged requests through libmicrohttpd and all of sdserve's routes, in one thread and without
 * a network; a queue that takes nothing stands where drawing would begin.  From a seed that is fixed unless
 * the first argument gives another; with a second argument, the request in the file of that name once, for a
 * fuzzer that brings its own.  Nothing may crash, leak or take much memory, what is answered must be HTTP, a server's error
 * only that it takes no more, and JSON that parses where JSON is promised.  Best run under the sanitizers.
 * After an empty second argument, a third is how many seconds it runs.
 *
 * With -DSDRT_LIBFUZZER (and clang's -fsanitize=fuzzer) it is a target of libFuzzer's.
 */
#include <config.h>

#include "runtime/files/picture_file.h"
#include "runtime/files/read_file.h"
#include "tests/fuzz.h"
#include "tools/sdserve/base64.h"
#include "tools/sdserve/http.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__
enum { MOST_KIB = 1 << 20 }; /* what is freed stays for a while */
#else
enum { MOST_KIB = 1 << 18 };
#endif
enum { ROOM = 1 << 16, MORE = 4096 /* that damage may add */, SIDE = 8, MOST_ANSWER = 1 << 20 };

static struct server server;
static struct MHD_Daemon *daemon_of;
static char job_id[JOB_ID];

/* ---- a server without a port ---- */

static void count_end(void *user, struct MHD_Connection *connection, void **state,
                      enum MHD_RequestTerminationCode how)
{
    http_completed(user, connection, state, how);
}

static void silent(void *user, const char *format, va_list list)
{
    (void)user, (void)format, (void)list;
}

static const char *asked = "", *answered = "";
static size_t asked_size;

/* Ends the program, with the request where it can be had again. */
static void must(int good, const char *what)
{
    if (good) return;
    fprintf(stderr, "fuzz_sdserve: %s: %.400s\n", what, answered);
    FILE *f = asked_size ? fopen("fuzz_sdserve.request", "wb") : NULL;
    if (f) {
        fwrite(asked, 1, asked_size, f);
        fclose(f);
    }
    abort();
}

/* One job is there, cancelled before it was drawn; then the queue takes none. */
static void make_queue(void)
{
    struct job *job;

    server.queue = queue_make(4, 4);
    must(server.queue && !queue_submit(server.queue, wish_make(&server.options), "", &job),
         "a job");
    memcpy(job_id, job->id, sizeof job_id);
    queue_release(server.queue, &job);
    queue_stop(server.queue);
}

static void begin(void)
{
    static char name[] = "fuzz_sdserve", model[] = "-m", path[] = ".", body[] = "--max-body",
                mib[] = "1", pixels[] = "--max-pixels", many[] = "16384";
    char *argv[] = { name, model, path, body, mib, pixels, many, NULL };

    must(serve_parse(&server.options, 7, argv, NULL) == CLI_RUN, "options");
    pthread_mutex_init(&server.lock, NULL);
    server.shelf = shelf_make(&server.options);
    must(server.shelf != NULL, "a shelf");
    make_queue();
    daemon_of = MHD_start_daemon(MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG, 0, NULL, NULL,
                                 http_request, &server, MHD_OPTION_EXTERNAL_LOGGER, silent, NULL,
                                 MHD_OPTION_NOTIFY_COMPLETED, count_end, NULL, MHD_OPTION_END);
    must(daemon_of != NULL, "a daemon");
}

static void end(void)
{
    MHD_stop_daemon(daemon_of);
    queue_free(&server.queue);
    shelf_free(&server.shelf);
    pthread_mutex_destroy(&server.lock);
}

/* ---- one connection ---- */

/* How many answers were of 100, 200 and so on; none: the connection was dropped. */
static unsigned long codes[6];

/* The body of an answer that says it is JSON does so. */
static void check_answer(const char *answer, size_t size)
{
    static const char front[] = "HTTP/1.1 ", type[] = "\r\nContent-Type: application/json\r\n";

    if (!size) codes[0]++; /* dropped */
    if (!size) return;
    must(size > sizeof front + 3 && !memcmp(answer, front, sizeof front - 1),
         "an answer that is no HTTP");
    const int code = atoi(answer + sizeof front - 1);
    must(code >= 100 && code < 600, "a code that is none");
    codes[code / 100]++;
    must(code < 500 || code == 503 || code == 505 || code == 501, "a server's error");
    const char *head = strstr(answer, "\r\n\r\n");
    const char *json = strstr(answer, type);
    if (!head || !json || json > head || code == 100) return;
    json_t *value = json_loads(head + 4, JSON_DISABLE_EOF_CHECK, NULL);
    must(value || !head[4], "JSON that does not parse");
    json_decref(value);
}

/* A request of kilobytes takes no more than a picture of the most pixels, some times over. */
static void check_memory(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    must(used.ru_maxrss < MOST_KIB, "memory");
}

/* Runs the daemon until it has closed the other end, or all that comes is there. */
static size_t talk(int line, char *answer)
{
    enum { ROUNDS = 4000 };
    size_t used = 0;

    for (int i = 0; i < ROUNDS; i++) {
        MHD_run(daemon_of);
        const ssize_t n = recv(line, answer + used, MOST_ANSWER - 1 - used, MSG_DONTWAIT);
        if (!n) break;
        if (n > 0) used += (size_t)n;
        if (used == MOST_ANSWER - 1) used = 0; /* a second answer's, which is not looked at */
    }
    answer[used] = '\0';
    return used;
}

static void ask(const char *request, size_t size)
{
    static char answer[MOST_ANSWER];
    static const struct sockaddr_in from = { .sin_family = AF_INET };
    const int room = 2 * ROOM;
    int pair[2];

    asked = request;
    asked_size = size;
    must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), "a pair of sockets");
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    must(send(pair[0], request, size, MSG_NOSIGNAL) == (ssize_t)size || !size,
         "a request that fits");
    shutdown(pair[0], SHUT_WR);
    must(MHD_add_connection(daemon_of, pair[1], (const struct sockaddr *)&from, sizeof from) ==
             MHD_YES,
         "a connection");
    const size_t n = talk(pair[0], answer);
    answered = answer;
    check_memory();
    /* Of an answer to a second request on the line only the first is looked at. */
    check_answer(answer, n);
    close(pair[0]);
    for (int i = 0; i < 4; i++) MHD_run(daemon_of);
}

/* ---- good requests ---- */

enum { FORMATS = SDRT_WEBP + 1 };

/* A picture in each format that this build has; pictures are n_pictures of them. */
static struct {
    uint8_t *bytes;
    size_t size;
    char *base64;
} pictures[FORMATS];
static uint32_t n_pictures;

static void make_pictures(void)
{
    uint8_t rgb[SIDE * SIDE * 3];

    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * 37);
    for (int f = 0; f < FORMATS; f++) {
        uint8_t *bytes = NULL;
        size_t size;
        if (sdrt_picture_encode((enum sdrt_picture_format)f, 90, &bytes, &size, "", rgb, SIDE, SIDE,
                                "a cat\nSteps: 1, Sampler: Euler a", NULL))
            continue;
        pictures[n_pictures].bytes = bytes;
        pictures[n_pictures].size = size;
        pictures[n_pictures].base64 = base64_encode("", bytes, size);
        must(pictures[n_pictures++].base64 != NULL, "a picture in base64");
    }
    must(n_pictures > 0, "a picture");
}

static const struct {
    const char *path, *body; /* %s: the picture */
} bodies[] = {
    { "/sdapi/v1/txt2img",
      "{\"prompt\":\"a (cat:1.2) [x:y:1]\",\"negative_prompt\":\"b\",\"sampler_name\":\"DPM++ 2M\","
      "\"scheduler\":\"Karras\",\"seed\":-1,\"steps\":2,\"width\":64,\"height\":64,\"cfg_scale\":7.5,"
      "\"override_settings\":{\"CLIP_stop_at_last_layers\":2,\"sd_vae\":\"None\",\"randn_source\":\"NV\"},"
      "\"alwayson_scripts\":{\"x\":{\"args\":[false]}},\"n_iter\":2,\"batch_size\":2,\"eta\":0.5}" },
    { "/sdapi/v1/txt2img",
      "{\"alwayson_scripts\":{\"controlnet\":{\"args\":[{\"image\":\"%s\",\"model\":\"net\",\"module\":"
      "\"canny\",\"weight\":0.5,\"guidance_end\":0.5,\"resize_mode\":1,\"control_mode\":2}]}}}" },
    { "/sdapi/v1/txt2img",
      "{\"enable_hr\":true,\"hr_scale\":1.5,\"hr_upscaler\":\"Latent\",\"hr_second_pass_steps\":3,"
      "\"denoising_strength\":0.5,\"hr_resize_x\":0,\"width\":64,\"height\":64,\"hr_prompt\":\"\"}" },
    { "/sdapi/v1/img2img",
      "{\"prompt\":\"a\",\"init_images\":[\"data:image/png;base64,%s\"],\"denoising_strength\":0.5,"
      "\"inpaint_full_res\":false,\"mask_blur\":4,\"inpainting_fill\":1,\"resize_mode\":2}" },
    { "/sdapi/v1/extra-single-image",
      "{\"image\":\"%s\",\"upscaler_1\":\"Lanczos\",\"resize_mode\":1,\"upscaling_resize_w\":16,"
      "\"upscaling_resize_h\":12,\"upscaling_crop\":true}" },
    { "/sdapi/v1/png-info", "{\"image\":\"%s\"}" },
    { "/sdapi/v1/options", "{\"CLIP_stop_at_last_layers\":1,\"sd_vae\":\"Automatic\"}" },
    { "/sdapi/v1/interrupt", "" },
    { "/v1/images/generations",
      "{\"prompt\":\"a\",\"n\":1,\"size\":\"64x64\",\"quality\":\"high\",\"stream\":true,"
      "\"partial_images\":2,\"response_format\":\"url\",\"output_format\":\"webp\"}" },
    { "/v1/jobs",
      "{\"prompt\":\"a\",\"seed\":\"18446744073709551615\",\"loras\":[{\"name\":\"x\",\"scale\":0.5}],"
      "\"format\":\"webp\",\"init\":\"%s\",\"controls\":[{\"net\":\"x\",\"image\":\"\"}],\"hires\":2}" },
};

static const char *const gets[] = {
    "/",
    "/page.js",
    "/openapi.json",
    "/health",
    "/metrics",
    "/v1/status",
    "/v1/gallery",
    "/v1/gallery/..%2f..",
    "/v1/jobs",
    "/v1/jobs/00000000000000000000000000000000/images/-1",
    "/v1/models/%00",
    "/sdapi/v1/progress?skip_current_image=false",
    "/sdapi/v1/options",
    "/sdapi/v1/samplers",
    "/sdapi/v1/sd-models",
    "/sdapi/v1/memory",
    "/controlnet/model_list",
    "/internal/ping",
};

/* A body with its head; the kind is JSON, or a form with its edge. */
static size_t with_head(char *out, const char *method, const char *path, const char *kind,
                        const char *body, size_t size)
{
    const int n =
        snprintf(out, ROOM,
                 "%s %s HTTP/1.1\r\nHost: 127.0.0.1:7860\r\nContent-Type: %s\r\n%sContent-Length: "
                 "%zu\r\nConnection: close\r\n\r\n",
                 method, path, kind, fuzz_below(4) ? "" : "X-Client-Id: a\r\n", size);

    memcpy(out + n, body, size);
    return (size_t)n + size;
}

static size_t put_form(char *out)
{
    static const char head[] =
        "--xYzZy\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na\r\n"
        "--xYzZy\r\nContent-Disposition: form-data; name=\"size\"\r\n\r\n64x64\r\n"
        "--xYzZy\r\nContent-Disposition: form-data; name=\"image\"; "
        "filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n";
    static const char tail[] = "\r\n--xYzZy--\r\n";
    char body[ROOM / 2];
    const uint32_t k = fuzz_below(n_pictures);
    size_t n = sizeof head - 1;

    memcpy(body, head, n);
    memcpy(body + n, pictures[k].bytes, pictures[k].size);
    n += pictures[k].size;
    memcpy(body + n, tail, sizeof tail - 1);
    n += sizeof tail - 1;
    return with_head(out, "POST", fuzz_below(2) ? "/v1/images/edits" : "/v1/images/variations",
                     "multipart/form-data; boundary=xYzZy", body, n);
}

static size_t put_request(char *out)
{
    enum { BODIES = sizeof bodies / sizeof *bodies, GETS = sizeof gets / sizeof *gets };
    const uint32_t i = fuzz_below(BODIES + 5);
    char body[ROOM / 2];

    if (i < BODIES) {
        const char *hole = strstr(bodies[i].body, "%s");
        const int before = hole ? (int)(hole - bodies[i].body) : (int)strlen(bodies[i].body);
        const int n = snprintf(body, sizeof body, "%.*s%s%s", before, bodies[i].body,
                               hole ? pictures[fuzz_below(n_pictures)].base64 : "",
                               hole ? hole + 2 : "");
        return with_head(out, "POST", bodies[i].path, "application/json", body, (size_t)n);
    }
    if (i < BODIES + 2) return put_form(out);
    if (i < BODIES + 3) {
        static const char *const rests[] = { "", "/events", "/images/0.png", "/images/-1", "/x" };
        snprintf(body, sizeof body, "/v1/jobs/%s%s", job_id, rests[fuzz_below(5)]);
        return with_head(out, fuzz_below(4) ? "GET" : "DELETE", body, "text/plain", "", 0);
    }
    return with_head(out, "GET", gets[fuzz_below(GETS)], "text/plain", "", 0);
}

/* ---- damage ---- */

/* The head is spared three times of four, and its length then made that of the body, so that bodies are
 * reached. */
static size_t damage(char *bytes, size_t size)
{
    char *end = memmem(bytes, size, "\r\n\r\n", 4);
    const size_t head = end ? (size_t)(end - bytes) + 4 : 0;

    if (!fuzz_below(16)) return size;
    if (!fuzz_below(4) || head == size) return fuzz_mutate(bytes, size, size + MORE);
    const size_t body = fuzz_mutate(bytes + head, size - head, size - head + MORE);
    char length[32], *at = memmem(bytes, head, "Content-Length: ", 16);
    char *stop = memmem(at, (size_t)(bytes + head - at), "\r\n", 2);
    const int n = snprintf(length, sizeof length, "Content-Length: %zu", body);
    memmove(at + n, stop, head + body - (size_t)(stop - bytes));
    memcpy(at, length, (size_t)n);
    return head + body + (size_t)n - (size_t)(stop - at);
}

#ifdef SDRT_LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!daemon_of) begin();
    if (size < ROOM) ask((const char *)data, size);
    return 0;
}
#else
static int run_file(const char *path)
{
    char *bytes = NULL;
    size_t size;

    if (sdrt_read_file(path, ROOM, &bytes, &size, NULL)) return 1;
    ask(bytes, size);
    free(bytes);
    return 0;
}

int main(int argc, char **argv)
{
    static char request[ROOM + 2 * MORE];
    const double seconds = argc > 3 ? strtod(argv[3], NULL) : 2.0, begun = sdrt_now();
    unsigned long n = 0;
    int status = 0;

    fuzz_state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    begin();
    make_pictures();
    if (argc > 2 && *argv[2]) status = run_file(argv[2]);
    else
        for (; sdrt_now() - begun < seconds; n++) {
            ask(request, damage(request, put_request(request)));
            if (n % 100000 == 99999) fprintf(stderr, "%lu\n", n + 1);
        }
    printf(
        "%lu requests of seed %s: %lu answered, %lu refused by name, %lu refused by the queue, %lu dropped\n",
        n, argc > 1 ? argv[1] : "1", codes[1] + codes[2], codes[4], codes[5], codes[0]);
    end();
    for (uint32_t i = 0; i < n_pictures; i++) {
        free(pictures[i].bytes);
        free(pictures[i].base64);
    }
    return status;
}
#endif
