/* scratch.h - a folder for the files of one test, and what else file tests share. */
#ifndef SCRATCH_H
#define SCRATCH_H

/* Setup and teardown for cmocka: a fresh folder in $TMPDIR or /tmp, removed with all in it. */
int scratch_open(void **state);
int scratch_close(void **state);

/* The folder, and a path in it; the path is valid until the third call after this one. */
const char *scratch_folder(void);
const char *scratch_path(const char *name);

/* The lowest free descriptor: the same before and after means that none leaked. */
int scratch_descriptor(void);

/* Entries in the folder. */
int scratch_entries(void);

#endif
