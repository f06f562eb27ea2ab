// Package faults is the test of what the history promises when things break:
// nothing acknowledged is lost, nothing is there twice, nothing is changed.
// It holds tests alone; `make faults` runs them for long.
package faults
