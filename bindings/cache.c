/* cache.c - one copy of a model per process.  Here is the only mutable static of lull: a list
 * of loaded models behind a mutex.  It owns nothing: an entry leaves the list with its last
 * user.
 *
 * A process that forks while another of its threads loads leaves a child without that thread: fork
 * waits for the mutex, and the child forgets what was being loaded.
 *
 * A model is the same if the files are (device, inode, size, time of change of checkpoint and
 * tokenizer) and if it was asked for in the same precision, group and byte order. */
#include "cache.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

typedef struct file_key {
    uint64_t device, inode, size, mtime, mtime_ns, ctime, ctime_ns; /* all 0: no file */
} file_key;

/* Compared with memcmp, hence uint64_t throughout and cleared before it is filled. */
typedef struct cache_key {
    file_key checkpoint, tokenizer;
    uint64_t precision, group, byte_order;
    uint64_t
        whose; /* tokenizer: 0 = none wanted, 1 = the file given, 2 = in the model or beside it */
} cache_key;

struct lull_shared {
    lull_model *model; /* NULL while it is being loaded, and after that failed */
    int users;         /* objects and waiting threads */
    int loading;
    int listed;
    cache_key key;
    lull_shared *next;
};

static pthread_mutex_t cache_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cache_loaded = PTHREAD_COND_INITIALIZER;
static lull_shared *cache_list;
static pthread_once_t cache_once = PTHREAD_ONCE_INIT;

/* ------------------------------------------------------------------------------------- keys */

static int file_key_get(const char *path, file_key *key)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return 0;
    key->device = (uint64_t)st.st_dev;
    key->inode = (uint64_t)st.st_ino;
    key->size = (uint64_t)st.st_size;
    key->mtime = (uint64_t)st.st_mtime;
    key->ctime = (uint64_t)st.st_ctime;
#if !defined(__APPLE__)
    key->mtime_ns = (uint64_t)st.st_mtim.tv_nsec;
    key->ctime_ns = (uint64_t)st.st_ctim.tv_nsec;
#endif
    return 1;
}

/* tokenizer.bin in the folder of path, where lull_model_load looks for it. */
static int beside_key_get(const char *path, file_key *key)
{
    static const char name[] = "tokenizer.bin";
    const char *slash = strrchr(path, '/');
    size_t folder = slash != NULL ? (size_t)(slash - path) + 1 : 0;
    char *beside = malloc(folder + sizeof name);
    int found;
    if (beside == NULL) return 0;
    memcpy(beside, path, folder);
    memcpy(beside + folder, name, sizeof name);
    found = file_key_get(beside, key);
    free(beside);
    return found;
}

/* 0 where a file cannot be asked about: then nothing is shared, and loading says what is wrong.
 */
static int cache_key_get(const char *path, const lull_load_options *options, cache_key *key)
{
    memset(key, 0, sizeof *key);
    key->precision = (uint64_t)options->precision;
    key->group = (uint64_t)options->group;
    key->byte_order = (uint64_t)options->byte_order;
    if (!file_key_get(path, &key->checkpoint)) return 0;
    if (options->no_tokenizer) return 1;
    key->whose = options->tokenizer_path != NULL ? 1 : 2;
    if (options->tokenizer_path != NULL)
        return file_key_get(options->tokenizer_path, &key->tokenizer);
    (void)beside_key_get(path, &key->tokenizer); /* there need be none: GGUF holds its own */
    return 1;
}

/* ------------------------------------------------------------------------------ under mutex */

static lull_shared *list_find(const cache_key *key)
{
    lull_shared *s = cache_list;
    while (s != NULL && memcmp(&s->key, key, sizeof *key) != 0) s = s->next;
    return s;
}

static void list_add(lull_shared *s)
{
    s->next = cache_list;
    s->listed = 1;
    cache_list = s;
}

static void list_remove(lull_shared *s)
{
    lull_shared **link = &cache_list;
    if (!s->listed) return;
    while (*link != s) link = &(*link)->next;
    *link = s->next;
    s->listed = 0;
}

/* One user less; returns what the caller must free once the mutex is let go. */
static lull_shared *drop_user(lull_shared *s)
{
    if (--s->users > 0) return NULL;
    list_remove(s);
    return s;
}

/* --------------------------------------------------------------------------------- forking */

static void before_fork(void)
{
    pthread_mutex_lock(&cache_mutex);
}

static void in_parent(void)
{
    pthread_mutex_unlock(&cache_mutex);
}

static void in_child(void)
{
    static const pthread_cond_t nobody_waits = PTHREAD_COND_INITIALIZER;
    lull_shared *s, *next;
    for (s = cache_list; s != NULL; s = next) {
        next = s->next;
        if (s->loading) list_remove(s);
    }
    cache_loaded = nobody_waits;
    pthread_mutex_unlock(&cache_mutex);
}

/* Where that fails, for want of memory, forking is as it would be without. */
static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, in_parent, in_child);
}

/* ---------------------------------------------------------------------------------- loading */

static void destroy(lull_shared *s)
{
    if (s == NULL) return;
    lull_model_release(s->model);
    free(s);
}

static lull_status fail_limit(lull_error *error, const char *path, const char *what, uint64_t has,
                              uint64_t limit)
{
    memset(error, 0, sizeof *error);
    error->code = LULL_ELIMIT;
    snprintf(error->message, sizeof error->message, "%.96s: %s is %llu bytes, the limit is %llu",
             path, what, (unsigned long long)has, (unsigned long long)limit);
    return LULL_ELIMIT;
}

/* A hit is refused where loading would have been. */
static lull_status check_limits(const lull_shared *s, const char *path,
                                const lull_load_options *options, lull_error *error)
{
    lull_model_info info;
    lull_model_info_get(s->model, &info);
    if (options->max_file_bytes != 0 && info.file_bytes > options->max_file_bytes)
        return fail_limit(error, path, "the file", info.file_bytes, options->max_file_bytes);
    if (options->max_memory_bytes != 0 && info.model_bytes > options->max_memory_bytes)
        return fail_limit(error, path, "the model in memory", info.model_bytes,
                          options->max_memory_bytes);
    return LULL_OK;
}

static lull_shared *shared_new(const cache_key *key, lull_error *error)
{
    lull_shared *s = calloc(1, sizeof *s);
    if (s == NULL) {
        memset(error, 0, sizeof *error);
        error->code = LULL_ENOMEM;
        snprintf(error->message, sizeof error->message, "model cache: out of memory");
        return NULL;
    }
    s->users = 1;
    s->key = *key;
    return s;
}

/* Load into s, which is listed as loading if it is to be shared. */
static lull_status load_into(lull_shared *s, const char *path, const lull_load_options *options,
                             uint64_t *fresh, lull_error *error)
{
    cache_key after;
    lull_model *model;
    lull_shared *gone = NULL;
    lull_status status = lull_model_load(&model, path, options, error);
    /* Replaced meanwhile: nobody knows which of the two files this is. */
    int same = cache_key_get(path, options, &after) && memcmp(&after, &s->key, sizeof after) == 0;

    pthread_mutex_lock(&cache_mutex);
    s->model = model;
    s->loading = 0;
    if (status != LULL_OK || !same) list_remove(s);
    if (status != LULL_OK) gone = drop_user(s);
    pthread_cond_broadcast(&cache_loaded);
    pthread_mutex_unlock(&cache_mutex);

    if (status == LULL_OK) {
        lull_model_info info;
        lull_model_info_get(model, &info);
        *fresh = info.model_bytes;
    }
    destroy(gone);
    return status;
}

/* Wait until s, of which the caller is a user, is loaded.  0 = that failed, and s is let go. */
static int wait_for(lull_shared *s, lull_shared **gone)
{
    while (s->loading) pthread_cond_wait(&cache_loaded, &cache_mutex);
    if (s->model != NULL) return 1;
    *gone = drop_user(s);
    return 0;
}

lull_status lull_shared_load(lull_shared **out, const char *path, const lull_load_options *options,
                             int share, uint64_t *fresh, lull_error *error)
{
    cache_key key;
    lull_shared *s, *mine, *gone = NULL;
    lull_status status;
    *out = NULL;
    *fresh = 0;
    pthread_once(&cache_once, watch_forks);
    share = cache_key_get(path, options, &key) && share;
    mine = shared_new(&key, error);
    if (mine == NULL) return LULL_ENOMEM;
    if (share) {
        pthread_mutex_lock(&cache_mutex);
        s = list_find(&key);
        if (s != NULL) {
            s->users++;
            if (wait_for(s, &gone)) {
                pthread_mutex_unlock(&cache_mutex);
                destroy(mine);
                status = check_limits(s, path, options, error);
                if (status == LULL_OK)
                    *out = s;
                else
                    lull_shared_release(s);
                return status;
            }
            /* The other thread failed, maybe for limits of its own: load apart. */
        } else {
            mine->loading = 1;
            list_add(mine);
        }
        pthread_mutex_unlock(&cache_mutex);
        destroy(gone);
    }
    status = load_into(mine, path, options, fresh, error);
    if (status == LULL_OK) *out = mine;
    return status;
}

lull_shared *lull_shared_retain(lull_shared *shared)
{
    pthread_mutex_lock(&cache_mutex);
    shared->users++;
    pthread_mutex_unlock(&cache_mutex);
    return shared;
}

void lull_shared_release(lull_shared *shared)
{
    lull_shared *gone;
    if (shared == NULL) return;
    pthread_mutex_lock(&cache_mutex);
    gone = drop_user(shared);
    pthread_mutex_unlock(&cache_mutex);
    destroy(gone);
}

lull_model *lull_shared_model(const lull_shared *shared)
{
    return shared->model;
}
