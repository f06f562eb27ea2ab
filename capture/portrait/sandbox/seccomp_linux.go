//go:build linux && (amd64 || arm64)

package sandbox

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data (linux/seccomp.h); arguments are 64-bit
// little-endian, and the low word is what the checks below look at.
const (
	offNr   = 0
	offArch = 4
	offArg0 = 16
	offArg2 = 32
)

// allowed is what the Go runtime, the C library's threads and heap, and pipes
// need once a program runs. archAllowed adds the calls one architecture has.
var allowed = []uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_CLOSE, unix.SYS_FSTAT, unix.SYS_FCNTL,
	unix.SYS_MUNMAP, unix.SYS_MADVISE, unix.SYS_BRK, unix.SYS_MREMAP, unix.SYS_MINCORE,
	unix.SYS_FUTEX, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_MEMBARRIER, unix.SYS_GETCPU,
	unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY, unix.SYS_RESTART_SYSCALL,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETRANDOM, unix.SYS_RSEQ, unix.SYS_SET_ROBUST_LIST, unix.SYS_SET_TID_ADDRESS,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2, unix.SYS_PIPE2,
	unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
}

// refused answers with an error instead of killing: the C library and the Go
// runtime try these on their own and carry on without them.
var refused = map[uint32]unix.Errno{
	unix.SYS_CLONE3:     unix.ENOSYS, // its flags lie behind a pointer; the C library falls back to clone
	unix.SYS_OPENAT:     unix.EACCES, // /proc and /sys, for processor counts and page sizes
	unix.SYS_READLINKAT: unix.EACCES,
	unix.SYS_PRCTL:      unix.EINVAL, // names of memory areas
}

// installFilter applies an allow list to all threads. What is neither allowed
// nor refused (sockets, programs, tracing, ...) kills the process.
func installFilter() error {
	prog := filter(uint32(os.Getpid()))
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return fmt.Errorf("cannot install the system call filter: %w", errno)
	}
	return nil
}

// filter assembles the classic BPF program. pid is the process that signals
// may be sent to: itself, for the Go scheduler's preemption.
func filter(pid uint32) []unix.SockFilter {
	const kill, allow = uint32(unix.SECCOMP_RET_KILL_PROCESS), uint32(unix.SECCOMP_RET_ALLOW)
	load := func(off uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: off}
	}
	ret := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	// jump steps over the next yes (or no) instructions when test of K holds (or not).
	jump := func(test uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | test, K: k, Jt: yes, Jf: no}
	}

	p := []unix.SockFilter{
		load(offArch), jump(unix.BPF_JEQ, auditArch, 1, 0), ret(kill),
		load(offNr),
	}
	if x32Bit != 0 { // the x32 numbers of amd64 would bypass the list
		p = append(p, jump(unix.BPF_JGE, x32Bit, 0, 1), ret(kill))
	}
	for _, nr := range append(append([]uint32(nil), allowed...), archAllowed...) {
		p = append(p, jump(unix.BPF_JEQ, nr, 0, 1), ret(allow))
	}
	for nr, errno := range refused {
		p = append(p, jump(unix.BPF_JEQ, nr, 0, 1), ret(unix.SECCOMP_RET_ERRNO|uint32(errno)))
	}
	return append(p,
		// clone: threads only.
		jump(unix.BPF_JEQ, unix.SYS_CLONE, 0, 4), load(offArg0),
		jump(unix.BPF_JSET, unix.CLONE_THREAD, 0, 1), ret(allow), ret(kill),
		// tgkill: to itself only.
		jump(unix.BPF_JEQ, unix.SYS_TGKILL, 0, 4), load(offArg0),
		jump(unix.BPF_JEQ, pid, 0, 1), ret(allow), ret(kill),
		// mmap and mprotect: nothing executable is mapped any more.
		jump(unix.BPF_JEQ, unix.SYS_MMAP, 1, 0), jump(unix.BPF_JEQ, unix.SYS_MPROTECT, 0, 3), load(offArg2),
		jump(unix.BPF_JSET, unix.PROT_EXEC, 1, 0), ret(allow), ret(kill),
	)
}
