/* roof.c - how fast this machine reads so many bytes: no decode step can be faster.
 * usage: roof BYTES [--threads N] [--milliseconds N]
 *
 * Prints one line of JSON, GB/s (10^9): see lull_read_bandwidth. */
#include "bench.h"
#include "lull.h"

int main(int argc, char **argv)
{
    long bytes, threads = 1, milliseconds = 200;
    double rate;
    lull_error error;
    const char *value;
    int i;

    if (argc < 2) {
        fprintf(stderr, "usage: roof BYTES [--threads N] [--milliseconds N]\n");
        return 2;
    }
    bytes = bench_number("BYTES", argv[1], 1, 2147483647);
    for (i = 2; i < argc; i++) {
        if ((value = bench_option(argc, argv, &i, "--threads")) != NULL)
            threads = bench_number("--threads", value, 0, 256);
        else if ((value = bench_option(argc, argv, &i, "--milliseconds")) != NULL)
            milliseconds = bench_number("--milliseconds", value, 0, 60000);
        else {
            fprintf(stderr, "roof: unknown option %s\n", argv[i]);
            return 2;
        }
    }
    if (lull_read_bandwidth((uint64_t)bytes, (int32_t)threads, (double)milliseconds / 1000.0, NULL,
                            &rate, &error) != LULL_OK) {
        fprintf(stderr, "roof: %s: %s\n", lull_status_name(error.code), error.message);
        return 1;
    }
    printf("{\"bytes\":%ld,\"threads\":%ld,\"gb_per_second\":%.2f}\n", bytes, threads, rate / 1e9);
    return fflush(stdout) == 0 ? 0 : 1;
}
