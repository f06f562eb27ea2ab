package uplink

import (
	"errors"
	"fmt"
	"net"
)

// maxPacket bounds what follows an inbound packet's fixed header. An answer,
// the longest that a centre says, has under 5 KiB.
const maxPacket = 16 << 10

// Bound makes a connection fail where an MQTT packet begins of which more than
// most bytes follow its fixed header.
func Bound(conn net.Conn, most int) net.Conn { return &bounded{Conn: conn, most: most} }

// bounded is a connection that fails where an MQTT packet longer than
// most begins (3.1.1, 2.2.3). Paho has no such limit: it allocates what a
// header claims, up to 256 MiB, before any of it has come.
type bounded struct {
	net.Conn
	most   int
	field  int // of the fixed header: 0 the type, from 1 the digits of the length
	length int // of the packet under way; what is left of it once its header is over
	inside bool
}

// Read is called by paho's one reader.
func (c *bounded) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if long := c.follow(p[:n]); long != nil {
		return 0, long
	}
	return n, err
}

func (c *bounded) follow(b []byte) error {
	for len(b) > 0 {
		if c.inside {
			n := min(c.length, len(b))
			b, c.length = b[n:], c.length-n
			c.inside = c.length > 0
			continue
		}
		digit := b[0]
		b = b[1:]
		if c.field == 0 {
			c.field, c.length = 1, 0
			continue
		}
		c.length |= int(digit&127) << (7 * (c.field - 1))
		c.field++
		switch {
		case c.length > c.most:
			return fmt.Errorf("the broker sends a packet of %d bytes or more; the limit is %d", c.length, c.most)
		case digit&128 == 0:
			c.field, c.inside = 0, c.length > 0
		case c.field > 4:
			return errors.New("the broker sends a packet whose length has more than 4 digits")
		}
	}
	return nil
}
