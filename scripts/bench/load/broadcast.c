/*
 * The broadcast loop: the first connection sends, and the server sends each
 * message to all, the first one too. A fixed number of broadcasts is on its way.
 * One is done when all connections together have received as many bytes as it
 * takes; which of them are behind is not asked before the end, when everyone has
 * to have exactly as many bytes as were broadcast, and what is sent then is
 * compared byte for byte, as before the measurement.
 */
#define _GNU_SOURCE
#include "load.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, TURN_MS = 100, TIMES_MAX = 1 << 20 };

struct receiver {
    struct flow flow;  /* first, as events point to it */
    uint64_t received; /* bytes */
};

struct loop {
    int poll_fd;
    const struct message *m;
    struct receiver *all;
    size_t count;
    bool draining;      /* broadcasts are no longer followed by others */
    uint64_t received;  /* bytes, by all */
    uint64_t sent;      /* broadcasts */
    uint64_t done;      /* broadcasts */
    int64_t *began_ns;  /* of the broadcasts on their way, in a ring of `outstanding` */
    size_t outstanding;
    int64_t *times_ns;  /* of broadcasts that are done, the first TIMES_MAX */
    size_t times;
    int64_t heard_ns;   /* when the server last gave a sign of life */
};

static void submit(struct loop *l, size_t broadcasts)
{
    int64_t now = clock_now_ns();

    for (size_t i = 0; i < broadcasts; i++)
        l->began_ns[l->sent++ % l->outstanding] = now;
    flow_send(l->poll_fd, &l->all[0].flow, l->m, broadcasts);
}

/* Counts what is done by now, and sends as many. */
static void settle(struct loop *l)
{
    uint64_t done = l->received / (l->m->reply_len * l->count);
    size_t fresh = (size_t)(done - l->done);

    if (fresh == 0)
        return;
    int64_t now = clock_now_ns();
    for (; l->done < done; l->done++) {
        if (l->times < TIMES_MAX)
            l->times_ns[l->times++] = now - l->began_ns[l->done % l->outstanding];
    }
    if (!l->draining)
        submit(l, fresh);
}

static void on_readable(struct loop *l, struct receiver *r)
{
    size_t n = flow_discard(&r->flow);

    r->received += n;
    l->received += n;
    if (r->received > l->sent * l->m->reply_len)
        errx(1, "the server sent more than it was asked for");
}

/* Waits once, serves what is ready, and returns the time at which it was ready. */
static int64_t turn(struct loop *l)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(l->poll_fd, events, EVENTS, TURN_MS);
    int64_t now = clock_now_ns();

    if (n < 0 && errno != EINTR)
        err(1, "epoll_wait");
    if (n > 0)
        l->heard_ns = now;
    else if (now - l->heard_ns > PATIENCE_MS * (int64_t)1000000)
        errx(1, "stalled: %.0f broadcasts have not reached everybody",
             (double)(l->sent - l->done));
    for (int i = 0; i < n; i++) {
        struct receiver *r = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            flow_flush(l->poll_fd, &r->flow, l->m);
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            on_readable(l, r);
    }
    settle(l);
    return now;
}

static void run_for(struct loop *l, double seconds)
{
    int64_t end = clock_now_ns() + (int64_t)(seconds * 1e9);

    while (turn(l) < end)
        ;
}

/*
 * Servers may enlist a connection a moment after they answered its handshake.
 * They have when they have nothing to do any more.
 */
static void await_rest(pid_t server)
{
    enum { NAP_US = 100000, REST_NS = 5000000, NAPS = 50 };
    int64_t before = usage_read(server).server_ns;

    for (int i = 0; i < NAPS; i++) {
        usleep(NAP_US);
        int64_t now = usage_read(server).server_ns;
        if (now - before < REST_NS)
            return;
        before = now;
    }
}

/* Broadcasts once, and compares what each connection receives. */
static void compare_one(const struct message *m, const int *fds, int count)
{
    unsigned char *reply = malloc(m->reply_len + 1);
    size_t sent = 0;

    if (reply == NULL)
        err(1, "malloc");
    while (sent < m->sent_len) {
        ssize_t n = send(fds[0], m->sent + sent, m->sent_len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            err(1, "send");
        sent += n > 0 ? (size_t)n : 0;
    }
    for (int i = 0; i < count; i++) {
        size_t got = 0;
        /* Room for one byte more, so that a reply that is too long shows. */
        while (got < m->reply_len) {
            if (!peer_readable(fds[i], PATIENCE_MS))
                errx(1, "connection %d did not receive a broadcast", i);
            got += flow_received(recv(fds[i], reply + got, m->reply_len + 1 - got, 0));
        }
        peer_compare(m, reply, got);
    }
    free(reply);
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static double quantile(const struct loop *l, double q)
{
    return l->times == 0 ? 0 : (double)l->times_ns[(size_t)(q * (double)(l->times - 1))];
}

static void report(const struct plan *p, struct loop *l, struct usage a, struct usage b,
                   double deliveries)
{
    double ns = (double)(b.clock_ns - a.clock_ns);
    double server_ns = (double)(b.server_ns - a.server_ns);

    if (deliveries < 1)
        errx(1, "no broadcast was received");
    qsort(l->times_ns, l->times, sizeof *l->times_ns, ascending);
    printf("mode=%s conns=%d outstanding=%d payload=%zu deliveries=%.0f seconds=%.3f"
           " deliveries_per_s=%.0f server_cpu_ns=%.0f cpu_ns_per_delivery=%.1f",
           p->mode == MODE_WS ? "broadcast" : "broadcast-raw", p->connections, p->outstanding, p->payload_len, deliveries, ns / 1e9,
           deliveries * 1e9 / ns, server_ns, server_ns / deliveries);
    printf(" broadcasts=%zu p50_ns=%.0f p99_ns=%.0f p999_ns=%.0f", l->times, quantile(l, 0.5),
           quantile(l, 0.99), quantile(l, 0.999));
    usage_print_shares(a, b);
}

static struct loop open_loop(const struct plan *p, const struct message *m, const int *fds)
{
    struct loop l = {.m = m,
                     .count = (size_t)p->connections,
                     .outstanding = (size_t)p->outstanding,
                     .heard_ns = clock_now_ns()};

    l.poll_fd = epoll_create1(EPOLL_CLOEXEC);
    l.all = calloc(l.count, sizeof *l.all);
    l.began_ns = calloc(l.outstanding, sizeof *l.began_ns);
    l.times_ns = calloc(TIMES_MAX, sizeof *l.times_ns);
    if (l.poll_fd < 0 || l.all == NULL || l.began_ns == NULL || l.times_ns == NULL)
        err(1, "broadcast loop");
    for (size_t i = 0; i < l.count; i++) {
        l.all[i].flow.fd = fds[i];
        flow_watch(l.poll_fd, &l.all[i].flow, EPOLL_CTL_ADD);
    }
    return l;
}

void broadcast_loop(const struct plan *p, const struct message *m, const int *fds)
{
    struct loop l;

    await_rest(p->server);
    compare_one(m, fds, p->connections);
    l = open_loop(p, m, fds);
    submit(&l, l.outstanding);
    run_for(&l, p->warmup_seconds);

    uint64_t received = l.received;
    l.times = 0;
    struct usage before = usage_read(p->server);
    run_for(&l, p->seconds);
    struct usage after = usage_read(p->server);
    double deliveries = (double)(l.received - received) / (double)m->reply_len;

    size_t times = l.times;
    l.draining = true;
    while (l.done < l.sent)
        turn(&l);
    l.times = times;
    for (size_t i = 0; i < l.count; i++) {
        if (l.all[i].received != l.sent * m->reply_len)
            errx(1, "connection %zu received %.0f bytes, expected %.0f", i,
                 (double)l.all[i].received, (double)(l.sent * m->reply_len));
    }
    compare_one(m, fds, p->connections);
    report(p, &l, before, after, deliveries);
    close(l.poll_fd);
    free(l.all);
    free(l.began_ns);
    free(l.times_ns);
}
