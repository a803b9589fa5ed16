/* One connection, spoken to with patience: what happens outside the measurement. */
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_PER_ADDRESS = 10000 };

/* The key of RFC 6455 section 1.3, with the answer given there. */
static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
static const char accept_value[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

int peer_begin(int port, int index)
{
    /* One source address has fewer than 65,536 ports, and often half of them. */
    struct sockaddr_in from = {
        .sin_family = AF_INET,
        .sin_addr.s_addr =
            htonl(INADDR_LOOPBACK + (uint32_t)(index / CONNECTIONS_PER_ADDRESS))};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        err(1, "socket for connection %d", index);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    /* The port is chosen at connect, when the destination is known: no port runs out early. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0)
        err(1, "bind connection %d", index);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
        err(1, "connect connection %d", index);
    return fd;
}

static short wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n = poll(&p, 1, PATIENCE_MS);

    if (n < 0)
        err(1, "poll");
    if (n == 0)
        errx(1, "the server did not answer within %d ms", PATIENCE_MS);
    return p.revents;
}

bool peer_readable(int fd, int milliseconds)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n = poll(&p, 1, milliseconds);

    if (n < 0 && errno != EINTR)
        err(1, "poll");
    return n > 0;
}

int peer_connect(int port, int index)
{
    int fd = peer_begin(port, index), error;
    socklen_t len = sizeof error;

    wait_for(fd, POLLOUT);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        err(1, "getsockopt");
    errno = error;
    if (errno != 0)
        err(1, "connect connection %d", index);
    return fd;
}

static size_t receive(int fd, void *b, size_t len)
{
    ssize_t n = recv(fd, b, len, 0);

    if (n > 0)
        return (size_t)n;
    if (n == 0)
        errx(1, "the server closed a connection");
    if (errno != EAGAIN && errno != EINTR)
        err(1, "recv");
    return 0;
}

static size_t transmit(int fd, const void *b, size_t len)
{
    ssize_t n = send(fd, b, len, MSG_NOSIGNAL);

    if (n >= 0)
        return (size_t)n;
    if (errno != EAGAIN && errno != EINTR)
        err(1, "send");
    return 0;
}

size_t peer_request(char *request, int port, const char *offer)
{
    bool offers = offer != NULL;

    return (size_t)snprintf(request, HEAD_MAX,
                            "GET / HTTP/1.1\r\n"
                            "Host: 127.0.0.1:%d\r\n"
                            "Upgrade: websocket\r\n"
                            "Connection: Upgrade\r\n"
                            "Sec-WebSocket-Key: %s\r\n"
                            "%s%s%s"
                            "Sec-WebSocket-Version: 13\r\n\r\n",
                            port, key, offers ? "Sec-WebSocket-Extensions: " : "",
                            offers ? offer : "", offers ? "\r\n" : "");
}

size_t peer_response(const char *head)
{
    static const char name[] = "\r\nsec-websocket-accept:";
    const char *end = strstr(head, "\r\n\r\n");
    const char *value = strcasestr(head, name);

    if (end == NULL)
        return 0;

    if (strncmp(head, "HTTP/1.1 101 ", 13) != 0)
        errx(1, "opening handshake refused: %.*s", (int)strcspn(head, "\r\n"), head);
    if (value == NULL)
        errx(1, "opening handshake: no Sec-WebSocket-Accept");
    value += sizeof name - 1;
    value += strspn(value, " \t");
    if (strncmp(value, accept_value, sizeof accept_value - 1) != 0)
        errx(1, "opening handshake: wrong Sec-WebSocket-Accept");
    return (size_t)(end + 4 - head);
}

void peer_send(int fd, const void *b, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        wait_for(fd, POLLOUT);
        sent += transmit(fd, (const char *)b + sent, len - sent);
    }
}

size_t peer_receive(int fd, void *b, size_t max)
{
    wait_for(fd, POLLIN);
    return receive(fd, b, max);
}

void peer_handshake(int fd, const struct plan *p)
{
    char head[HEAD_MAX + 1];
    size_t len = 0, response_len;
    const char *offer = deflate_offer(p);

    peer_send(fd, head, peer_request(head, p->port, offer));
    do {
        if (len == HEAD_MAX)
            errx(1, "the server's handshake exceeds %d bytes", HEAD_MAX);
        len += peer_receive(fd, head + len, HEAD_MAX - len);
        head[len] = '\0';
        response_len = peer_response(head);
    } while (response_len == 0);
    if (response_len != len)
        errx(1, "the server sent bytes nobody asked for after its handshake");
    if (offer != NULL)
        deflate_check(p, head);
}

void peer_compare(const struct message *m, const unsigned char *reply, size_t len)
{
    if (len != m->reply_len || memcmp(reply, m->reply, len) != 0)
        errx(1, "wrong reply: %zu bytes, expected %zu", len, m->reply_len);
}

void peer_exchange(int fd, const struct message *m)
{
    /* Room for one byte more, so that a reply that is too long shows. */
    unsigned char *reply = malloc(m->reply_len + 1);
    size_t sent = 0, got = 0;

    if (reply == NULL)
        err(1, "malloc");
    while (got < m->reply_len) {
        /* Both ways at once: an echo may answer before it has everything. */
        if (sent < m->sent_len)
            sent += transmit(fd, m->sent + sent, m->sent_len - sent);
        short ready = wait_for(fd, sent < m->sent_len ? POLLIN | POLLOUT : POLLIN);
        if (ready & ~POLLOUT)
            got += receive(fd, reply + got, m->reply_len + 1 - got);
    }
    if (sent != m->sent_len)
        errx(1, "a reply before the message was sent");
    peer_compare(m, reply, got);
    free(reply);
}
