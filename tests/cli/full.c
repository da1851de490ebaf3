/* A disk that is full after FULL_AFTER more bytes: what makes a file longer takes from them, what makes one shorter or
   removes it gives back. Counts regular files only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static long long left;
static int is_known;

static int takes(long long bytes) {
    int fits;
    pthread_mutex_lock(&guard);
    if (!is_known) {
        const char *after = getenv("FULL_AFTER");
        left = after ? atoll(after) : 1LL << 60;
        is_known = 1;
    }
    fits = bytes <= 0 || bytes <= left;
    if (fits) left -= bytes;
    pthread_mutex_unlock(&guard);
    return fits;
}

/* Asks for room for a file that will reach to `end`. */
static int grows(int fd, long long end) {
    struct stat about;
    if (fd <= 2 || fstat(fd, &about) || !S_ISREG(about.st_mode)) return 1;
    return end <= about.st_size || takes(end - about.st_size);
}

#define REAL(kind, name, parameters)              \
    static kind(*real) parameters;                \
    if (!real) real = (kind(*) parameters)dlsym(RTLD_NEXT, #name)

#define FULL           \
    do {               \
        errno = ENOSPC; \
        return -1;     \
    } while (0)

ssize_t pwrite(int fd, const void *buf, size_t n, off_t at) {
    REAL(ssize_t, pwrite, (int, const void *, size_t, off_t));
    if (!grows(fd, (long long)at + (long long)n)) FULL;
    return real(fd, buf, n, at);
}

ssize_t pwrite64(int fd, const void *buf, size_t n, off64_t at) {
    REAL(ssize_t, pwrite64, (int, const void *, size_t, off64_t));
    if (!grows(fd, (long long)at + (long long)n)) FULL;
    return real(fd, buf, n, at);
}

ssize_t write(int fd, const void *buf, size_t n) {
    REAL(ssize_t, write, (int, const void *, size_t));
    off_t at = fd > 2 ? lseek(fd, 0, SEEK_CUR) : -1;
    if (at >= 0 && !grows(fd, (long long)at + (long long)n)) FULL;
    return real(fd, buf, n);
}

int posix_fallocate(int fd, off_t at, off_t n) {
    REAL(int, posix_fallocate, (int, off_t, off_t));
    return grows(fd, (long long)at + (long long)n) ? real(fd, at, n) : ENOSPC;
}

static int shortens(int fd, long long length) {
    struct stat about;
    if (!fstat(fd, &about) && S_ISREG(about.st_mode) && length < about.st_size) takes(length - about.st_size);
    return 1;
}

int ftruncate(int fd, off_t length) {
    REAL(int, ftruncate, (int, off_t));
    shortens(fd, length);
    return real(fd, length);
}

int ftruncate64(int fd, off64_t length) {
    REAL(int, ftruncate64, (int, off64_t));
    shortens(fd, length);
    return real(fd, length);
}

int unlink(const char *path) {
    REAL(int, unlink, (const char *));
    struct stat about;
    int is_file = !lstat(path, &about) && S_ISREG(about.st_mode);
    int done = real(path);
    if (is_file && !done) takes(-(long long)about.st_size);
    return done;
}
