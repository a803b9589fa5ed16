/*
 * load: drives an echo server over TCP or WebSocket on this machine, and says
 * what each message cost it. One thread, made to be lighter than the server.
 *
 *     load -p port -P pid [-m raw|ws] [-c connections] [-o outstanding]
 *          [-b payload bytes] [-T] [-r] [-t seconds] [-w warm-up seconds]
 *     load -p port -P pid -m broadcast|broadcast-raw [-c connections] [-o outstanding]
 *          [-b payload bytes] [-T] [-t seconds] [-w warm-up seconds]
 *     load -p port -P pid -m connect|connect-raw [-c connections] [-b payload bytes]
 *          [-t seconds | -n cycles] [-w warm-up seconds]
 *     load -p port -i [-m raw|ws] [-c connections] [-b payload bytes]
 *     load -p port {-P pid | -i} -z file [-Z] [-c connections] [-o outstanding]
 *          [-t seconds] [-w warm-up seconds]
 *
 * The first form runs a closed loop and prints one line of key=value. The second
 * does so with a server that sends each message to all: one connection sends,
 * and -o is the number of broadcasts on their way. The third does so with
 * connections that come and go: connect, handshake, one echo, closing handshake,
 * close, and again; connect-raw leaves out the handshakes. The fourth opens the
 * connections, prints "open N" and holds them; for every line "echo" on its
 * standard input it echoes one message on each and prints "echoed N"; it ends with
 * its input. The fifth is the first or the fourth with messages that were compressed
 * beforehand (permessage-deflate), without context takeover, or with -Z with it.
 *
 * In all modes the client sends masked WebSocket frames; in raw modes there are no
 * handshakes, and frames are just bytes that the server returns. With -T they are
 * text. So the same number of bytes travels to the server, and a WebSocket reply is
 * four bytes shorter, the masking key.
 */
#include "load.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: load -p port {-P pid | -i}"
                    " [-m raw|ws|broadcast|broadcast-raw|connect|connect-raw] [-c connections]"
                    " [-o outstanding] [-r] [-b payload] [-T] [-t seconds] [-n cycles]"
                    " [-w warm-up] [-z file [-Z]]\n");
    exit(2);
}

static double number(const char *s, double min, double max)
{
    char *end;
    double n = strtod(s, &end);

    if (end == s || *end != '\0' || !(n >= min && n <= max))
        errx(2, "%s: expected a number from %g to %g", s, min, max);
    return n;
}

static void parse_mode(struct plan *p, const char *s)
{
    static const struct {
        const char *name;
        enum mode mode;
        bool churn, broadcast;
    } modes[] = {{"raw", MODE_RAW, false, false},
                 {"ws", MODE_WS, false, false},
                 {"broadcast", MODE_WS, false, true},
                 {"broadcast-raw", MODE_RAW, false, true},
                 {"connect", MODE_WS, true, false},
                 {"connect-raw", MODE_RAW, true, false}};

    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(s, modes[i].name) == 0) {
            p->mode = modes[i].mode;
            p->churn = modes[i].churn;
            p->broadcast = modes[i].broadcast;
            return;
        }
    }
    usage();
}

static struct plan parse(int argc, char **argv, bool *idle)
{
    struct plan p = {.mode = MODE_WS,
                     .connections = 1,
                     .outstanding = 1,
                     .payload_len = 125,
                     .warmup_seconds = 0.3,
                     .seconds = 2};
    int flag;

    while ((flag = getopt(argc, argv, "p:P:irTm:c:o:b:n:t:w:z:Z")) != -1) {
        switch (flag) {
        case 'p': p.port = (int)number(optarg, 1, 65535); break;
        case 'P': p.server = (pid_t)number(optarg, 1, 1 << 30); break;
        case 'i': *idle = true; break;
        case 'r': p.reads = true; break;
        case 'T': p.text = true; break;
        case 'm': parse_mode(&p, optarg); break;
        case 'c': p.connections = (int)number(optarg, 1, 1000000); break;
        case 'o': p.outstanding = (int)number(optarg, 1, 10000); break;
        case 'b': p.payload_len = (size_t)number(optarg, 0, 64 << 20); break;
        case 'n': p.cycles = number(optarg, 1, 1e12); break;
        case 't': p.seconds = number(optarg, 0.01, 3600); break;
        case 'z': p.compressed = optarg; break;
        case 'Z': p.takeover = true; break;
        case 'w': p.warmup_seconds = number(optarg, 0, 3600); break;
        default: usage();
        }
    }
    if (optind != argc || p.port == 0 || (p.server == 0) != *idle ||
        (p.churn && (*idle || p.outstanding != 1)) || (!p.churn && p.cycles > 0) ||
        (p.broadcast && (*idle || p.reads || p.payload_len > BROADCAST_MAX)) ||
        (p.compressed != NULL && (p.churn || p.broadcast || p.mode != MODE_WS || p.reads || p.text)) ||
        (p.takeover && p.compressed == NULL))
        usage();
    return p;
}

static void raise_file_limit(int connections)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        err(1, "getrlimit");
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < (rlim_t)connections + 16)
        errx(1, "%d connections need more than %llu descriptors", connections,
             (unsigned long long)files.rlim_cur);
}

/* What all connections share and have, of which either the message or the rotation is used. */
struct traffic {
    const struct message *m;
    const struct rotation *r; /* or NULL */
    struct place *places;     /* of each connection */
};

static void echo_each(const struct plan *p, struct traffic t, const int *fds)
{
    for (int i = 0; i < p->connections; i++) {
        if (t.r != NULL)
            rotation_exchange(fds[i], t.r, &t.places[i]);
        else
            peer_exchange(fds[i], t.m);
    }
}

static void hold(const struct plan *p, struct traffic t, const int *fds)
{
    char line[16];

    printf("open %d\n", p->connections);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strcmp(line, "echo\n") != 0)
            errx(1, "unknown command");
        echo_each(p, t, fds);
        printf("echoed %d\n", p->connections);
        fflush(stdout);
    }
}

/* Opens the connections, does with them what was asked for, and closes them. */
static void run(const struct plan *p, const struct message *m, const struct rotation *r, bool idle)
{
    size_t connections = (size_t)p->connections;
    int *fds = calloc(connections, sizeof *fds);
    struct traffic t = {m, r, calloc(connections, sizeof *t.places)};

    if (fds == NULL || t.places == NULL)
        err(1, "calloc");
    for (size_t i = 0; r != NULL && i < connections; i++)
        t.places[i].sends = t.places[i].receives = i * r->count / connections; /* not all alike */
    for (int i = 0; i < p->connections; i++) {
        fds[i] = peer_connect(p->port, i);
        if (p->mode == MODE_WS)
            peer_handshake(fds[i], p);
    }
    if (idle) {
        hold(p, t, fds);
    } else if (p->broadcast) {
        broadcast_loop(p, m, fds);
    } else {
        echo_each(p, t, fds);
        closed_loop(p, m, r, t.places, fds);
    }
    for (int i = 0; i < p->connections; i++)
        close(fds[i]);
    free(t.places);
    free(fds);
}

int main(int argc, char **argv)
{
    bool idle = false;
    struct plan p = parse(argc, argv, &idle);
    struct message m = message_build(&p);
    struct rotation r = {0};

    if (p.compressed != NULL) {
        r = rotation_read(&p);
        p.payload_len = r.turns[0].payload_len;
    }
    raise_file_limit(p.connections);
    if (p.churn)
        connect_loop(&p, &m);
    else
        run(&p, &m, p.compressed != NULL ? &r : NULL, idle);
    rotation_free(&r);
    free(m.sent);
    free(m.reply);
    return 0;
}
