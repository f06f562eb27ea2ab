// Package vpcd puts a simulated card into pcscd's virtual reader (Debian
// vsmartcard-vpcd), where every PC/SC program finds it as it finds a real one.
//
//	PC/SC program <-> pcscd <-> vpcd <- TCP -> Serve <-> Card
//
// Every message is a two-byte big-endian length and a body. A body of one byte
// is control: 0 power off, 1 power on, 2 reset, none of them answered, and 4,
// which asks for the ATR. Anything else is a command APDU.
package vpcd

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Card is what lies in the reader.
type Card interface {
	// Transmit answers one command APDU. An error takes the card out of the reader.
	Transmit(ctx context.Context, command []byte) (response []byte, err error)
	// Reset is called at power-on and reset: the card forgets its session.
	Reset()
}

// retry is how often Serve looks for a pcscd that is not there.
const retry = 200 * time.Millisecond

const (
	powerOff  = 0
	powerOn   = 1
	reset     = 2
	atrWanted = 4
)

// Serve lays the card into the virtual reader at addr and keeps it there until
// ctx ends, which takes it out, in the middle of an exchange if need be. It
// waits for a pcscd that comes later or restarts. It returns nil when ctx
// ended, else the error of the card.
func Serve(ctx context.Context, addr string, card Card, atr []byte) error {
	if len(atr) < 2 || len(atr) > 33 {
		return fmt.Errorf("an ATR has 2 to 33 bytes, not %d", len(atr))
	}
	for {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			err = serve(ctx, conn.(*net.TCPConn), card, atr)
			var fault *cardError
			if ctx.Err() == nil && errors.As(err, &fault) {
				return fault.err
			}
		}
		t := time.NewTimer(retry)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil
		}
	}
}

// cardError is a fault of the card, against one of the connection.
type cardError struct{ err error }

func (e *cardError) Error() string { return e.err.Error() }

// serve speaks one connection to its end.
func serve(ctx context.Context, conn *net.TCPConn, card Card, atr []byte) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	in := bufio.NewReader(quickReader{conn})
	for {
		msg, err := receive(in)
		if err != nil {
			return err
		}
		var out []byte
		switch {
		case len(msg) == 0:
			continue
		case len(msg) > 1:
			if out, err = card.Transmit(ctx, msg); err != nil {
				return &cardError{fmt.Errorf("the card failed at a command of %d bytes: %w", len(msg), err)}
			}
			if len(out) < 2 || len(out) > 0xFFFF {
				return &cardError{fmt.Errorf("the card answered %d bytes, 2 to 65535 fit a message", len(out))}
			}
		case msg[0] == atrWanted:
			out = atr
		case msg[0] == powerOn, msg[0] == reset:
			card.Reset()
			continue
		default: // power off, and what later versions may add
			continue
		}
		if err := send(conn, out); err != nil {
			return err
		}
	}
}

// receive reads one message; its length field bounds it to 65535 bytes.
func receive(in io.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(head[:]))
	_, err := io.ReadFull(in, msg)
	return msg, err
}

// send writes a message in one write: in two, Nagle's algorithm holds the
// second back until the first is acknowledged.
func send(out io.Writer, body []byte) error {
	msg := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(body)), uint16(len(body)))
	_, err := out.Write(append(msg, body...))
	return err
}

// quickReader has the kernel acknowledge at once what it is about to read.
// vpcd writes without TCP_NODELAY and would wait some 40 ms for each APDU
// otherwise; Linux forgets the setting, so it is made before every read.
type quickReader struct{ conn *net.TCPConn }

func (q quickReader) Read(p []byte) (int, error) {
	quickAck(q.conn)
	return q.conn.Read(p)
}
