package sandbox

import (
	"fmt"
	"runtime"
	"time"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Apply seals the process, all its threads included. After an error the
// process may be half sealed: it must end.
func Apply(limits Limits) (Report, error) {
	runtime.LockOSThread() // no_new_privs is set on this thread and spread by the filter's TSYNC
	defer runtime.UnlockOSThread()

	var report Report
	if err := setLimits(limits); err != nil {
		return report, err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return report, fmt.Errorf("cannot renounce new privileges: %w", err)
	}
	report.NoNewPrivs = true
	// A core dump or a debugger would show the picture that is being decoded.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return report, fmt.Errorf("cannot forbid dumps: %w", err)
	}

	if abi, err := ll.LandlockGetABIVersion(); err == nil && abi > 0 {
		// No rules: every file, TCP port and foreign process is out of reach.
		if err := landlock.V7.BestEffort().Restrict(); err != nil {
			return report, fmt.Errorf("cannot apply landlock: %w", err)
		}
		report.LandlockABI = min(abi, 7)
	}
	if err := installFilter(); err != nil {
		return report, err
	}
	report.Seccomp = true
	return report, nil
}

func setLimits(l Limits) error {
	cpu := uint64((l.CPU + time.Second - 1) / time.Second)
	for _, r := range []struct {
		what string
		id   int
		to   uint64
	}{
		{"memory", unix.RLIMIT_DATA, l.Memory},
		{"processor time", unix.RLIMIT_CPU, max(cpu, 1)},
		{"core size", unix.RLIMIT_CORE, 0},
		{"file size", unix.RLIMIT_FSIZE, 0}, // pipes are not counted
		{"open files", unix.RLIMIT_NOFILE, 32},
	} {
		lim := unix.Rlimit{Cur: r.to, Max: r.to}
		if err := unix.Setrlimit(r.id, &lim); err != nil {
			return fmt.Errorf("cannot limit %s to %d: %w", r.what, r.to, err)
		}
	}
	return nil
}
