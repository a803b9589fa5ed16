/*
 * echo: the physical limit. One thread, level-triggered epoll, TCP echo, and
 * nothing else: no framing, no handshake, no timeouts. A WebSocket server that
 * costs no more than this costs nothing beyond what the kernel charges.
 *
 *     echo [port]        port 0, the default, lets the kernel choose
 *
 * Prints its address once it accepts connections.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 64 << 10, EVENTS = 256, BACKLOG = 4096 };

/* Bytes that were read but that the socket would not take back yet. */
struct pending {
    char *bytes; /* NULL unless the connection waits to become writable */
    size_t off, len;
};

static int poll_fd;
static struct pending *pending; /* indexed by descriptor */
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
        if ((size_t)fd >= pending_cap) {
            size_t cap = 2 * (size_t)fd;
            pending = reallocarray(pending, cap, sizeof *pending);
            if (pending == NULL)
                err(1, "reallocarray");
            memset(pending + pending_cap, 0, (cap - pending_cap) * sizeof *pending);
            pending_cap = cap;
        }
        watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
}

static void drop(int fd)
{
    free(pending[fd].bytes);
    pending[fd] = (struct pending){0};
    close(fd);
}

/* One read and one write per event. While output waits, nothing more is read. */
static void echo(int fd)
{
    ssize_t got = read(fd, buffer, sizeof buffer);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            drop(fd);
        return;
    }
    ssize_t put = send(fd, buffer, (size_t)got, MSG_NOSIGNAL);
    if (put == got)
        return;
    if (put < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            drop(fd);
            return;
        }
        put = 0;
    }
    struct pending *p = &pending[fd];
    p->off = 0;
    p->len = (size_t)(got - put);
    p->bytes = malloc(p->len);
    if (p->bytes == NULL)
        err(1, "malloc");
    memcpy(p->bytes, buffer + put, p->len);
    watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
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
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poll_fd < 0)
        err(1, "epoll_create1");
    int listener = listen_on(argc > 1 ? atoi(argv[1]) : 0);
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
                echo(fd);
        }
    }
}
