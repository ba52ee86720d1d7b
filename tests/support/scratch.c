/* scratch.c - see scratch.h. */
#include "scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[256];

int scratch_open(void **state)
{
    const char *base = getenv("TMPDIR");
    (void)state;
    snprintf(folder, sizeof folder, "%.200s/lull-test-XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

/* Tests make no folders in theirs, so one level is enough. */
int scratch_close(void **state)
{
    DIR *d = opendir(folder);
    const struct dirent *e;
    (void)state;
    if (!d) return -1;
    while ((e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlink(scratch_path(e->d_name));
    closedir(d);
    return rmdir(folder);
}

const char *scratch_folder(void)
{
    return folder;
}

const char *scratch_path(const char *name)
{
    static char paths[3][512];
    static int turn;
    turn = (turn + 1) % 3;
    snprintf(paths[turn], sizeof paths[turn], "%s/%.200s", folder, name);
    return paths[turn];
}

int scratch_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY);
    if (fd >= 0) close(fd);
    return fd;
}

int scratch_entries(void)
{
    DIR *d = opendir(folder);
    int n = 0;
    if (!d) return -1;
    while (readdir(d) != NULL) n++;
    closedir(d);
    return n - 2; /* without "." and ".." */
}
