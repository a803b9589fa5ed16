/* The bytes that travel, encoded once. */
#include "load.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

/* The masking key of the examples in RFC 6455 section 5.7. */
static const unsigned char masking_key[4] = {0x37, 0xfa, 0x21, 0x3d};

const unsigned char close_frame[CLOSE_LEN] = {
    FINAL | OPCODE_CLOSE, MASKED | 2, 0x37, 0xfa, 0x21, 0x3d, 1000 >> 8 ^ 0x37, (1000 & 0xff) ^ 0xfa};

void *allocate(size_t n)
{
    void *p = malloc(n > 0 ? n : 1);
    if (p == NULL)
        err(1, "malloc %zu bytes", n);
    return p;
}

static size_t length_bytes(size_t payload_len)
{
    return payload_len <= 125 ? 0 : payload_len <= 0xffff ? 2 : 8;
}

/* Encodes a frame header (RFC 6455 section 5.2) without key; returns its length. */
static size_t put_header(unsigned char *b, unsigned char first, unsigned char masked, size_t payload_len)
{
    size_t more = length_bytes(payload_len);

    b[0] = first;
    if (more == 0)
        b[1] = masked | (unsigned char)payload_len;
    else
        b[1] = masked | (more == 2 ? 126 : 127);
    for (size_t i = 0; i < more; i++)
        b[2 + i] = (unsigned char)((uint64_t)payload_len >> 8 * (more - 1 - i));
    return 2 + more;
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

size_t message_frame(unsigned char *b, unsigned char first, const unsigned char *payload, size_t payload_len)
{
    size_t header_len = put_header(b, first, MASKED, payload_len);

    memcpy(b + header_len, masking_key, sizeof masking_key);
    header_len += sizeof masking_key;
    for (size_t i = 0; i < payload_len; i++)
        b[header_len + i] = payload[i] ^ masking_key[i % 4];
    return header_len + payload_len;
}

struct message message_build(const struct plan *p)
{
    size_t payload_len = p->payload_len;
    unsigned char first = FINAL | (p->text ? OPCODE_TEXT : OPCODE_BINARY);
    struct message m = {.copies = (size_t)p->outstanding};
    unsigned char *one = allocate(HEADER_MAX + payload_len), *payload = allocate(payload_len);

    for (size_t i = 0; i < payload_len; i++)
        payload[i] = payload_byte(p, i);
    m.sent_len = message_frame(one, first, payload, payload_len);

    m.sent = allocate(m.sent_len * m.copies);
    for (size_t i = 0; i < m.copies; i++)
        memcpy(m.sent + i * m.sent_len, one, m.sent_len);

    /* A plain TCP echo sends the masked frame back as it came. */
    m.reply = one;
    m.reply_len = m.sent_len;
    if (p->mode == MODE_WS) {
        size_t header_len = put_header(one, first, 0, payload_len);
        memcpy(one + header_len, payload, payload_len);
        m.reply_len = header_len + payload_len;
    }
    free(payload);
    return m;
}
