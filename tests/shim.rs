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
