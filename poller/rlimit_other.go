//go:build !unix

package poller

// DescriptorLimit is 0: this system has no such limit.
func DescriptorLimit() int { return 0 }
