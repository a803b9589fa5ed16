// Package report tells what the benchmarks found. It reads the lines that a runner wrote (package record) and writes
// a summary for a terminal, one page of HTML that needs no network, and tables in Markdown.
//
//	result    what one cell found: the values of each server in each round
//	Spread    the median of a value over the rounds, with the extremes
//	target    a promise with its bound; the table of them is in targets.go
//	Promise   a target, and what was found about it in each of its cells
//
// Measurements that were repeated count only as they were at last. A ratio is taken within each round, between
// programs that took turns, before its median is; so what drifts over minutes is in neither. The best rival is the one with the best
// median. A round that others disturbed to the end counts, and is counted as noisy.
//
// A file may hold several runs. Of a cell that several measured, the last one counts, all of its servers and nothing of
// the runs before it. Programs that failed are listed; where one failed in each round, there is no value.
package report
