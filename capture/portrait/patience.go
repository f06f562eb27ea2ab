package portrait

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// patience is how many times the limit a program may take that gets too little
// of the processor to use the limit up: what a picture may cost is processor
// time, and a busy machine is no fault of the picture.
const patience = 10

// patient is a pipe to a program whose deadline moves on until the program has
// used its limit of processor time, or patience ends.
type patient struct {
	*os.File
	process *process
	asked   time.Time
}

func (p patient) Read(b []byte) (n int, err error) {
	return p.insist(func() (int, error) { return p.File.Read(b) })
}

func (p patient) Write(b []byte) (n int, err error) {
	written := 0
	return p.insist(func() (int, error) {
		n, err := p.File.Write(b[written:])
		written += n
		return written, err
	})
}

func (p patient) insist(try func() (int, error)) (int, error) {
	for {
		n, err := try()
		if !errors.Is(err, os.ErrDeadlineExceeded) || !p.extend() {
			return n, err
		}
	}
}

// extend moves the deadline by what the program has left; false says that
// there is nothing left, or that nobody knows.
func (p patient) extend() bool {
	used, err := processorTime(p.process.cmd.Process.Pid)
	left := p.process.limit - used
	if err != nil || left <= 0 || time.Since(p.asked) >= patience*p.process.limit {
		return false
	}
	return p.SetDeadline(time.Now().Add(max(left, 20*time.Millisecond))) == nil
}

// processorTime is what a running process has used in all (proc(5), fields 14
// and 15 of stat). Its start is little of that.
func processorTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := bytes.Cut(stat, []byte(") ")) // the name before it may hold anything
	fields := bytes.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, errors.New("portrait: /proc says nothing of the program's time")
	}
	const tick = 10 * time.Millisecond // USER_HZ
	var sum time.Duration
	for _, f := range fields[11:13] {
		ticks, err := strconv.ParseInt(string(f), 10, 40)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ticks) * tick
	}
	return sum, nil
}
