/* The bytes that travel, encoded once. */
#include "load.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

enum { FINAL = 0x80, OPCODE_TEXT = 0x1, OPCODE_BINARY = 0x2, OPCODE_CLOSE = 0x8, MASKED = 0x80, HEADER_MAX = 14 };

/* The masking key of the examples in RFC 6455 section 5.7. */
static const unsigned char masking_key[4] = {0x37, 0xfa, 0x21, 0x3d};

const unsigned char close_frame[CLOSE_LEN] = {
    FINAL | OPCODE_CLOSE, MASKED | 2, 0x37, 0xfa, 0x21, 0x3d, 1000 >> 8 ^ 0x37, (1000 & 0xff) ^ 0xfa};

static void *allocate(size_t n)
{
    void *p = malloc(n);
    if (p == NULL)
        err(1, "malloc %zu bytes", n);
    return p;
}

/* Encodes a frame header (RFC 6455 section 5.2) without key; returns its length. */
static size_t put_header(unsigned char *b, const struct plan *p, unsigned char masked)
{
    size_t payload_len = p->payload_len;
    int length_bytes = payload_len <= 125 ? 0 : payload_len <= 0xffff ? 2 : 8;

    b[0] = FINAL | (p->text ? OPCODE_TEXT : OPCODE_BINARY);
    if (length_bytes == 0)
        b[1] = masked | (unsigned char)payload_len;
    else
        b[1] = masked | (length_bytes == 2 ? 126 : 127);
    for (int i = 0; i < length_bytes; i++)
        b[2 + i] = (unsigned char)((uint64_t)payload_len >> 8 * (length_bytes - 1 - i));
    return 2 + (size_t)length_bytes;
}

/* Bytes without a short period, so that a shifted or torn reply is noticed. */
static unsigned char binary_byte(size_t i)
{
    return (unsigned char)((i * 2654435761u) >> 13);
}

/* The same in UTF-8: blocks end with U+00FC and U+4E16, a rest that fills no block is ASCII. */
static unsigned char text_byte(size_t i, size_t payload_len)
{
    static const char tail[] = "\xc3\xbc\xe4\xb8\x96";
    enum { BLOCK = 64, TAIL = sizeof tail - 1 };
    size_t at = i % BLOCK;

    if (at >= BLOCK - TAIL && i - at + BLOCK <= payload_len)
        return (unsigned char)tail[at - (BLOCK - TAIL)];
    return ' ' + binary_byte(i) % ('~' - ' ' + 1);
}

static unsigned char payload_byte(const struct plan *p, size_t i)
{
    return p->text ? text_byte(i, p->payload_len) : binary_byte(i);
}

struct message message_build(const struct plan *p)
{
    size_t payload_len = p->payload_len;
    struct message m = {.copies = (size_t)p->outstanding};
    unsigned char *one = allocate(HEADER_MAX + payload_len);
    size_t header_len = put_header(one, p, MASKED);

    memcpy(one + header_len, masking_key, sizeof masking_key);
    header_len += sizeof masking_key;
    for (size_t i = 0; i < payload_len; i++)
        one[header_len + i] = payload_byte(p, i) ^ masking_key[i % 4];
    m.sent_len = header_len + payload_len;

    m.sent = allocate(m.sent_len * m.copies);
    for (size_t i = 0; i < m.copies; i++)
        memcpy(m.sent + i * m.sent_len, one, m.sent_len);

    /* A plain TCP echo sends the masked frame back as it came. */
    if (p->mode == MODE_RAW) {
        m.reply = one;
        m.reply_len = m.sent_len;
        return m;
    }
    header_len = put_header(one, p, 0);
    for (size_t i = 0; i < payload_len; i++)
        one[header_len + i] = payload_byte(p, i);
    m.reply = one;
    m.reply_len = header_len + payload_len;
    return m;
}
