// Package hdr counts durations in buckets whose width grows with the value, so that a quantile of
// billions of records is known to within 1 %, from a nanosecond to centuries, in a few kilobytes.
//
// A power of two is cut into 64 buckets of one width. A value is reported as the middle of its
// bucket, at most 1/128 away; values below 128 ns, the least and the greatest are exact.
//
// The counters of a power of two are allocated when its first value comes (512 bytes). Latencies of
// one run spread over five to ten of them, so a histogram takes 3 to 6 KB.
package hdr
