/* Ends the process before its KILL_AT-th operation that changes a file, as a power cut would; counts them otherwise. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static long left = -2;

static void step(int fd) {
    if (fd >= 0 && fd <= 2) return;
    if (left == -2) {
        const char *at = getenv("KILL_AT");
        left = at ? atol(at) : -1;
    }
    if (left > 0 && --left == 0) _exit(137);
}

#define CHANGES(kind, name, parameters, arguments, fd)          \
    kind name parameters {                                      \
        static kind(*real) parameters;                          \
        if (!real) real = (kind(*) parameters)dlsym(RTLD_NEXT, #name); \
        step(fd);                                               \
        return real arguments;                                  \
    }

CHANGES(ssize_t, pwrite, (int fd, const void *buf, size_t n, off_t at), (fd, buf, n, at), fd)
CHANGES(ssize_t, pwrite64, (int fd, const void *buf, size_t n, off64_t at), (fd, buf, n, at), fd)
CHANGES(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n), fd)
CHANGES(int, fsync, (int fd), (fd), fd)
CHANGES(int, fdatasync, (int fd), (fd), fd)
CHANGES(int, ftruncate, (int fd, off_t length), (fd, length), fd)
CHANGES(int, ftruncate64, (int fd, off64_t length), (fd, length), fd)
CHANGES(int, unlink, (const char *path), (path), -1)
CHANGES(int, rename, (const char *from, const char *to), (from, to), -1)
CHANGES(int, mkdir, (const char *path, mode_t mode), (path, mode), -1)
