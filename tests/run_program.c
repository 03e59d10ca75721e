/* SPDX-License-Identifier: MIT */
#include "tests/run_program.h"

#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NO_START = 99 };

struct ended ended;

/* In the child of a process with threads, which may call little. */
static _Noreturn void become(const char *error, unsigned long file_limit, char *const *arguments,
                             char *const *environment)
{
    const struct rlimit limit = { file_limit, file_limit };
    const int fd = open(error, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0) _exit(NO_START);
    if (file_limit && setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(NO_START);
    execve(arguments[0], arguments, environment);
    _exit(NO_START);
}

pid_t program_start(const char *token, unsigned long file_limit, char *const *arguments)
{
    const char *error = temp_path("stderr");
    char variable[128], path[] = "PATH=/usr/bin:/bin";
    char *environment[] = { path, NULL, NULL };

    snprintf(variable, sizeof variable, "HF_TOKEN=%s", token ? token : "");
    if (token) environment[1] = variable;
    const pid_t child = fork();
    cr_assert(child >= 0);
    if (!child) become(error, file_limit, arguments, environment);
    return child;
}

void program_finish(pid_t child)
{
    size_t size;
    int status;

    cr_assert_eq(waitpid(child, &status, 0), child);
    ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    char *text = temp_read(temp_path("stderr"), &size);
    snprintf(ended.text, sizeof ended.text, "%s", text);
    free(text);
    unlink(temp_path("stderr"));
    ended.lines = 0;
    for (const char *c = ended.text; *c; c++) ended.lines += *c == '\n';
    cr_assert_neq(ended.status, NO_START, "the program does not start");
}
