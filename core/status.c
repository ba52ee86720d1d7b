/* status.c - how the core reports failure: a code, and one sentence in the caller's lull_error. */
#include "base.h"

#include <stdarg.h>
#include <stdio.h>

const char *lull_status_name(lull_status status)
{
    switch (status) {
    case LULL_OK: return "OK";
    case LULL_ENOMEM: return "ENOMEM";
    case LULL_EINVAL: return "EINVAL";
    case LULL_EIO: return "EIO";
    case LULL_EFORMAT: return "EFORMAT";
    case LULL_EUNSUPPORTED: return "EUNSUPPORTED";
    case LULL_ELIMIT: return "ELIMIT";
    case LULL_ECONTEXT: return "ECONTEXT";
    case LULL_ECANCELED: return "ECANCELED";
    case LULL_ESTATE: return "ESTATE";
    }
    return "EUNKNOWN";
}

const char *lull_version(void)
{
    return LULL_VERSION;
}

lull_status lull_fail(lull_error *error, lull_status code, int sys, uint64_t offset,
                      const char *fmt, ...)
{
    va_list args;
    if (error == NULL) return code;
    error->code = code;
    error->sys = sys;
    error->offset = offset;
    va_start(args, fmt);
    vsnprintf(error->message, sizeof error->message, fmt, args);
    va_end(args);
    return code;
}

const char *lull_path_tail(const char *path)
{
    const size_t most = 96, length = strlen(path);
    return length > most ? path + length - most : path;
}

void lull_error_clear(lull_error *error)
{
    if (error != NULL) memset(error, 0, sizeof *error);
}
