// Package micro measures what is measured without a server and a load generator, or without a clock: masking, a cycle of
// the garbage collector over a million connections, and what the runtime allocates over millions of messages. It also runs the
// Go benchmarks of ../../micro in rounds, for benchstat.
//
// Samples come without Sample.Kind, Run and what others used of the machine: whoever has them measured knows those. dir is always
// the directory of the module of the benchmarks.
package micro
