/* Loaded before the C library, this makes chosen calls that write or sync a file fail with EIO.

   `fail_calls` says which: those of the kind (0: fsync and fdatasync, 1: pwrite) on files whose name ends with `suffix`, from
   the `first`th on, `count` of them. A sync that fails has written nothing more than the system had already; a write that
   fails has written nothing. `seen_calls` says how many such calls there were since. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { SYNC, WRITE };

static char chosen_suffix[256];
static int chosen_kind = -1;
static long first_failing, failing_count, seen;

void fail_calls(int kind, const char *suffix, long first, long count) {
    snprintf(chosen_suffix, sizeof chosen_suffix, "%s", suffix);
    chosen_kind = kind;
    first_failing = first;
    failing_count = count;
    seen = 0;
}

long seen_calls(void) { return seen; }

static int fails(int kind, int file) {
    char link[64], name[4096];
    if (kind != chosen_kind) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, sizeof name - 1);
    size_t suffix_length = strlen(chosen_suffix);
    if (length < (ssize_t)suffix_length) return 0;
    if (memcmp(name + length - suffix_length, chosen_suffix, suffix_length) != 0) return 0;
    seen++;
    if (seen < first_failing || seen >= first_failing + failing_count) return 0;
    errno = EIO;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int file) { return fails(SYNC, file) ? -1 : REAL(fsync)(file); }

int fdatasync(int file) { return fails(SYNC, file) ? -1 : REAL(fdatasync)(file); }

ssize_t pwrite(int file, const void *bytes, size_t size, off_t offset) {
    return fails(WRITE, file) ? -1 : REAL(pwrite)(file, bytes, size, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t offset) {
    return fails(WRITE, file) ? -1 : REAL(pwrite64)(file, bytes, size, offset);
}
