/* Writes down, in order, what a process does to the files below one folder, and refuses some of it when asked.
 *
 * Preloaded before libc (LD_PRELOAD), so that SQLite's calls and Python's pass here alike. A record is one call that changed
 * something, with its bytes; `disk.py` builds from them the disk as a power cut leaves it. A flush is two records: what was
 * written before it began is safe once it has ended. Whatever changes a file in a way that is not written down here becomes
 * a record of kind X, at which the reader stops: a gap must not look like a disk that loses nothing.
 *
 * Files are numbered by us: a file system gives the inode of a removed file to the next one at once. SQLite's -shm is
 * rebuilt after each start and is not written down; calls on it can fail all the same.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 4096
#define NODES_MAX 65536
#define SHARED_MEMORY UINT64_MAX

enum how { ONCE = 0, FROM_THEN_ON = 1, HALF_FIRST = 2 };

struct record {
    uint64_t node, folder, at, data_bytes;
    int32_t error;
    uint16_t name_bytes, new_name_bytes;
    uint8_t kind, padding[7];
};

struct file {
    dev_t device;
    ino_t inode;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_bytes;
static int log_descriptor = -1;
static uint64_t watched[DESCRIPTORS_MAX];
static struct file files[NODES_MAX];
static uint64_t files_known, flushes;
static long calls, refused_call = -1;
static int refused_error, refused_how;

#define REAL(name) \
    static __typeof__(name) *real_##name; \
    if (!real_##name) real_##name = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* ---- the log */
static void write_down(uint8_t kind, uint64_t node, uint64_t folder, uint64_t at, int error, const char *name,
                       const char *new_name, const void *data, size_t data_bytes) {
    struct record head = {node, folder, at, data_bytes, error, (uint16_t)(name ? strlen(name) : 0),
                          (uint16_t)(new_name ? strlen(new_name) : 0), kind, {0}};
    struct iovec parts[4] = {{&head, sizeof head},
                             {(void *)name, head.name_bytes},
                             {(void *)new_name, head.new_name_bytes},
                             {(void *)data, data_bytes}};
    ssize_t whole = (ssize_t)(sizeof head + head.name_bytes + head.new_name_bytes + data_bytes);
    if (log_descriptor >= 0 && syscall(SYS_writev, log_descriptor, parts, 4) != whole) abort();
}

static void unknown(const char *call) { write_down('X', 0, 0, 0, 0, call, NULL, NULL, 0); }

static uint64_t number(const struct stat *found) {
    if (files_known >= NODES_MAX) abort();
    files[files_known] = (struct file){found->st_dev, found->st_ino};
    return ++files_known;
}

static uint64_t number_of(const struct stat *found) {
    for (uint64_t i = files_known; i > 0; i--)
        if (files[i - 1].inode == found->st_ino && files[i - 1].device == found->st_dev) return i;
    return 0;
}

/* What file is meant, if it lies below the folder: its whole path in `path`, its name as the result. */
static const char *below(int folder, const char *given, char *path) {
    if (!root_bytes || !given) return NULL;
    if (given[0] == '/') {
        if (strlen(given) >= PATH_MAX) return NULL;
        strcpy(path, given);
    } else {
        char place[64];
        snprintf(place, sizeof place, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
        ssize_t got = readlink(place, path, PATH_MAX - 1);
        if (got < 0 || (size_t)got + strlen(given) + 2 > PATH_MAX) return NULL;
        path[got] = '/';
        strcpy(path + got + 1, given);
    }
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') path[--length] = 0;
    if (strncmp(path, root, root_bytes) || (path[root_bytes] != '/' && path[root_bytes])) return NULL;
    return strrchr(path, '/') + 1;
}

static int is_shared_memory(const char *name) {
    size_t length = strlen(name);
    return length > 4 && !strcmp(name + length - 4, "-shm");
}

static uint64_t folder_of(const char *path) {
    char folder[PATH_MAX];
    struct stat found;
    strcpy(folder, path);
    *strrchr(folder, '/') = 0;
    return stat(folder, &found) ? 0 : number_of(&found);
}

/* ---- faults */
static int is_refused(void) {
    long call = calls++;
    if (refused_call < 0 || call < refused_call) return 0;
    if (call == refused_call) return 1;
    return refused_how != ONCE;
}

static int refuse(void) {
    errno = refused_error;
    return -1;
}

static uint64_t node_at(int descriptor) {
    return descriptor >= 0 && descriptor < DESCRIPTORS_MAX ? watched[descriptor] : 0;
}

/* ---- for the program that is watched */
int disk_begin(const char *folder, const char *log) {
    struct stat found;
    pthread_mutex_lock(&lock);
    memset(watched, 0, sizeof watched);
    files_known = flushes = 0;
    if (log_descriptor >= 0) syscall(SYS_close, log_descriptor);
    log_descriptor = log[0] ? (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    strcpy(root, folder);
    root_bytes = strlen(root);
    int is_there = !stat(folder, &found);
    if (is_there) number(&found);
    pthread_mutex_unlock(&lock);
    return is_there && (!log[0] || log_descriptor >= 0) ? 0 : -1;
}

void disk_end(void) {
    pthread_mutex_lock(&lock);
    memset(watched, 0, sizeof watched);
    root_bytes = 0;
    if (log_descriptor >= 0) syscall(SYS_close, log_descriptor);
    log_descriptor = -1;
    pthread_mutex_unlock(&lock);
}

void disk_acknowledge(const char *data, size_t data_bytes) {
    pthread_mutex_lock(&lock);
    write_down('A', 0, 0, 0, 0, NULL, NULL, data, data_bytes);
    pthread_mutex_unlock(&lock);
}

void disk_refuse(long call, int error, int how) {
    pthread_mutex_lock(&lock);
    calls = 0;
    refused_call = call;
    refused_error = error;
    refused_how = how;
    pthread_mutex_unlock(&lock);
}

long disk_calls(void) {
    pthread_mutex_lock(&lock);
    long seen = calls;
    pthread_mutex_unlock(&lock);
    return seen;
}

/* ---- opening and closing */
static int open_any(int folder, const char *given, int flags, mode_t mode) {
    REAL(openat);
    char path[PATH_MAX];
    struct stat found;
    const char *name = below(folder, given, path);
    if (!name) {
        int descriptor = real_openat(folder, given, flags, mode);
        if (descriptor >= 0 && descriptor < DESCRIPTORS_MAX) watched[descriptor] = 0;
        return descriptor;
    }
    pthread_mutex_lock(&lock);
    int is_new = (flags & O_CREAT) && stat(path, &found);
    int is_emptied = !is_new && (flags & O_TRUNC);
    if ((is_new || is_emptied) && is_refused()) {
        pthread_mutex_unlock(&lock);
        return refuse();
    }
    if ((flags & O_TMPFILE) == O_TMPFILE) unknown("O_TMPFILE");
    int descriptor = real_openat(folder, given, flags, mode);
    int error = errno;
    if (descriptor >= 0) {
        if (descriptor >= DESCRIPTORS_MAX || fstat(descriptor, &found)) abort();
        if (is_shared_memory(name))
            watched[descriptor] = SHARED_MEMORY;
        else {
            watched[descriptor] = is_new ? number(&found) : number_of(&found);
            if (is_new) write_down('C', watched[descriptor], folder_of(path), 0, 0, name, NULL, NULL, 0);
            if (!watched[descriptor]) unknown(path);
            if (is_emptied) write_down('T', watched[descriptor], 0, 0, 0, NULL, NULL, NULL, 0);
        }
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return descriptor;
}

#define MODE_OF(flags, mode) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open(const char *path, int flags, ...) { MODE_OF(flags, mode) return open_any(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE_OF(flags, mode) return open_any(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE_OF(flags, mode) return open_any(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE_OF(flags, mode) return open_any(folder, path, flags, mode); }
int __open_2(const char *path, int flags) { return open_any(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_any(AT_FDCWD, path, flags, 0); }
int creat(const char *path, mode_t mode) { return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int descriptor) {
    REAL(close);
    if (descriptor >= 0 && descriptor < DESCRIPTORS_MAX) watched[descriptor] = 0;
    return real_close(descriptor);
}

/* ---- bytes */
static ssize_t write_any(int descriptor, uint64_t node, const void *data, size_t bytes, off_t at, int is_here) {
    REAL(write);
    REAL(pwrite);
    pthread_mutex_lock(&lock);
    if (is_refused()) {
        int is_half = refused_how == HALF_FIRST && calls - 1 == refused_call && bytes > 1;
        if (!is_half) {
            pthread_mutex_unlock(&lock);
            return refuse();
        }
        bytes /= 2;
    }
    if (is_here) at = lseek(descriptor, 0, SEEK_CUR);
    struct stat found;
    if (is_here && (fcntl(descriptor, F_GETFL) & O_APPEND) && !fstat(descriptor, &found)) at = found.st_size;
    ssize_t written = is_here ? real_write(descriptor, data, bytes) : real_pwrite(descriptor, data, bytes, at);
    int error = errno;
    if (written > 0 && node != SHARED_MEMORY)
        write_down('W', node, 0, (uint64_t)at, 0, NULL, NULL, data, (size_t)written);
    pthread_mutex_unlock(&lock);
    errno = error;
    return written;
}

ssize_t write(int descriptor, const void *data, size_t bytes) {
    REAL(write);
    uint64_t node = node_at(descriptor);
    return node ? write_any(descriptor, node, data, bytes, 0, 1) : real_write(descriptor, data, bytes);
}

ssize_t pwrite(int descriptor, const void *data, size_t bytes, off_t at) {
    REAL(pwrite);
    uint64_t node = node_at(descriptor);
    return node ? write_any(descriptor, node, data, bytes, at, 0) : real_pwrite(descriptor, data, bytes, at);
}

ssize_t pwrite64(int descriptor, const void *data, size_t bytes, off64_t at) { return pwrite(descriptor, data, bytes, at); }

int ftruncate(int descriptor, off_t size) {
    REAL(ftruncate);
    uint64_t node = node_at(descriptor);
    if (!node) return real_ftruncate(descriptor, size);
    pthread_mutex_lock(&lock);
    int ended = is_refused() ? refuse() : real_ftruncate(descriptor, size);
    int error = errno;
    if (!ended && node != SHARED_MEMORY) write_down('T', node, 0, (uint64_t)size, 0, NULL, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return ended;
}

int ftruncate64(int descriptor, off64_t size) { return ftruncate(descriptor, size); }

static int flush_any(int descriptor, uint64_t node, int (*real)(int)) {
    pthread_mutex_lock(&lock);
    int is_bad = is_refused();
    uint64_t flush = ++flushes;
    if (node != SHARED_MEMORY) write_down('S', node, 0, flush, 0, NULL, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    int ended = is_bad ? refuse() : real(descriptor);
    int error = errno;
    pthread_mutex_lock(&lock);
    if (node != SHARED_MEMORY) write_down('E', node, 0, flush, ended ? error : 0, NULL, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return ended;
}

int fsync(int descriptor) {
    REAL(fsync);
    uint64_t node = node_at(descriptor);
    return node ? flush_any(descriptor, node, real_fsync) : real_fsync(descriptor);
}

int fdatasync(int descriptor) {
    REAL(fdatasync);
    uint64_t node = node_at(descriptor);
    return node ? flush_any(descriptor, node, real_fdatasync) : real_fdatasync(descriptor);
}

/* ---- names */
int mkdirat(int folder, const char *given, mode_t mode) {
    REAL(mkdirat);
    char path[PATH_MAX];
    struct stat found;
    const char *name = below(folder, given, path);
    if (!name) return real_mkdirat(folder, given, mode);
    pthread_mutex_lock(&lock);
    int ended = is_refused() ? refuse() : real_mkdirat(folder, given, mode);
    int error = errno;
    if (!ended && !stat(path, &found)) write_down('M', number(&found), folder_of(path), 0, 0, name, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return ended;
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int unlinkat(int folder, const char *given, int flags) {
    REAL(unlinkat);
    char path[PATH_MAX];
    const char *name = below(folder, given, path);
    if (!name) return real_unlinkat(folder, given, flags);
    pthread_mutex_lock(&lock);
    uint64_t parent = folder_of(path);
    int ended = is_refused() ? refuse() : real_unlinkat(folder, given, flags);
    int error = errno;
    if (!ended && !is_shared_memory(name)) write_down('U', 0, parent, 0, 0, name, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return ended;
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) { return unlink(path) && errno == EISDIR ? rmdir(path) : 0; }

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    REAL(renameat2);
    char path[PATH_MAX], new_path[PATH_MAX];
    struct stat found;
    const char *name = below(from, old, path), *new_name = below(to, new, new_path);
    if (!name && !new_name) return real_renameat2(from, old, to, new, flags);
    pthread_mutex_lock(&lock);
    uint64_t node = stat(path, &found) ? 0 : number_of(&found);
    if (!name || !new_name || flags || folder_of(path) != folder_of(new_path)) unknown("rename");
    int ended = is_refused() ? refuse() : real_renameat2(from, old, to, new, flags);
    int error = errno;
    if (!ended && name && !is_shared_memory(name))
        write_down('R', node, folder_of(new_path), 0, 0, name, new_name, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return ended;
}

int renameat(int from, const char *old, int to, const char *new) { return renameat2(from, old, to, new, 0); }
int rename(const char *old, const char *new) { return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0); }

int linkat(int from, const char *old, int to, const char *new, int flags) {
    REAL(linkat);
    char path[PATH_MAX], new_path[PATH_MAX];
    struct stat found;
    const char *name = below(from, old, path), *new_name = below(to, new, new_path);
    if (!name && !new_name) return real_linkat(from, old, to, new, flags);
    pthread_mutex_lock(&lock);
    uint64_t node = stat(path, &found) ? 0 : number_of(&found);
    if (!name || !new_name) unknown("link");
    int ended = is_refused() ? refuse() : real_linkat(from, old, to, new, flags);
    int error = errno;
    if (!ended) write_down('C', node, folder_of(new_path), 0, 0, new_name, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return ended;
}

int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

/* ---- ways to change a file that are not written down */
static void note_unknown(int descriptor, const char *call) {
    uint64_t node = node_at(descriptor);
    if (!node || node == SHARED_MEMORY) return;
    pthread_mutex_lock(&lock);
    unknown(call);
    pthread_mutex_unlock(&lock);
}

#define UNKNOWN(type, name, descriptor, given, passed) \
    type name given { \
        REAL(name); \
        note_unknown(descriptor, #name); \
        return real_##name passed; \
    }

UNKNOWN(ssize_t, writev, d, (int d, const struct iovec *v, int n), (d, v, n))
UNKNOWN(ssize_t, pwritev, d, (int d, const struct iovec *v, int n, off_t at), (d, v, n, at))
UNKNOWN(ssize_t, pwritev2, d, (int d, const struct iovec *v, int n, off_t at, int flags), (d, v, n, at, flags))
UNKNOWN(int, fallocate, d, (int d, int mode, off_t at, off_t bytes), (d, mode, at, bytes))
UNKNOWN(int, posix_fallocate, d, (int d, off_t at, off_t bytes), (d, at, bytes))
UNKNOWN(int, posix_fallocate64, d, (int d, off64_t at, off64_t bytes), (d, at, bytes))
UNKNOWN(ssize_t, sendfile, d, (int d, int from, off_t *at, size_t bytes), (d, from, at, bytes))
UNKNOWN(ssize_t, sendfile64, d, (int d, int from, off64_t *at, size_t bytes), (d, from, at, bytes))
UNKNOWN(ssize_t, copy_file_range, to, (int from, off64_t *at, int to, off64_t *to_at, size_t bytes, unsigned flags),
        (from, at, to, to_at, bytes, flags))

void *mmap(void *address, size_t bytes, int protection, int flags, int descriptor, off_t at) {
    REAL(mmap);
    if ((flags & MAP_SHARED) && (protection & PROT_WRITE)) note_unknown(descriptor, "mmap");
    return real_mmap(address, bytes, protection, flags, descriptor, at);
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int descriptor, off64_t at) {
    return mmap(address, bytes, protection, flags, descriptor, at);
}
