/* SPDX-License-Identifier: MIT */
#include "cli/process.h"

#include "runtime/files/unfinished.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

void cli_open_standard(void)
{
    static const int modes[] = { O_RDONLY, O_RDONLY, O_WRONLY };

    /* The lowest that is free is what open() gives. */
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd) return;
}

static void (*on_first)(int number);
static const char *volatile last_line;
static volatile sig_atomic_t asked;

/* Raised within its own handler, a signal comes when that returns. */
static void on_signal(int number)
{
    const char *line = last_line;

    if (!asked && line && number != SIGQUIT) {
        const ssize_t written = write(STDERR_FILENO, line, strlen(line));
        (void)written; /* nobody is left to be told */
        sdrt_unfinished_remove();
        _exit(128 + number);
    }
    if (!asked && number != SIGQUIT) {
        asked = 1;
        on_first(number);
        return;
    }
    sdrt_unfinished_remove();
    signal(number, SIG_DFL);
    raise(number);
}

void cli_end_at_once(const char *line) { last_line = line; }

void cli_catch_signals(void (*first)(int number))
{
    static const int always[] = { SIGINT, SIGTERM, SIGXCPU },
                     unless_ignored[] = { SIGHUP, SIGQUIT };
    struct sigaction action, old;

    on_first = first;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) sigaction(always[i], &action, NULL);
    for (size_t i = 0; i < sizeof unless_ignored / sizeof *unless_ignored; i++)
        if (sigaction(unless_ignored[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(unless_ignored[i], &action, NULL);
    signal(SIGXFSZ, SIG_IGN);
}
