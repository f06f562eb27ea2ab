// Package sandbox seals the calling process: no files, no network, no new
// program, a bound on memory, processor time and what it may ask the kernel.
//
// It is made for a program that has everything it needs when it starts and
// then only reads and writes descriptors it holds. Sealing cannot be undone.
// Landlock and seccomp overlap on purpose: landlock needs a kernel that has it
// (5.13 for files, 6.7 for TCP) and is used as far as it goes; seccomp, the
// resource limits and no_new_privs are required.
package sandbox

import (
	"fmt"
	"log/slog"
	"time"
)

// Limits bound what the sealed process may use.
type Limits struct {
	// Memory bounds private writable memory in bytes. It is RLIMIT_DATA and not
	// RLIMIT_AS: a Go program reserves far more address space than it uses and
	// dies at start under a useful RLIMIT_AS.
	Memory uint64
	// CPU bounds processor time over the whole process; the kernel counts whole
	// seconds and kills.
	CPU time.Duration
}

// Report says which protections are in force; what a kernel lacks is not
// claimed.
type Report struct {
	NoNewPrivs bool
	Seccomp    bool
	// LandlockABI is the kernel's landlock version that was applied; 0 means the
	// kernel has none and only seccomp guards files and network.
	LandlockABI int
}

// String names what holds, and what is missing.
func (r Report) String() string {
	landlock := "no landlock"
	if r.LandlockABI > 0 {
		landlock = fmt.Sprintf("landlock ABI %d", r.LandlockABI)
	}
	seccomp := "no seccomp"
	if r.Seccomp {
		seccomp = "seccomp"
	}
	privs := "new privileges possible"
	if r.NoNewPrivs {
		privs = "no new privileges"
	}
	return landlock + ", " + seccomp + ", " + privs
}

// LogValue prints the report as its text.
func (r Report) LogValue() slog.Value { return slog.StringValue(r.String()) }
