/*
 * echo: the physical limit. One thread, level-triggered epoll, TCP echo, and
 * nothing else: no framing, no handshake, no timeouts. A WebSocket server that
 * costs no more than this costs nothing beyond what the kernel charges.
 *
 *     echo [-b] [port]        port 0, the default, lets the kernel choose
 *
 * With -b what is read from a connection goes to all, that one too, with a send
 * for each: the limit of a broadcast. Prints its address once it accepts
 * connections.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 64 << 10, EVENTS = 256, BACKLOG = 4096 };

/* Bytes that were read but that the socket would not take yet. */
struct pending {
    char *bytes; /* NULL unless the connection waits to become writable */
    size_t off, len;
};

static int poll_fd;
static struct pending *pending; /* indexed by descriptor */
static bool *is_open;           /* the same; only a broadcast asks */
static size_t pending_cap;
static char buffer[BUFFER_BYTES];

static void watch(int op, int fd, uint32_t interest)
{
    struct epoll_event ev = {.events = interest, .data.fd = fd};
    if (epoll_ctl(poll_fd, op, fd, &ev) != 0)
        err(1, "epoll_ctl");
}

static int listen_on(int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t addr_len = sizeof addr;
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        err(1, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    /* Accepted sockets inherit TCP_NODELAY: one system call less for each. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&addr, addr_len) != 0)
        err(1, "bind");
    if (listen(fd, BACKLOG) != 0)
        err(1, "listen");
    getsockname(fd, (struct sockaddr *)&addr, &addr_len);
    printf("echo: listening on 127.0.0.1:%d\n", ntohs(addr.sin_port));
    fflush(stdout);
    return fd;
}

/* Makes room in what is indexed by descriptor. */
static void reserve(int fd)
{
    if ((size_t)fd < pending_cap)
        return;
    size_t cap = 2 * (size_t)fd;
    pending = reallocarray(pending, cap, sizeof *pending);
    is_open = reallocarray(is_open, cap, sizeof *is_open);
    if (pending == NULL || is_open == NULL)
        err(1, "reallocarray");
    memset(pending + pending_cap, 0, (cap - pending_cap) * sizeof *pending);
    memset(is_open + pending_cap, 0, (cap - pending_cap) * sizeof *is_open);
    pending_cap = cap;
}

static void accept_all(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN)
                return;
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            err(1, "accept");
        }
        reserve(fd);
        is_open[fd] = true;
        watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
}

static void drop(int fd)
{
    free(pending[fd].bytes);
    pending[fd] = (struct pending){0};
    is_open[fd] = false;
    close(fd);
}

/* Keeps bytes until the socket takes them, behind those that wait already. */
static void hold(int fd, const char *bytes, size_t len)
{
    struct pending *p = &pending[fd];
    bool first = p->bytes == NULL;

    if (p->off > 0)
        memmove(p->bytes, p->bytes + p->off, p->len - p->off);
    p->len -= p->off;
    p->off = 0;
    p->bytes = realloc(p->bytes, p->len + len);
    if (p->bytes == NULL)
        err(1, "realloc");
    memcpy(p->bytes + p->len, bytes, len);
    p->len += len;
    if (first)
        watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

/* Sends what was read with one call; returns false if the connection is broken. */
static bool pass(int fd, size_t len)
{
    ssize_t put = send(fd, buffer, len, MSG_NOSIGNAL);

    if (put < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    size_t taken = put > 0 ? (size_t)put : 0;
    if (taken < len)
        hold(fd, buffer + taken, len - taken);
    return true;
}

/* Reads once. Returns how much, or 0 if there is nothing to send. */
static size_t receive(int fd)
{
    ssize_t got = read(fd, buffer, sizeof buffer);

    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        drop(fd);
    return got > 0 ? (size_t)got : 0;
}

/* One read and one write per event. While output waits, nothing more is read. */
static void echo(int fd)
{
    size_t len = receive(fd);

    if (len > 0 && !pass(fd, len))
        drop(fd);
}

/*
 * One read, and one write to each. A broken connection is dropped at its own
 * event: one of this turn may still be to come, and must not meet another
 * connection with the same descriptor.
 */
static void broadcast(int from)
{
    size_t len = receive(from);

    if (len == 0)
        return;
    for (size_t fd = 0; fd < pending_cap; fd++) {
        if (!is_open[fd])
            continue;
        if (pending[fd].bytes != NULL)
            hold((int)fd, buffer, len);
        else
            pass((int)fd, len);
    }
}

static void drain(int fd)
{
    struct pending *p = &pending[fd];
    ssize_t put = send(fd, p->bytes + p->off, p->len - p->off, MSG_NOSIGNAL);
    if (put < 0) {
        if (errno != EAGAIN && errno != EINTR)
            drop(fd);
        return;
    }
    p->off += (size_t)put;
    if (p->off < p->len)
        return;
    free(p->bytes);
    p->bytes = NULL;
    watch(EPOLL_CTL_MOD, fd, EPOLLIN);
}

int main(int argc, char **argv)
{
    void (*on_readable)(int fd) = echo;
    struct rlimit files;
    int flag;

    while ((flag = getopt(argc, argv, "b")) != -1) {
        if (flag != 'b')
            errx(2, "usage: echo [-b] [port]");
        on_readable = broadcast;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poll_fd < 0)
        err(1, "epoll_create1");
    int listener = listen_on(optind < argc ? atoi(argv[optind]) : 0);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);

    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(poll_fd, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            err(1, "epoll_wait");
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                accept_all(listener);
            else if (pending[fd].bytes != NULL)
                drain(fd);
            else
                on_readable(fd);
        }
    }
}
