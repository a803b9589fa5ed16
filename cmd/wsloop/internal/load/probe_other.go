//go:build !linux

package load

import "errors"

func usageOf(int) (usage, error) {
	return usage{}, errors.New("-server-pid: what a process costs is read from /proc, which only Linux has")
}
