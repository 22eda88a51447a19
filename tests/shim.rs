//! Faults that no file system gives on demand: system calls of the daemon that fail or hang while the file `broken` is in its directory.

use std::process::Command;

use crate::cli_env::Env;

/// Makes syncs of the write-ahead log fail.
pub const SYNC: &str = r#"
static int broken(int fd) {
    char path[4096];
    size_t n = path_of(fd, path, sizeof path);
    return n >= 4 && strcmp(path + n - 4, "-wal") == 0 && access("broken", F_OK) == 0;
}
int fdatasync(int fd) {
    if (broken(fd)) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
int fsync(int fd) {
    if (broken(fd)) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
"#;

/// Makes reads of `logs/bad.log`, whatever its name is by now, fail from an offset on; or hang, as those of a file server that is
/// gone. `broken` holds the error's number, 0 to hang, and the offset.
pub const READ: &str = r#"
static int broken(int fd, off64_t at) {
    char path[4096];
    int error = -1;
    long from = 0;
    path_of(fd, path, sizeof path);
    if (strstr(path, "/logs/bad.log") == NULL) return -1;
    FILE *file = fopen("broken", "r");
    if (file == NULL) return -1;
    int n = fscanf(file, "%d %ld", &error, &from);
    fclose(file);
    return n == 2 && at >= from ? error : -1;
}
ssize_t pread64(int fd, void *buffer, size_t n, off64_t at) {
    int error;
    while ((error = broken(fd, at + n - 1)) == 0) usleep(10000);
    if (error > 0) { errno = error; return -1; }
    return ((ssize_t (*)(int, void *, size_t, off64_t))dlsym(RTLD_NEXT, "pread64"))(fd, buffer, n, at);
}
"#;

/// Answers who asks for `receiver.test` with this host; as long as it is `broken`, with what a resolver says that reaches no server.
pub const LOOK_UP: &str = r#"
#include <netdb.h>
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    if (name != NULL && strcmp(name, "receiver.test") == 0) {
        if (access("broken", F_OK) == 0) return EAI_AGAIN;
        name = "127.0.0.1";
    }
    return ((int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))
        dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, found);
}
"#;

/// Makes the monotonic clock two minutes late while the file `late` is there.
pub const LATE: &str = r#"
#include <sys/syscall.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_MONOTONIC && access("late", F_OK) == 0) now->tv_sec -= 120;
    return done;
}
"#;

/// Writes down, in the file `journal`, what is done to the files of the directory `state`, and what is written to standard output, in
/// the order in which it happens: a byte for what it is (`C` made, `W` written, `T` cut to a length, `S` synced, `U` unlinked, `R`
/// renamed, `O` output), the length of the name (1 byte), an offset and the length of the data (8 bytes each), the name, the data.
pub const JOURNAL: &str = r#"
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/types.h>
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;
#define REAL(name, type) ((type)dlsym(RTLD_NEXT, #name))
static const char *in_state(const char *path) {
    const char *found = strstr(path, "state");
    if (found == NULL || (found != path && found[-1] != '/') || (found[5] != '/' && found[5] != 0)) return NULL;
    return found[5] == 0 ? "." : found + 6;
}
static void note(char what, const char *name, uint64_t at, const void *data, uint64_t len) {
    char head[18];
    ssize_t (*real)(int, const void *, size_t) = REAL(write, ssize_t (*)(int, const void *, size_t));
    if (journal < 0) {
        journal = REAL(open64, int (*)(const char *, int, ...))("journal", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    head[0] = what;
    head[1] = strlen(name);
    memcpy(head + 2, &at, 8);
    memcpy(head + 10, &len, 8);
    real(journal, head, sizeof head);
    real(journal, name, strlen(name));
    real(journal, data, len);
}
static void note_fd(char what, int fd, uint64_t at, const void *data, uint64_t len) {
    char path[4096];
    path_of(fd, path, sizeof path);
    const char *name = in_state(path);
    if (name != NULL) note(what, name, at, data, len);
}
#define LOCKED(type, call, noting) \
    pthread_mutex_lock(&turn); \
    type done = call; \
    int error = errno; \
    if (done >= 0) { noting; } \
    pthread_mutex_unlock(&turn); \
    errno = error; \
    return done;
static int is_output(int fd) {
    char path[4096], output[4096];
    path_of(fd, path, sizeof path);
    path_of(1, output, sizeof output);
    return strcmp(path, output) == 0;
}
ssize_t write(int fd, const void *data, size_t len) {
    ssize_t (*real)(int, const void *, size_t) = REAL(write, ssize_t (*)(int, const void *, size_t));
    if (is_output(fd)) { LOCKED(ssize_t, real(fd, data, len), note('O', "", 0, data, done)) }
    off64_t at = lseek64(fd, 0, SEEK_CUR);
    LOCKED(ssize_t, real(fd, data, len), note_fd('W', fd, at, data, done))
}
ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at) {
    LOCKED(ssize_t, REAL(pwrite64, ssize_t (*)(int, const void *, size_t, off64_t))(fd, data, len, at), note_fd('W', fd, at, data, done))
}
ssize_t pwrite(int fd, const void *data, size_t len, off_t at) { return pwrite64(fd, data, len, at); }
int ftruncate64(int fd, off64_t len) {
    LOCKED(int, REAL(ftruncate64, int (*)(int, off64_t))(fd, len), note_fd('T', fd, len, "", 0))
}
int ftruncate(int fd, off_t len) { return ftruncate64(fd, len); }
int fsync(int fd) { LOCKED(int, REAL(fsync, int (*)(int))(fd), note_fd('S', fd, 0, "", 0)) }
int fdatasync(int fd) { LOCKED(int, REAL(fdatasync, int (*)(int))(fd), note_fd('S', fd, 0, "", 0)) }
int unlink(const char *path) {
    const char *name = in_state(path);
    LOCKED(int, REAL(unlink, int (*)(const char *))(path), if (name) note('U', name, 0, "", 0))
}
int rename(const char *from, const char *to) {
    const char *name = in_state(from), *other = in_state(to);
    LOCKED(int, REAL(rename, int (*)(const char *, const char *))(from, to), if (name && other) note('R', name, 0, other, strlen(other)))
}
int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    const char *name = flags & O_CREAT ? in_state(path) : NULL;
    if (name != NULL && access(path, F_OK) == 0) name = NULL;
    LOCKED(int, REAL(open64, int (*)(const char *, int, ...))(path, flags, mode), if (name) note('C', name, 0, "", 0))
}
int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    return open64(path, flags, mode);
}
"#;

const HEAD: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static size_t path_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, size - 1);
    path[n < 0 ? 0 : n] = 0;
    return n < 0 ? 0 : n;
}
"#;

/// Lets the command's system calls go through `source`.
pub fn preload(env: &Env, source: &str, command: &mut Command) {
    env.write("shim.c", [HEAD, source].concat());
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o", "shim.so", "shim.c", "-ldl"]).current_dir(env.path(""));
    assert!(compiler.status().expect("the build needed a C compiler too").success());
    command.env("LD_PRELOAD", env.path("shim.so"));
}
