/*
 * The closed loop: every connection keeps a fixed number of messages in flight,
 * and as many replies as one read completes are answered by as many messages in
 * one write. Nothing is parsed here: replies have one known length, and the
 * bytes themselves are compared before and after the measurement. Replies to a
 * rotation have lengths of their own, which their headers tell.
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

enum { EVENTS = 256, READ_MAX = 64 << 10, TURN_MS = 100 };

struct exchange {
    struct flow flow; /* first, as events point to it */
    size_t in_flight; /* messages sent, or about to be, and not answered */
    size_t partial;   /* bytes of the reply that has begun to arrive */
    struct place *place; /* where it is in the rotation, if there is one */
};

struct loop {
    int poll_fd;
    const struct message *m;
    const struct rotation *rotation; /* or NULL */
    bool reads;        /* replies instead of discarding them */
    bool draining;     /* replies are no longer answered */
    size_t in_flight;  /* over all connections */
    uint64_t received; /* bytes */
    uint64_t replies;  /* that ended */
    int64_t heard_ns;  /* when the server last gave a sign of life */
};

static void submit(struct loop *l, struct exchange *x, size_t messages)
{
    x->in_flight += messages;
    l->in_flight += messages;
    if (l->rotation != NULL)
        flow_send_bytes(l->poll_fd, &x->flow, l->m, rotation_take(l->rotation, x->place, messages));
    else
        flow_send(l->poll_fd, &x->flow, l->m, messages);
}

/* Counts the replies that some bytes end, and says whether another has begun. */
static size_t count(struct loop *l, struct exchange *x, const unsigned char *b, size_t n, bool *begun)
{
    if (l->rotation != NULL) {
        size_t replies = rotation_replies(l->rotation, x->place, b, n);
        *begun = rotation_begun(x->place);
        return replies;
    }
    x->partial += n;
    size_t replies = x->partial / l->m->reply_len;
    x->partial -= replies * l->m->reply_len;
    *begun = x->partial > 0;
    return replies;
}

static void on_readable(struct loop *l, struct exchange *x)
{
    static unsigned char buffer[READ_MAX];
    size_t n = l->reads ? flow_received(recv(x->flow.fd, buffer, READ_MAX, 0))
                        : flow_discard(&x->flow);
    bool begun;

    l->received += n;
    size_t replies = count(l, x, buffer, n, &begun);
    l->replies += replies;
    if (replies > x->in_flight || (replies == x->in_flight && begun))
        errx(1, "the server sent more than it was asked for");
    x->in_flight -= replies;
    l->in_flight -= replies;
    if (replies > 0 && !l->draining)
        submit(l, x, replies);
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
        errx(1, "stalled: %zu messages without a reply", l->in_flight);
    for (int i = 0; i < n; i++) {
        struct exchange *x = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            flow_flush(l->poll_fd, &x->flow, l->m);
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            on_readable(l, x);
    }
    return now;
}

static void run_for(struct loop *l, double seconds)
{
    int64_t end = clock_now_ns() + (int64_t)(seconds * 1e9);

    while (turn(l) < end)
        ;
}

static void report(const struct plan *p, struct usage a, struct usage b, double messages,
                   double wire_bytes)
{
    double ns = (double)(b.clock_ns - a.clock_ns);
    double server_ns = (double)(b.server_ns - a.server_ns);

    if (messages < 1)
        errx(1, "no message was answered");
    printf("mode=%s conns=%d outstanding=%d payload=%zu messages=%.0f seconds=%.3f"
           " msgs_per_s=%.0f server_cpu_ns=%.0f cpu_ns_per_msg=%.1f",
           p->mode == MODE_WS ? "ws" : "raw", p->connections, p->outstanding, p->payload_len,
           messages, ns / 1e9, messages * 1e9 / ns, server_ns, server_ns / messages);
    if (p->compressed != NULL)
        printf(" wire_bytes=%.2f", wire_bytes / messages);
    usage_print_shares(a, b);
}

void closed_loop(const struct plan *p, const struct message *m, const struct rotation *r,
                 struct place *places, const int *fds)
{
    struct loop l = {.m = r != NULL ? &r->frames : m, .rotation = r,
                     .reads = p->reads || r != NULL, .heard_ns = clock_now_ns()};
    struct exchange *exchanges = calloc((size_t)p->connections, sizeof *exchanges);

    l.poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (exchanges == NULL || l.poll_fd < 0)
        err(1, "closed loop");
    for (int i = 0; i < p->connections; i++) {
        exchanges[i].flow.fd = fds[i];
        if (r != NULL) {
            exchanges[i].place = &places[i];
            exchanges[i].flow.position = r->turns[places[i].sends].at;
        }
        flow_watch(l.poll_fd, &exchanges[i].flow, EPOLL_CTL_ADD);
        submit(&l, &exchanges[i], (size_t)p->outstanding);
    }
    run_for(&l, p->warmup_seconds);

    uint64_t received = l.received, replies = l.replies;
    struct usage before = usage_read(p->server);
    run_for(&l, p->seconds);
    struct usage after = usage_read(p->server);
    /* By bytes, so that long messages count by the part that arrived, where all have one length. */
    double bytes = (double)(l.received - received);
    double messages = r != NULL ? (double)(l.replies - replies) : bytes / (double)m->reply_len;

    l.draining = true;
    while (l.in_flight > 0)
        turn(&l);
    for (int i = 0; i < p->connections; i++)
        r != NULL ? rotation_exchange(fds[i], r, &places[i]) : peer_exchange(fds[i], m);
    report(p, before, after, messages, bytes);
    close(l.poll_fd);
    free(exchanges);
}
