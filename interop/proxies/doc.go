// Package proxies has real proxies relay to the engine: HAProxy and nginx, as child processes.
package proxies
