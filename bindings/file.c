/* file.c - files that results are kept in: appended to, locked, synced, mended.
 *
 * Lua's own library has neither locks nor fsync, and luaposix is a package of its own that is not
 * to be had everywhere lull runs.
 *
 * One process writes: it holds a lock of the kernel (fcntl), which is gone when the process is,
 * however that ended.  Such a lock is also gone when the process closes any other descriptor of the
 * same file, so what is in it is read through this object and never through io.open.  On NFS it is
 * as good as the server's lock daemon.  A write is whole or is taken back. */
#include "objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

typedef struct lull_lua_file {
    uint32_t magic;
    int open, regular, created;
    int fd;
    uint64_t size; /* of a regular file: where the next write goes */
    char name[97]; /* the end of its path, for messages */
} lull_lua_file;

static const double two53 = 9007199254740992.0;
static const double most_read = 1073741824.0;

static int push_problem(lua_State *L, lull_status code, const char *name, const char *problem)
{
    lull_error error;
    memset(&error, 0, sizeof error);
    error.code = code;
    snprintf(error.message, sizeof error.message, "%s: %s", name, problem);
    return lull_push_failure(L, &error);
}

static int push_errno(lua_State *L, const lull_lua_file *f, int sys)
{
    return push_problem(L, LULL_EIO, f->name, strerror(sys));
}

static lull_lua_file *open_file(lua_State *L)
{
    lull_lua_file *f = lull_object_check(L, 1, &lull_file_kind);
    if (!f->open) luaL_error(L, "attempt to use a closed file");
    return f;
}

/* ---------------------------------------------------------------------------------- opening */

static void set_name(lull_lua_file *f, const char *path)
{
    const size_t most = sizeof f->name - 1, n = strlen(path);
    const size_t kept = n > most ? most : n;
    memcpy(f->name, path + n - kept, kept + 1);
}

/* Never one of the three descriptors that are closed in some processes and written to all the same. */
static int above_the_standard(int fd)
{
    int sys, moved;
    if (fd < 0 || fd > 2) return fd;
    moved = fcntl(fd, F_DUPFD, 3);
    sys = errno;
    (void)close(fd);
    errno = sys;
    return moved;
}

static int open_path(const char *path, int flags)
{
    int fd;
    flags |= O_RDWR | O_APPEND | O_NOCTTY;
#ifdef O_CLOEXEC
    flags |= O_CLOEXEC; /* at once where that can be */
#endif
    do fd = open(path, flags, 0666);
    while (fd < 0 && errno == EINTR);
    fd = above_the_standard(fd);
    if (fd >= 0) (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

/* Open f, and make the file where that is asked for.  0, or errno. */
static int open_or_create(lull_lua_file *f, const char *path, int create)
{
    struct stat s;
    int sys;
    f->fd = open_path(path, 0);
    if (f->fd < 0 && errno == ENOENT && create) {
        f->fd = open_path(path, O_CREAT | O_EXCL);
        f->created = f->fd >= 0;
        if (f->fd < 0 && errno == EEXIST) f->fd = open_path(path, 0); /* just made by another */
    }
    if (f->fd < 0) return errno;
    if (fstat(f->fd, &s) != 0) {
        sys = errno;
        (void)close(f->fd);
        return sys;
    }
    f->open = 1;
    f->regular = S_ISREG(s.st_mode) != 0;
    f->size = f->regular ? (uint64_t)s.st_size : 0;
    return 0;
}

/* Lock the whole file for writing.  0, errno, or -1 and who has it. */
static int lock(const lull_lua_file *f, long *owner)
{
    struct flock l;
    int sys;
    memset(&l, 0, sizeof l);
    l.l_type = F_WRLCK;
    l.l_whence = SEEK_SET;
    if (fcntl(f->fd, F_SETLK, &l) == 0) return 0;
    sys = errno;
    if (sys != EACCES && sys != EAGAIN) return sys;
    *owner = fcntl(f->fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK ? (long)l.l_pid : 0;
    return -1;
}

/* core.file(path, {create = false, lock = false}) -> file, or nil, message, code: ESTATE where
 * another process has locked it */
int lull_lua_file_new(lua_State *L)
{
    static const char *const names[] = {"create", "lock", NULL};
    const char *path = lull_check_path(L, 1);
    int create, locked, sys;
    lull_lua_file *f;
    lua_settop(L, 2);
    lull_options_check(L, 2, names);
    create = lull_option_boolean(L, 2, "create", 0);
    locked = lull_option_boolean(L, 2, "lock", 0);
    f = lull_object_new(L, &lull_file_kind);
    set_name(f, path);
    sys = open_or_create(f, path, create);
    if (sys != 0) return push_errno(L, f, sys);
    if (locked && f->regular) {
        long owner = 0;
        sys = lock(f, &owner);
        if (sys != 0) {
            char text[64];
            (void)close(f->fd);
            f->open = 0;
            if (sys > 0) return push_errno(L, f, sys);
            snprintf(text, sizeof text, "locked by process %ld", owner);
            return push_problem(L, LULL_ESTATE, f->name, text);
        }
    }
    return 1;
}

/* core.file_id(path) -> "device:inode", the same for all names of a file; nil, message, code */
int lull_lua_file_id(lua_State *L)
{
    const char *path = lull_check_path(L, 1);
    struct stat s;
    char text[64];
    if (stat(path, &s) != 0) {
        lull_lua_file f;
        const int sys = errno;
        set_name(&f, path);
        return push_errno(L, &f, sys);
    }
    snprintf(text, sizeof text, "%lx:%lx%08lx", (unsigned long)s.st_dev,
             (unsigned long)((uint64_t)s.st_ino >> 32),
             (unsigned long)((uint64_t)s.st_ino & 0xffffffffu));
    lua_pushstring(L, text);
    return 1;
}

/* ---------------------------------------------------------------------------------- methods */

/* file:size() -> bytes; 0 for what is no regular file */
static int file_size(lua_State *L)
{
    lull_push_count(L, open_file(L)->size);
    return 1;
}

/* file:regular(), and was it made by opening it? */
static int file_regular(lua_State *L)
{
    const lull_lua_file *f = open_file(L);
    lua_pushboolean(L, f->regular);
    lua_pushboolean(L, f->created);
    return 2;
}

/* file:read(offset, n) -> up to n bytes from there on, "" at the end */
static int file_read(lua_State *L)
{
    const lull_lua_file *f;
    double offset;
    size_t n;
    char *room;
    ssize_t got;
    (void)open_file(L);
    offset = lull_check_integer(L, 2, 0, two53);
    n = (size_t)lull_check_integer(L, 3, 1, most_read);
    room = lua_newuserdata(L, n);
    f = open_file(L);
    do got = pread(f->fd, room, n, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got < 0) return push_errno(L, f, errno);
    lua_pushlstring(L, room, (size_t)got);
    return 1;
}

/* file:write(text) -> true: all of it is at the end of the file; nil, message, code: none is, as far
 * as the system lets it be taken back */
static int file_write(lua_State *L)
{
    lull_lua_file *f = open_file(L);
    size_t n, done = 0;
    const char *text = lull_check_text(L, 2, &n);
    while (done < n) {
        const ssize_t put = write(f->fd, text + done, n - done);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) {
            const int sys = put < 0 ? errno : EIO;
            if (f->regular && done > 0 && ftruncate(f->fd, (off_t)f->size) != 0)
                return push_problem(L, LULL_EIO, f->name, "a line was cut short");
            return push_errno(L, f, sys);
        }
        done += (size_t)put;
    }
    if (f->regular) f->size += n;
    lua_pushboolean(L, 1);
    return 1;
}

/* file:sync() -> true when all that was written is on the disk */
static int file_sync(lua_State *L)
{
    const lull_lua_file *f = open_file(L);
    int result;
    do result = fsync(f->fd);
    while (result != 0 && errno == EINTR);
    if (result != 0 && f->regular) return push_errno(L, f, errno);
    lua_pushboolean(L, 1);
    return 1;
}

/* file:truncate(bytes) -> true: cut to so many */
static int file_truncate(lua_State *L)
{
    lull_lua_file *f = open_file(L);
    const double bytes = lull_check_integer(L, 2, 0, two53);
    int result;
    do result = ftruncate(f->fd, (off_t)bytes);
    while (result != 0 && errno == EINTR);
    if (result != 0) return push_errno(L, f, errno);
    f->size = (uint64_t)bytes;
    lua_pushboolean(L, 1);
    return 1;
}

/* close, and __gc */
static int file_close(lua_State *L)
{
    lull_lua_file *f = lull_object_check(L, 1, &lull_file_kind);
    if (f->open) {
        f->open = 0;
        if (close(f->fd) != 0 && errno != EINTR) return push_errno(L, f, errno);
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int file_gc(lua_State *L)
{
    lull_lua_file *f = lull_object_check(L, 1, &lull_file_kind);
    if (f->open) (void)close(f->fd);
    f->open = 0;
    return 0;
}

static int file_tostring(lua_State *L)
{
    const lull_lua_file *f = lull_object_check(L, 1, &lull_file_kind);
    lua_pushfstring(L, "lull.file (%s)", f->open ? f->name : "closed");
    return 1;
}

const lull_kind lull_file_kind = {"lull.file", 0x4c46494cu, sizeof(lull_lua_file)};

void lull_register_file(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"size", file_size},   {"regular", file_regular},
        {"read", file_read},   {"write", file_write},
        {"sync", file_sync},   {"truncate", file_truncate},
        {"close", file_close}, {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__gc", file_gc}, {"__tostring", file_tostring}, {NULL, NULL}};
    lull_kind_register(L, &lull_file_kind, methods, metamethods);
}
