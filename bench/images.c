/* bench_images: the time to read images, files to pixels, and for JPEG beside libjpeg-turbo's own djpeg.
 *
 *     bench_images FILE...
 *
 * Processor time, medians of turns taken; djpeg writes to /dev/null and is left out where it is not installed. */
#include "base/error.h"
#include "media/image.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { TURNS = 9 };

extern char **environ;

static double clock_of(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, TURNS, sizeof(*values), compare_doubles);
    return values[TURNS / 2];
}

static double children_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    return (double)usage.ru_utime.tv_sec + 1e-6 * (double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_sec +
           1e-6 * (double)usage.ru_stime.tv_usec;
}

/* Below 0: it is not there, or takes no such file. */
static double run_djpeg(char *path)
{
    char *arguments[] = {(char[]){"djpeg"}, (char[]){"-outfile"}, (char[]){"/dev/null"}, path, NULL};
    double before = children_seconds();
    pid_t process;
    int status = 1;
    if (posix_spawnp(&process, "djpeg", NULL, NULL, arguments, environ) != 0 ||
        waitpid(process, &status, 0) != process || status != 0)
        return -1;
    return children_seconds() - before;
}

static int measure(char *path)
{
    double ours[TURNS], theirs[TURNS], pixels = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        struct image image;
        double before = clock_of(CLOCK_PROCESS_CPUTIME_ID);
        if (image_read(path, IMAGE_DEFAULT_MAX_PIXELS, &image) != 0) {
            fprintf(stderr, "%s\n", error_message());
            return 1;
        }
        ours[turn] = clock_of(CLOCK_PROCESS_CPUTIME_ID) - before;
        pixels = 1e-6 * image.width * image.height;
        image_free(&image);
        theirs[turn] = run_djpeg(path);
    }
    double mine = median(ours), djpeg = median(theirs);
    printf("%-40s %6.2f MP %8.1f ms %7.1f MP/s", path, pixels, 1e3 * mine, pixels / mine);
    if (djpeg > 0)
        printf("   djpeg %8.1f ms, ratio %.3f", 1e3 * djpeg, mine / djpeg);
    printf("\n");
    return 0;
}

int main(int count, char **arguments)
{
    int failed = count < 2;
    if (failed)
        fprintf(stderr, "usage: bench_images FILE...\n");
    for (int i = 1; i < count; i++)
        failed |= measure(arguments[i]);
    return failed;
}
