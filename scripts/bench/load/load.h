/*
 * The load generator's parts. Every function here ends the process with a
 * message when something fails: a measurement with a fault in it is no
 * measurement.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum mode { MODE_RAW, MODE_WS };

/* How long a peer may stay silent while it owes an answer. */
enum { PATIENCE_MS = 10000 };

struct plan {
    int port;
    enum mode mode;
    int connections;
    int outstanding; /* messages each connection keeps in flight */
    size_t payload_len;
    double warmup_seconds, seconds;
    pid_t server;
};

/* A message and its answer, encoded once before anything is measured. */
struct message {
    unsigned char *sent; /* `copies` equal messages, one after the other */
    size_t sent_len;     /* of one */
    size_t copies;
    unsigned char *reply; /* one */
    size_t reply_len;
};

struct message message_build(enum mode mode, size_t payload_len, int copies);

/* Connects connection number `index`; the descriptor does not block. */
int peer_connect(int port, int index);
/* Performs the opening handshake of RFC 6455 section 4.1. */
void peer_handshake(int fd, int port);
/* Sends one message and compares the answer byte for byte. */
void peer_exchange(int fd, const struct message *m);

/* Readings taken together; the difference of two describes the time between. */
struct usage {
    int64_t clock_ns;  /* monotonic */
    int64_t server_ns; /* CPU of the server, all its threads, dead ones too */
    int64_t client_ns; /* CPU of this process */
    int64_t busy_ns;   /* CPU of the whole machine, stolen time included */
    int64_t irq_ns;    /* the part of busy_ns that interrupts took */
};

struct usage usage_read(pid_t server);
int64_t clock_now_ns(void);

/* Keeps `outstanding` messages in flight on every descriptor, and reports. */
void closed_loop(const struct plan *p, const struct message *m, const int *fds);

#endif
