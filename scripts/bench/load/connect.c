/*
 * The connect loop: a fixed number of connections, each of which connects, shakes
 * hands, echoes one message, shakes hands again, waits for the server to close,
 * closes, and is replaced by a new one. Every answer is compared.
 */
#define _GNU_SOURCE
#include "load.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, TURN_MS = 100, INDICES = 150000 };
enum { FIN_CLOSE = 0x88, CLOSE_PAYLOAD_MAX = 125, NORMAL_CLOSURE = 1000 };

enum phase { CONNECTING, UPGRADING, ECHOING, CLOSING };

struct visit {
    int fd;
    enum phase phase;
    size_t got; /* bytes of the answer that this phase waits for */
    unsigned char answer[HEAD_MAX + 1];
};

struct loop {
    int poll_fd;
    const struct plan *p;
    const struct message *m;
    char request[HEAD_MAX];
    size_t request_len;
    bool draining; /* connections are no longer replaced */
    int open;
    uint64_t begun, done;
    int64_t heard_ns; /* when the server last gave a sign of life */
};

static void watch(struct loop *l, struct visit *v, int op, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = v};

    if (epoll_ctl(l->poll_fd, op, v->fd, &ev) != 0)
        err(1, "epoll_ctl");
}

/* What is sent here fits a new socket's buffer. Returns whether the socket was connected. */
static bool transmit(struct visit *v, const void *b, size_t len)
{
    ssize_t n = send(v->fd, b, len, MSG_NOSIGNAL);

    if (n < 0 && errno == EAGAIN && v->phase == CONNECTING)
        return false;
    if (n < 0)
        err(1, "send");
    if ((size_t)n != len)
        errx(1, "a socket took %zd of %zu bytes", n, len);
    return true;
}

/* Sends what a connection begins with; returns false while it is not established. */
static bool greet(struct loop *l, struct visit *v)
{
    if (l->p->mode == MODE_RAW) {
        if (!transmit(v, l->m->sent, l->m->sent_len))
            return false;
        v->phase = ECHOING;
    } else {
        if (!transmit(v, l->request, l->request_len))
            return false;
        v->phase = UPGRADING;
    }
    return true;
}

static void begin(struct loop *l, struct visit *v)
{
    /* The sources take turns, as the ports of closed connections rest for a while. */
    v->fd = peer_begin(l->p->port, (int)(l->begun++ % INDICES));
    v->phase = CONNECTING;
    v->got = 0;
    l->open++;
    /* On loopback, a connection is mostly there at once. */
    watch(l, v, EPOLL_CTL_ADD, greet(l, v) ? EPOLLIN : EPOLLOUT);
}

static void finish(struct loop *l, struct visit *v)
{
    close(v->fd);
    l->open--;
    l->done++;
    if (!l->draining)
        begin(l, v);
}

/* Reads once more of the answer; returns false at the end of the server's bytes. */
static bool receive(struct visit *v)
{
    if (v->got == HEAD_MAX)
        errx(1, "an answer exceeds %d bytes", HEAD_MAX);
    ssize_t n = recv(v->fd, v->answer + v->got, HEAD_MAX - v->got, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n < 0)
        err(1, "recv");
    if (n == 0 && v->phase != CLOSING)
        errx(1, "the server closed a connection");
    v->got += (size_t)n;
    return n > 0;
}

static void on_upgraded(struct loop *l, struct visit *v)
{
    v->answer[v->got] = '\0';
    size_t response_len = peer_response((char *)v->answer);
    if (response_len == 0)
        return;
    if (response_len != v->got)
        errx(1, "the server sent bytes nobody asked for after its handshake");
    v->phase = ECHOING;
    v->got = 0;
    transmit(v, l->m->sent, l->m->sent_len);
}

static void on_echoed(struct loop *l, struct visit *v)
{
    if (v->got < l->m->reply_len)
        return;
    if (v->got != l->m->reply_len || memcmp(v->answer, l->m->reply, v->got) != 0)
        errx(1, "wrong reply: %zu bytes, expected %zu", v->got, l->m->reply_len);
    v->phase = CLOSING;
    v->got = 0;
    if (l->p->mode == MODE_WS)
        transmit(v, close_frame, CLOSE_LEN);
    else if (shutdown(v->fd, SHUT_WR) != 0)
        err(1, "shutdown");
}

/* Whether b is one Close frame with the code that was sent (RFC 6455 section 5.5.1). */
static bool is_close_frame(const unsigned char *b, size_t len)
{
    return len >= 4 && b[0] == FIN_CLOSE && b[1] <= CLOSE_PAYLOAD_MAX && len == 2u + b[1] &&
           (b[2] << 8 | b[3]) == NORMAL_CLOSURE;
}

/* The server has ended its side: of WebSocket, its Close frame came before. */
static void on_closed(struct loop *l, struct visit *v)
{
    if (l->p->mode == MODE_WS ? !is_close_frame(v->answer, v->got) : v->got > 0)
        errx(1, "%zu bytes before the end, not one Close frame with %d", v->got, NORMAL_CLOSURE);
    finish(l, v);
}

static void on_readable(struct loop *l, struct visit *v)
{
    if (!receive(v))
        on_closed(l, v);
    else if (v->phase == UPGRADING)
        on_upgraded(l, v);
    else if (v->phase == ECHOING)
        on_echoed(l, v);
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
        errx(1, "stalled: %d connections wait for the server", l->open);
    for (int i = 0; i < n; i++) {
        struct visit *v = events[i].data.ptr;
        if (v->phase != CONNECTING)
            on_readable(l, v);
        else if (greet(l, v))
            watch(l, v, EPOLL_CTL_MOD, EPOLLIN);
    }
    return now;
}

/* Runs for `seconds`, or until `cycles` more connections are done if that is not 0. */
static void run_for(struct loop *l, double seconds, double cycles)
{
    int64_t end = clock_now_ns() + (int64_t)(seconds * 1e9);
    double enough = (double)l->done + cycles;
    int64_t now;

    do
        now = turn(l);
    while (cycles > 0 ? (double)l->done < enough : now < end);
}

static void report(const struct plan *p, struct usage a, struct usage b, double cycles)
{
    double ns = (double)(b.clock_ns - a.clock_ns);
    double server_ns = (double)(b.server_ns - a.server_ns);

    if (cycles < 1)
        errx(1, "no connection was opened and closed");
    printf("mode=%s conns=%d payload=%zu cycles=%.0f seconds=%.3f cycles_per_s=%.0f"
           " server_cpu_ns=%.0f cpu_ns_per_cycle=%.1f client_cpu_ns=%.0f",
           p->mode == MODE_WS ? "connect" : "connect-raw", p->connections, p->payload_len, cycles,
           ns / 1e9, cycles * 1e9 / ns, server_ns, server_ns / cycles,
           (double)(b.client_ns - a.client_ns));
    usage_print_shares(a, b);
}

void connect_loop(const struct plan *p, const struct message *m)
{
    struct loop l = {.p = p, .m = m, .heard_ns = clock_now_ns()};
    struct visit *visits = calloc((size_t)p->connections, sizeof *visits);

    l.poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (visits == NULL || l.poll_fd < 0)
        err(1, "connect loop");
    if (m->reply_len >= HEAD_MAX)
        errx(2, "payloads of %zu bytes are too long here", p->payload_len);
    l.request_len = peer_request(l.request, p->port, NULL);
    for (int i = 0; i < p->connections; i++)
        begin(&l, &visits[i]);
    run_for(&l, p->warmup_seconds, 0);

    double done = (double)l.done;
    struct usage before = usage_read(p->server);
    run_for(&l, p->seconds, p->cycles);
    struct usage after = usage_read(p->server);
    done = (double)l.done - done;

    l.draining = true;
    while (l.open > 0)
        turn(&l);
    report(p, before, after, done);
    close(l.poll_fd);
    free(visits);
}
