# Turns the raw lines of one cell into a table: a line for each server, medians
# over the rounds, and ratios taken within each round, where both servers met the
# same conditions. The first server of a round is the base. header=1 adds titles.

{
    split("", f)
    for (i = 1; i <= NF; i++) {
        eq = index($i, "=")
        f[substr($i, 1, eq - 1)] = substr($i, eq + 1)
    }
    server = f["server"]
    if (!(server in count)) {
        order[++servers] = server
    }
    n = ++count[server]
    cell = f["cell"]
    cost[server, n] = f["cpu_ns_per_msg"]
    rate[server, n] = f["msgs_per_s"]
    server_pct[server, n] = f["server_pct"]
    client_pct[server, n] = f["client_pct"]
    ratio[server, n] = f["cpu_ns_per_msg"] / cost[order[1], n]
    noisy[server] += f["verdict"] == "noisy"
}

# sorted(a, server): fills v[1..n] with the values of a server, ascending.
function sorted(a, server,    i, j, n, x) {
    n = count[server]
    for (i = 1; i <= n; i++) {
        x = a[server, i] + 0
        for (j = i - 1; j >= 1 && v[j] > x; j--) {
            v[j + 1] = v[j]
        }
        v[j + 1] = x
    }
    return n
}

function median(a, server,    n) {
    n = sorted(a, server)
    return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}

END {
    if (header) {
        printf "%-15s %-12s %12s %6s %6s %6s %10s %7s %7s %6s\n", "cell", "server", "cpu_ns/msg", \
            "ratio", "min", "max", "msgs/s", "server%", "client%", "noisy"
    }
    for (s = 1; s <= servers; s++) {
        server = order[s]
        middle = median(ratio, server)
        low = v[1]
        high = v[count[server]]
        printf "%-15s %-12s %12.1f %6.2f %6.2f %6.2f %10.0f %7.0f %7.0f %3d/%-2d\n", cell, server, \
            median(cost, server), middle, low, high, median(rate, server), \
            median(server_pct, server), median(client_pct, server), noisy[server], count[server]
    }
}
