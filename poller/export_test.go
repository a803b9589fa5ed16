//go:build linux

package poller

// NewNativeOverKqueue is the native driver with its kqueue side, over fakeKevents.
func NewNativeOverKqueue(o Options) (*Native, error) {
	m, k := fakeKqueue(newKernel)
	return newNative(o, m, k)
}

// NewNativeShort is the native driver over sockets that take and give little at
// a time, and often nothing.
func NewNativeShort(o Options) (*Native, error) {
	return newNative(o, newMechanism, func() kernel { return &shortKernel{kernel: newKernel()} })
}
