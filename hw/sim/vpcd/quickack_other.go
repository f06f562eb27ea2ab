//go:build !linux

package vpcd

import "net"

func quickAck(*net.TCPConn) {}
