/* Loaded before the C library, this makes chosen calls that write or sync a file fail with EIO, and keeps what was synced.

   `fail_calls` says which: those of the kind (0: fsync and fdatasync, 1: pwrite) on files whose name ends with `suffix`, from
   the `first`th on, `count` of them. A call that fails has done nothing. `seen_calls` says how many there were since.

   A sync that succeeds copies the file to one named `.synced` more: what would be left after a power cut. The disk itself is
   not waited for. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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

static ssize_t name_of(int file, char *name, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, size - 1);
    name[length < 0 ? 0 : length] = 0;
    return length;
}

static int fails(int kind, int file) {
    char name[4096];
    if (kind != chosen_kind) return 0;
    ssize_t length = name_of(file, name, sizeof name);
    size_t suffix_length = strlen(chosen_suffix);
    if (length < (ssize_t)suffix_length) return 0;
    if (memcmp(name + length - suffix_length, chosen_suffix, suffix_length) != 0) return 0;
    seen++;
    if (seen < first_failing || seen >= first_failing + failing_count) return 0;
    errno = EIO;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int keep(int file) {
    char name[4096], synced[4200], bytes[65536];
    struct stat status;
    ssize_t size;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || name_of(file, name, sizeof name) < 0) return 0;
    snprintf(synced, sizeof synced, "%s.synced", name);
    int copy = open(synced, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (off_t done = 0; copy >= 0 && (size = pread(file, bytes, sizeof bytes, done)) > 0; done += size)
        if (REAL(pwrite)(copy, bytes, size, done) != size) _exit(70);
    if (copy < 0 || close(copy) != 0) _exit(70);
    return 0;
}

static int sync_or_fail(int file) { return fails(SYNC, file) ? -1 : keep(file); }

int fsync(int file) { return sync_or_fail(file); }

int fdatasync(int file) { return sync_or_fail(file); }

ssize_t pwrite(int file, const void *bytes, size_t size, off_t offset) {
    return fails(WRITE, file) ? -1 : REAL(pwrite)(file, bytes, size, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t offset) {
    return fails(WRITE, file) ? -1 : REAL(pwrite64)(file, bytes, size, offset);
}
