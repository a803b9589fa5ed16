/* The bytes that travel, encoded once. */
#include "load.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

enum { FINAL = 0x80, OPCODE_BINARY = 0x2, OPCODE_CLOSE = 0x8, MASKED = 0x80, HEADER_MAX = 14 };

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
static size_t put_header(unsigned char *b, size_t payload_len, unsigned char masked)
{
    int length_bytes = payload_len <= 125 ? 0 : payload_len <= 0xffff ? 2 : 8;

    b[0] = FINAL | OPCODE_BINARY;
    if (length_bytes == 0)
        b[1] = masked | (unsigned char)payload_len;
    else
        b[1] = masked | (length_bytes == 2 ? 126 : 127);
    for (int i = 0; i < length_bytes; i++)
        b[2 + i] = (unsigned char)((uint64_t)payload_len >> 8 * (length_bytes - 1 - i));
    return 2 + (size_t)length_bytes;
}

/* Bytes without a short period, so that a shifted or torn reply is noticed. */
static unsigned char payload_byte(size_t i)
{
    return (unsigned char)((i * 2654435761u) >> 13);
}

struct message message_build(enum mode mode, size_t payload_len, int copies)
{
    struct message m = {.copies = (size_t)copies};
    unsigned char *one = allocate(HEADER_MAX + payload_len);
    size_t header_len = put_header(one, payload_len, MASKED);

    memcpy(one + header_len, masking_key, sizeof masking_key);
    header_len += sizeof masking_key;
    for (size_t i = 0; i < payload_len; i++)
        one[header_len + i] = payload_byte(i) ^ masking_key[i % 4];
    m.sent_len = header_len + payload_len;

    m.sent = allocate(m.sent_len * m.copies);
    for (size_t i = 0; i < m.copies; i++)
        memcpy(m.sent + i * m.sent_len, one, m.sent_len);

    /* A plain TCP echo sends the masked frame back as it came. */
    if (mode == MODE_RAW) {
        m.reply = one;
        m.reply_len = m.sent_len;
        return m;
    }
    header_len = put_header(one, payload_len, 0);
    for (size_t i = 0; i < payload_len; i++)
        one[header_len + i] = payload_byte(i);
    m.reply = one;
    m.reply_len = header_len + payload_len;
    return m;
}
