package load

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// write makes the files of a /proc.
func write(t *testing.T, files map[string]string) (proc string) {
	t.Helper()
	proc = t.TempDir()
	for name, text := range files {
		path := filepath.Join(proc, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return proc
}

func TestRead(t *testing.T) {
	t.Parallel()
	proc := write(t, map[string]string{
		"sys/net/ipv4/ip_local_port_range":     "32768\t60999\n",
		"sys/net/ipv4/ip_local_reserved_ports": "80,32760-32769,40000,60999-61001\n",
		"sys/net/ipv4/tcp_mem":                 "1\t2\t3\n",
		"sys/fs/file-nr":                       "100\t0\t1000\n",
		"meminfo":                              "MemTotal:  9 kB\nMemAvailable:     2048 kB\n",
		"7/limits":                             "Limit  Soft Limit\nMax open files            1024                 4096                 files\n",
		"7/fd/0":                               "", "7/fd/1": "",
		"8/limits": "Max open files            unlimited            unlimited            files\n", "8/fd/0": "",
	})
	n := &Numbers{Config: &Config{ServerPIDs: []int{7, 8}}}
	n.readFrom(proc)
	want := &Numbers{
		Config: n.Config, Ports: 28232 - 4, TCPPages: 3, Memory: 2 << 20, Files: 900,
		Servers: []ServerLimit{{7, 1022, 1024}, {8, 1<<62 - 1, 1 << 62}},
	}
	if !reflect.DeepEqual(n, want) {
		t.Errorf("%+v\nwant %+v", n, want)
	}
	n.Config.ServerPIDs = []int{7, 9}
	n.Servers = nil
	if n.readFrom(proc); n.Servers != nil {
		t.Errorf("%+v", n.Servers)
	}
}

// What is not as it should be is not known.
func TestReadNonsense(t *testing.T) {
	t.Parallel()
	n := &Numbers{Config: &Config{ServerPIDs: []int{7}}}
	n.readFrom(write(t, map[string]string{
		"sys/net/ipv4/ip_local_port_range": "60999 32768", "sys/net/ipv4/tcp_mem": "1 2 x", "sys/fs/file-nr": "1",
		"meminfo": "MemAvailable: many kB\n", "7/limits": "Max open files few\n", "7/fd/0": "",
	}))
	if want := (&Numbers{Config: n.Config}); !reflect.DeepEqual(n, want) {
		t.Errorf("%+v", n)
	}
}

// This machine has all of it.
func TestReadThisMachine(t *testing.T) {
	t.Parallel()
	c := small("ws://127.0.0.1/")
	c.ServerPIDs = []int{os.Getpid()}
	n := Look(t.Context(), &c, 1)
	if n.Descriptors == 0 || n.Ports == 0 || n.Memory == 0 || n.Files == 0 || len(n.Servers) != 1 || n.PageBytes == 0 {
		t.Errorf("%+v", n)
	}
}
