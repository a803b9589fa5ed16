/* Sending without waiting, and being told when there is room again. */
#define _GNU_SOURCE
#include "load.h"

#include <err.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

void flow_watch(int poll_fd, struct flow *f, int op)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = f};

    if (f->wants_write)
        ev.events |= EPOLLOUT;
    if (epoll_ctl(poll_fd, op, f->fd, &ev) != 0)
        err(1, "epoll_ctl");
}

void flow_flush(int poll_fd, struct flow *f, const struct message *m)
{
    while (f->unsent > 0) {
        /* The copies follow each other, so any number of messages is one piece of them. */
        size_t piece = m->copies * m->sent_len - f->position;
        if (piece > f->unsent)
            piece = f->unsent;
        ssize_t n = send(f->fd, m->sent + f->position, piece, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                err(1, "send");
            break;
        }
        f->unsent -= (size_t)n;
        f->position = (f->position + (size_t)n) % m->sent_len;
    }
    if (f->wants_write != (f->unsent > 0)) {
        f->wants_write = f->unsent > 0;
        flow_watch(poll_fd, f, EPOLL_CTL_MOD);
    }
}

void flow_send_bytes(int poll_fd, struct flow *f, const struct message *m, size_t bytes)
{
    f->unsent += bytes;
    flow_flush(poll_fd, f, m);
}

void flow_send(int poll_fd, struct flow *f, const struct message *m, size_t messages)
{
    flow_send_bytes(poll_fd, f, m, messages * m->sent_len);
}

size_t flow_discard(struct flow *f)
{
    /* On TCP, MSG_TRUNC discards instead of copying: the client stays light. */
    return flow_received(recv(f->fd, NULL, DISCARD_MAX, MSG_TRUNC));
}

size_t flow_received(ssize_t n)
{
    if (n > 0)
        return (size_t)n;
    if (n == 0)
        errx(1, "the server closed a connection");
    if (errno != EAGAIN && errno != EINTR)
        err(1, "recv");
    return 0;
}
