package deflate

import "math"

// Limits bounds what a compressed message may become. One value serves all connections and is only
// read. A zero field means no limit.
type Limits struct {
	MessageBytes uint64 // bytes of an inflated message

	// Ratio is how many times its compressed length a message may become. One of RatioFreeBytes or
	// less is never refused for it. DEFLATE reaches 1032.
	Ratio uint32
}

// RatioFreeBytes is what a message may become whatever Limits.Ratio says.
const RatioFreeBytes = 64 << 10

// MaxCompressed is how long a compressed message may be if the message must not exceed the given
// length; 0 stands for no limit. It is for whoever collects the fragments. A message that
// does not compress becomes longer by a few bytes in every block, and a sender may flush as it likes:
// a quarter more and 1 KiB leave room for both.
func MaxCompressed(messageBytes uint64) uint64 {
	if messageBytes == 0 || messageBytes > math.MaxUint64/2 {
		return messageBytes
	}
	return messageBytes + messageBytes/4 + 1<<10
}

// allowance is what one message may become, and what is wrong with more.
type allowance struct {
	bytes uint64
	fault fault
}

func resolve(lim *Limits, compressedLen int) allowance {
	a := allowance{math.MaxUint64, faultTooBig}
	if lim == nil {
		return a
	}
	if lim.MessageBytes != 0 {
		a.bytes = lim.MessageBytes
	}
	if lim.Ratio != 0 {
		if most := max(uint64(lim.Ratio)*uint64(compressedLen), RatioFreeBytes); most < a.bytes {
			return allowance{most, faultRatio}
		}
	}
	return a
}
