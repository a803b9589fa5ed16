package proxies

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// find returns the path of a proxy. run.sh, which installs them, sets INTEROP_PROXIES so that none is missed in silence.
func find(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	if os.Getenv("INTEROP_PROXIES") != "" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed; on Debian: apt-get install %s", name, name)
	return ""
}

// listener opens a socket for a proxy to inherit, so that its port is anybody's choice and connections can be made before it runs.
func listener(t *testing.T) (addr string, socket *os.File) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if socket, err = ln.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	return ln.Addr().String(), socket
}

// run runs a proxy until the test ends, with its socket as descriptor 3.
func run(t *testing.T, cmd *exec.Cmd, socket *os.File, config string) {
	t.Helper()
	var output bytes.Buffer
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = []*os.File{socket}, &output, &output
	err := cmd.Start()
	socket.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		err := cmd.Wait()
		if t.Failed() {
			t.Logf("%v: %v\n%s\nwith\n%s", cmd, err, &output, config)
		}
	})
}

func write(t *testing.T, name, text string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// haproxy relays in a mode, tcp or http, to a server with options.
func haproxy(mode, options string) proxy {
	return func(t *testing.T, server string) (front string) {
		t.Helper()
		path := find(t, "haproxy")
		front, socket := listener(t)
		config := strings.NewReplacer("MODE", mode, "SERVER", server+" "+options).Replace(`
global
	maxconn 100
defaults
	mode MODE
	timeout connect 60s
	timeout client 60s
	timeout server 60s
	timeout tunnel 60s
listen all
	bind fd@3
	server wsloop SERVER
`)
		if mode == "http" {
			config += "\toption forwardfor\n"
		}
		run(t, exec.Command(path, "-db", "-f", write(t, "haproxy.cfg", config)), socket, config)
		return front
	}
}

// nginxHTTP relays requests, with a header field for the client.
func nginxHTTP(field string) proxy {
	return nginx(`
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	map $http_upgrade $connection_upgrade {
		default upgrade;
		'' close;
	}
	server {
		listen FRONT;
		location / {
			proxy_pass http://SERVER;
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection $connection_upgrade;
			proxy_set_header Host $http_host;
			proxy_set_header ` + field + `;
		}
	}
}
`)
}

// nginxStream relays TCP, with a header of the PROXY protocol.
var nginxStream = nginx(`
stream {
	server {
		listen FRONT;
		proxy_pass SERVER;
		proxy_protocol on;
	}
}
`)

// streamModule is where Debian keeps what nginx relays TCP with. Elsewhere it may be built in.
const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so"

func nginx(section string) proxy {
	return func(t *testing.T, server string) (front string) {
		t.Helper()
		path := find(t, "nginx")
		front, socket := listener(t)
		config := `
daemon off;
worker_processes 1;
error_log stderr;
pid nginx.pid;
events {
	worker_connections 256;
}
` + strings.NewReplacer("FRONT", front, "SERVER", server).Replace(section)
		if _, err := os.Stat(streamModule); err == nil {
			config = "load_module " + streamModule + ";\n" + config
		}
		if os.Getuid() == 0 {
			config = "user root;\n" + config // who may look into the test's directories
		}
		cmd := exec.Command(path, "-e", "stderr", "-p", t.TempDir(), "-c", write(t, "nginx.conf", config))
		// The sockets that it inherits, as from an nginx before it.
		cmd.Env = append(os.Environ(), "NGINX=3;")
		run(t, cmd, socket, config)
		return front
	}
}
