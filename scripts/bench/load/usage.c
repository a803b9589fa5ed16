/* Who used the processors. */
#define _GNU_SOURCE
#include "load.h"

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;

    if (clock_gettime(id, &t) != 0)
        err(1, "clock_gettime");
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/*
 * The CPU clock of a process has the scheduler's own precision, where utime and
 * stime count ticks of 10 ms, and it keeps what threads used that have ended,
 * which a sum over /proc/PID/task would lose.
 */
static int64_t process_cpu_ns(pid_t pid)
{
    clockid_t id;

    if (clock_getcpuclockid(pid, &id) != 0)
        errx(1, "no process %d", (int)pid);
    return read_clock(id);
}

/* The first line of /proc/stat: ticks that all processors spent, by purpose. */
static void machine_read(struct usage *u)
{
    unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
    char line[512];
    int64_t tick_ns = 1000000000 / sysconf(_SC_CLK_TCK);
    int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);

    if (n <= 0)
        err(1, "/proc/stat");
    close(fd);
    line[n] = '\0';
    if (sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
               &iowait, &irq, &softirq, &steal) != 8)
        errx(1, "/proc/stat: unexpected first line");
    u->irq_ns = (int64_t)(irq + softirq) * tick_ns;
    u->busy_ns = (int64_t)(user + nice + system + irq + softirq + steal) * tick_ns;
}

struct usage usage_read(pid_t server)
{
    struct usage u;

    machine_read(&u);
    u.clock_ns = clock_now_ns();
    u.server_ns = process_cpu_ns(server);
    u.client_ns = process_cpu_ns(0);
    return u;
}

void usage_print_shares(struct usage a, struct usage b)
{
    double ns = (double)(b.clock_ns - a.clock_ns);
    double server_ns = (double)(b.server_ns - a.server_ns);
    double client_ns = (double)(b.client_ns - a.client_ns);
    double other_ns = (double)(b.busy_ns - a.busy_ns) - server_ns - client_ns;

    printf(" server_pct=%.1f client_pct=%.1f other_pct=%.1f irq_pct=%.1f\n", 100 * server_ns / ns,
           100 * client_ns / ns, 100 * (other_ns > 0 ? other_ns : 0) / ns,
           100 * (double)(b.irq_ns - a.irq_ns) / ns);
}
