/* Agreeing on permessage-deflate (RFC 7692 section 7.1). */
#define _GNU_SOURCE
#include "load.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

/* The window that messages for servers with context takeover were compressed with, as its binary logarithm. */
enum { WINDOW_BITS = 12 };

/*
 * Without takeover neither side may refer to earlier messages, so that the same
 * bytes may be sent again and again. With it a browser's offer is made. What is
 * sent refers to nothing even then, as every client may do, but the server has
 * to be ready for more.
 */
const char *deflate_offer(const struct plan *p)
{
    if (p->compressed == NULL)
        return NULL;
    return p->takeover ? "permessage-deflate; client_max_window_bits"
                       : "permessage-deflate; client_no_context_takeover; server_no_context_takeover";
}

/* The value of a header that has that name and may stand nowhere, until the end of its line. */
static void header_value(const char *head, const char *name, char *value, size_t max)
{
    const char *at = strcasestr(head, name);
    size_t len = 0;

    if (at != NULL) {
        at += strlen(name);
        at += strspn(at, " \t");
        len = strcspn(at, "\r\n");
    }
    if (len >= max)
        errx(1, "opening handshake: a header of %zu bytes", len);
    memcpy(value, len > 0 ? at : "", len);
    value[len] = '\0';
}

void deflate_check(const struct plan *p, const char *head)
{
    static const char name[] = "permessage-deflate", window[] = "client_max_window_bits=";
    char answer[HEAD_MAX];

    header_value(head, "\r\nsec-websocket-extensions:", answer, sizeof answer);
    if (strncasecmp(answer, name, sizeof name - 1) != 0)
        errx(1, "opening handshake: no permessage-deflate");
    if ((strcasestr(answer, "server_no_context_takeover") == NULL) != p->takeover)
        errx(1, "opening handshake: the server %s context takeover: %s",
             p->takeover ? "refuses" : "insists on", answer);
    if (p->takeover && strcasestr(answer, "client_no_context_takeover") != NULL)
        errx(1, "opening handshake: the server refuses the client context takeover: %s", answer);

    const char *bits = strcasestr(answer, window);
    if (bits == NULL)
        return;
    bits += sizeof window - 1;
    bits += *bits == '"';
    if (!p->takeover || atoi(bits) < WINDOW_BITS)
        errx(1, "opening handshake: the server limits the client's window: %s", answer);
}
