package sandbox

import "golang.org/x/sys/unix"

const (
	auditArch = unix.AUDIT_ARCH_X86_64
	x32Bit    = 0x40000000
)

var archAllowed = []uint32{unix.SYS_EPOLL_WAIT, unix.SYS_ARCH_PRCTL}
