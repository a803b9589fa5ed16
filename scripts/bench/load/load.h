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
    bool reads; /* replies are copied, as by who looks at them; else the kernel discards them */
    bool text;  /* messages are text, else binary */
    bool churn; /* connections come and go: connect_loop instead of closed_loop */
    bool broadcast; /* one sends and all receive: broadcast_loop instead of closed_loop */
    const char *compressed; /* file of messages that were compressed beforehand; NULL for none */
    bool takeover; /* with those: context may be taken over in both directions, else in neither */
    int connections;
    int outstanding; /* messages each connection keeps in flight, or broadcasts in all */
    size_t payload_len;
    double warmup_seconds, seconds;
    double cycles; /* of the connect loop, instead of seconds; 0 for none */
    pid_t server;
};

/* Bits and opcodes of a frame's first two bytes (RFC 6455 section 5.2), and its longest header. */
enum {
    FINAL = 0x80, RSV1 = 0x40, OPCODE_TEXT = 0x1, OPCODE_BINARY = 0x2, OPCODE_CLOSE = 0x8,
    MASKED = 0x80, PAYLOAD_LEN = 0x7f,
    HEADER_MAX = 14,
};

/* malloc that does not fail. */
void *allocate(size_t n);

/* A message and its answer, encoded once before anything is measured. */
struct message {
    unsigned char *sent; /* `copies` equal messages, one after the other */
    size_t sent_len;     /* of one */
    size_t copies;
    unsigned char *reply; /* one */
    size_t reply_len;
};

/*
 * Text is printable ASCII; of each whole 64 bytes the last five are a character
 * of two bytes and one of three.
 */
struct message message_build(const struct plan *p);
/* Encodes a masked frame with that first byte, into HEADER_MAX bytes more than it has payload; returns its length. */
size_t message_frame(unsigned char *b, unsigned char first, const unsigned char *payload, size_t payload_len);
/* A masked Close frame with 1000, and its length. */
enum { CLOSE_LEN = 8 };
extern const unsigned char close_frame[CLOSE_LEN];

/* What receives an opening handshake, and more than any server here sends. */
enum { HEAD_MAX = 4096 };

/* Begins to connect connection number `index`; the descriptor does not block. */
int peer_begin(int port, int index);
/* Connects connection number `index`; the descriptor does not block. */
int peer_connect(int port, int index);
/*
 * Writes the request of an opening handshake into HEAD_MAX bytes; returns its length. `offer` is that
 * of extensions, or NULL.
 */
size_t peer_request(char *request, int port, const char *offer);
/*
 * The length of the response at the beginning of `head`, which ends with a zero
 * byte; 0 if it is not finished. Refuses anything but 101 with the right
 * Sec-WebSocket-Accept.
 */
size_t peer_response(const char *head);
/* Performs the opening handshake of RFC 6455 section 4.1, with compression if that is planned. */
void peer_handshake(int fd, const struct plan *p);
/* Sends one message and compares the answer byte for byte. */
void peer_exchange(int fd, const struct message *m);
/* Sends all these bytes. */
void peer_send(int fd, const void *b, size_t len);
/* Waits for bytes, and receives at most max of them; returns how many. */
size_t peer_receive(int fd, void *b, size_t max);

/* Whether fd becomes readable within some milliseconds. */
bool peer_readable(int fd, int milliseconds);
/* Compares bytes that arrived with the reply, of which they are all. */
void peer_compare(const struct message *m, const unsigned char *reply, size_t len);

/* What is on its way to the server on one connection. */
struct flow {
    int fd;
    bool wants_write; /* registered for EPOLLOUT */
    size_t unsent;    /* bytes owed to the server */
    size_t position;  /* within the message being sent */
};

enum { DISCARD_MAX = 1 << 20 };

/* Registers f for reading, and for writing if it wants that; the event's data is f. */
void flow_watch(int poll_fd, struct flow *f, int op);
/* Sends what the socket takes of what is owed. */
void flow_flush(int poll_fd, struct flow *f, const struct message *m);
/* Sends some more bytes of the messages, as far as the socket takes them. */
void flow_send_bytes(int poll_fd, struct flow *f, const struct message *m, size_t bytes);
/* Sends some more messages, as far as the socket takes them. */
void flow_send(int poll_fd, struct flow *f, const struct message *m, size_t messages);
/* Throws away bytes that arrived, up to DISCARD_MAX; returns how many. */
size_t flow_discard(struct flow *f);
/* What recv returned: the number of bytes, 0 if there was nothing to read yet. */
size_t flow_received(ssize_t n);

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
/* Ends a line of key=value with who used how much of a core between two readings. */
void usage_print_shares(struct usage a, struct usage b);

/* What to offer in the opening handshake (RFC 7692 section 7.1), or NULL for no compression. */
const char *deflate_offer(const struct plan *p);
/* Refuses a response that does not agree to what was offered. */
void deflate_check(const struct plan *p, const char *head);

/* A message of a rotation. */
struct turn {
    size_t at, frame_len;         /* of its frame within the frames of all */
    size_t payload_len;           /* before it was compressed */
    const unsigned char *payload; /* in the file */
};

/* Messages that were compressed beforehand, which a connection sends one after the other, for ever. */
struct rotation {
    struct message frames; /* one message for flows: the frames of all, without a reply */
    struct turn *turns;
    size_t count;
    unsigned char *file;
};

/* Where a connection is in a rotation, and within a reply. Its first message may be any. */
struct place {
    size_t sends, receives; /* indices of the messages that are next */
    bool open;              /* a reply has begun: its first header is whole */
    bool compressed;        /* that reply */
    bool in_payload;        /* of its frame */
    unsigned char header[10];
    size_t header_len; /* what has come of the frame's header */
    size_t left;       /* bytes of its payload that have not come */
    size_t got;        /* bytes of the reply's payload that have */
};

/*
 * Reads the file of the plan: for each message the lengths of its payload and of that compressed, four
 * bytes each with the most significant first, and then both.
 */
struct rotation rotation_read(const struct plan *p);
void rotation_free(struct rotation *r);
/* Moves on by as many messages, and returns how many bytes their frames have. */
size_t rotation_take(const struct rotation *r, struct place *x, size_t messages);
/*
 * Takes bytes that arrived, and returns how many replies they end. Refuses what cannot be one; what is
 * compressed is looked at no further.
 */
size_t rotation_replies(const struct rotation *r, struct place *x, const unsigned char *b, size_t len);
/* Whether a part of a reply has come, but not all of it. */
bool rotation_begun(const struct place *x);
/* Sends the next message and takes its reply. */
void rotation_exchange(int fd, const struct rotation *r, struct place *x);

/*
 * Keeps `outstanding` messages in flight on every descriptor, and reports. They are those of the rotation,
 * unless it is NULL; then `places` say where each connection is in it.
 */
void closed_loop(const struct plan *p, const struct message *m, const struct rotation *r,
                 struct place *places, const int *fds);

/* Longest payload of a broadcast, which is sent whole before anyone reads. */
enum { BROADCAST_MAX = 64 << 10 };
/* Keeps `outstanding` broadcasts of the first connection in flight, and reports. */
void broadcast_loop(const struct plan *p, const struct message *m, const int *fds);

/* Keeps opening connections that echo one message and close, and reports. */
void connect_loop(const struct plan *p, const struct message *m);

#endif
