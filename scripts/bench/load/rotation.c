/* Messages that were compressed beforehand, and replies whose lengths nobody knows. */
#include "load.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 64 << 20, LENGTHS = 8, PIECE = 64 << 10 };

static unsigned char *read_file(const char *name, size_t *len)
{
    FILE *f = fopen(name, "rb");
    unsigned char *b = allocate(FILE_MAX);

    if (f == NULL)
        err(1, "%s", name);
    *len = fread(b, 1, FILE_MAX, f);
    if (ferror(f) || !feof(f))
        errx(1, "%s: it cannot be read, or is longer than %d bytes", name, FILE_MAX);
    fclose(f);
    return b;
}

static size_t big_endian(const unsigned char *b, int bytes)
{
    size_t n = 0;

    for (int i = 0; i < bytes; i++)
        n = n << 8 | b[i];
    return n;
}

struct rotation rotation_read(const struct plan *p)
{
    struct rotation r = {.frames.copies = 1};
    size_t len, compressed_len;

    r.file = read_file(p->compressed, &len);
    r.turns = allocate(len / LENGTHS * sizeof *r.turns);
    r.frames.sent = allocate(len / LENGTHS * HEADER_MAX + len);
    for (size_t at = 0; at < len; at += compressed_len) {
        struct turn *t = &r.turns[r.count];

        if (len - at < LENGTHS)
            errx(1, "%s: half a message", p->compressed);
        t->payload_len = big_endian(r.file + at, 4);
        compressed_len = big_endian(r.file + at + 4, 4);
        at += LENGTHS;
        t->payload = r.file + at;
        if (t->payload_len > len - at || compressed_len > len - at - t->payload_len)
            errx(1, "%s: half a message", p->compressed);
        at += t->payload_len;
        t->at = r.frames.sent_len;
        t->frame_len = message_frame(r.frames.sent + t->at, FINAL | RSV1 | OPCODE_TEXT, r.file + at,
                                     compressed_len);
        r.frames.sent_len += t->frame_len;
        r.count++;
    }
    if (r.count == 0)
        errx(1, "%s: no messages", p->compressed);
    return r;
}

void rotation_free(struct rotation *r)
{
    free(r->frames.sent);
    free(r->turns);
    free(r->file);
}

size_t rotation_take(const struct rotation *r, struct place *x, size_t messages)
{
    size_t bytes = 0;

    for (; messages > 0; messages--) {
        bytes += r->turns[x->sends].frame_len;
        x->sends = (x->sends + 1) % r->count;
    }
    return bytes;
}

/* How long the header is that begins with what has come, as far as that tells. */
static size_t expected(const struct place *x)
{
    if (x->header_len < 2)
        return 2;
    switch (x->header[1] & PAYLOAD_LEN) {
    case 126: return 2 + 2;
    case 127: return 2 + 8;
    default: return 2;
    }
}

/*
 * Looks at a whole header. A reply is text, in one frame or several: some servers
 * send what they compress as it comes.
 */
static void begin_payload(struct place *x)
{
    unsigned char first = x->header[0], opcode_bits = first & (unsigned char)~FINAL;
    bool fits = x->open ? opcode_bits == 0 : (opcode_bits & ~RSV1) == OPCODE_TEXT;

    if (!fits || (x->header[1] & MASKED) != 0)
        errx(1, "a reply has a frame that begins with %02x %02x", first, x->header[1]);
    if (!x->open)
        x->compressed = (first & RSV1) != 0;
    x->open = true;
    x->left = x->header_len == 2 ? x->header[1] & PAYLOAD_LEN
                                 : big_endian(x->header + 2, (int)x->header_len - 2);
    x->in_payload = true;
}

/* Takes some of a frame's payload; a reply that is not compressed has to be the message. */
static size_t take_payload(const struct turn *t, struct place *x, const unsigned char *b, size_t len)
{
    size_t piece = len < x->left ? len : (size_t)x->left;

    if (!x->compressed &&
        (piece > t->payload_len - x->got || memcmp(b, t->payload + x->got, piece) != 0))
        errx(1, "a reply that is not the message");
    x->left -= piece;
    x->got += piece;
    return piece;
}

/* Ends a frame whose payload is there; returns whether the reply ends with it. */
static bool end_frame(const struct rotation *r, struct place *x)
{
    /* The fixed code of DEFLATE takes nine bits for a byte at most (RFC 1951 section 3.2.6). */
    size_t payload_len = r->turns[x->receives].payload_len, most = payload_len + payload_len / 8 + 16;
    bool final = (x->header[0] & FINAL) != 0;

    if (x->compressed ? x->got > most || (final && x->got == 0) : final && x->got != payload_len)
        errx(1, "a reply of %zu bytes to a message of %zu", x->got, payload_len);
    if (final)
        *x = (struct place){.sends = x->sends, .receives = (x->receives + 1) % r->count};
    x->in_payload = false;
    x->header_len = 0;
    return final;
}

size_t rotation_replies(const struct rotation *r, struct place *x, const unsigned char *b, size_t len)
{
    size_t replies = 0;

    for (size_t at = 0; at < len;) {
        if (x->in_payload) {
            at += take_payload(&r->turns[x->receives], x, b + at, len - at);
        } else {
            x->header[x->header_len++] = b[at++];
            if (x->header_len >= 2 && x->header_len == expected(x))
                begin_payload(x);
        }
        if (x->in_payload && x->left == 0)
            replies += end_frame(r, x);
    }
    return replies;
}

bool rotation_begun(const struct place *x)
{
    return x->open || x->header_len > 0;
}

void rotation_exchange(int fd, const struct rotation *r, struct place *x)
{
    static unsigned char reply[PIECE];
    const struct turn *t = &r->turns[x->sends];
    size_t replies = 0;

    peer_send(fd, r->frames.sent + t->at, rotation_take(r, x, 1));
    while (replies == 0)
        replies = rotation_replies(r, x, reply, peer_receive(fd, reply, PIECE));
    if (replies != 1 || rotation_begun(x))
        errx(1, "the server sent more than it was asked for");
}
