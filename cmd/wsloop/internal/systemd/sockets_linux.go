package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// firstDescriptor is the number of the first socket passed.
const firstDescriptor = 3

// Sockets gives the sockets that systemd passed to this process, in the order of the
// unit, and none without an error if it passed none. They are closed in processes that
// are started later. An error names the socket that cannot be served; then those before
// it are closed.
func Sockets() ([]Socket, error) {
	pid, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"} {
		os.Unsetenv(name)
	}
	return sockets(firstDescriptor, pid, count, names)
}

// sockets reads what the variables say of the descriptors from first on. Variables that
// name another process were left in the environment by it, and say nothing.
func sockets(first int, pidText, countText, namesText string) (all []Socket, err error) {
	if pidText == "" || countText == "" {
		return nil, nil
	}
	pid, err := strconv.Atoi(pidText)
	if err != nil {
		return nil, fmt.Errorf("systemd: LISTEN_PID is %q, which is no process", pidText)
	}
	if pid != os.Getpid() {
		return nil, nil
	}
	count, err := strconv.Atoi(countText)
	if err != nil || count < 0 {
		return nil, fmt.Errorf("systemd: LISTEN_FDS is %q, which is no number of sockets", countText)
	}
	names := strings.Split(namesText, ":")
	if namesText != "" && len(names) != count {
		return nil, fmt.Errorf("systemd: LISTEN_FDNAMES has %d names for %d sockets", len(names), count)
	}
	for i := range count {
		name := "unknown"
		if namesText != "" {
			name = names[i]
		}
		ln, err := take(first + i)
		if err != nil {
			for _, s := range all {
				s.Close()
			}
			return nil, fmt.Errorf("systemd: descriptor %d (%s): %w", first+i, name, err)
		}
		all = append(all, Socket{ln, name})
	}
	return all, nil
}

// take makes a listener of a descriptor, which is closed: the listener has its own. What
// is no listening socket is left alone, because it may be somebody else's, such as the
// runtime's.
func take(fd int) (net.Listener, error) {
	switch kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); {
	case errors.Is(err, unix.EBADF):
		return nil, errors.New("it is not open")
	case err != nil:
		return nil, errors.New("it is not a socket")
	case kind != unix.SOCK_STREAM:
		return nil, errors.New("it is not a stream socket: the unit needs ListenStream=")
	}
	if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens == 0 {
		return nil, errors.New("it does not listen: the unit needs Accept=no")
	}
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	return net.FileListener(file)
}
