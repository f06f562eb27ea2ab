package vpcd

import (
	"net"

	"golang.org/x/sys/unix"
)

// quickAck is best effort: without it the exchange is slower, not wrong.
func quickAck(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}
