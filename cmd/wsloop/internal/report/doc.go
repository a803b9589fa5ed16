// Package report is what a run of the load generator found: figures that child processes hand to their
// parent, that are merged, printed, kept in files, compared with those of another run and held against bounds.
//
//	Report      what is measured; one per process, and the Merge of all
//	figure      a number of a report that has a name, such as p99.9 or bytes/conn
//	Threshold   a bound on a figure, such as p99>5ms
//
// The writers are WriteText for a terminal, WriteJSON to be read back, WriteCSV for the seconds of the run, WriteHGRM
// for the plotter of HdrHistogram and WriteHTML for people: one page that needs no network.
//
// A corrected latency counts from when a message was to be sent, an uncorrected one from when it was, but
// not before the answer to the one before. They differ when the generator or the server fell behind, and only the corrected one tells
// what a user would have waited.
//
// Durations are nanoseconds in JSON, and memory is bytes everywhere. Text that came from a server or a
// command line is printed without its control characters, and escaped in HTML.
package report
