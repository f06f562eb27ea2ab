package uplink

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// stream is a connection of which only the reading is used.
type stream struct {
	net.Conn
	io.Reader
}

func (s stream) Read(p []byte) (int, error) { return s.Reader.Read(p) }

func publish(n int) []byte {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload = "t", make([]byte, n)
	var b bytes.Buffer
	p.Write(&b)
	return b.Bytes()
}

func TestInboundPacketsAreBounded(t *testing.T) {
	ping := []byte{0xd0, 0}
	whole := bytes.Join([][]byte{ping, publish(0), publish(200), ping, publish(maxPacket - 3), ping, publish(5000)}, nil)
	for name, test := range map[string]struct {
		sent    []byte
		packets int
		bounded bool
	}{
		"what fits":         {whole, 7, false},
		"a byte too long":   {append(bytes.Clone(whole), publish(maxPacket-2)...), 7, true},
		"256 MiB claimed":   {append(bytes.Clone(ping), 0x30, 0xff, 0xff, 0xff, 0x7f), 1, true},
		"a length too long": {[]byte{0x30, 0x80, 0x80, 0x80, 0x80, 0x01}, 0, true},
	} {
		for how, r := range map[string]io.Reader{"at once": bytes.NewReader(test.sent), "byte by byte": iotest.OneByteReader(bytes.NewReader(test.sent))} {
			c := &bounded{Conn: stream{Reader: r}, most: maxPacket}
			n := 0
			_, err := packets.ReadPacket(c)
			for ; err == nil; n++ {
				_, err = packets.ReadPacket(c)
			}
			if n != test.packets || (err != io.EOF) != test.bounded {
				t.Errorf("%s, %s: got %d packets, then %v; want %d, bounded %t", name, how, n, err, test.packets, test.bounded)
			}
		}
	}
}

// A broker that claims 256 MiB is given up, not waited for.
func TestBrokerWithEndlessPacketIsGivenUp(t *testing.T) {
	addr, trust := falseBroker(t, func(c net.Conn) {
		speak(c, func(*packets.PublishPacket) { c.Write([]byte{0x30, 0xff, 0xff, 0xff, 0x7f}) })
	})
	o, _, _ := device(t)
	opts := options(t, o, addr)
	opts.TLS.RootCAs = trust
	if why := awayBecause(t, opts); why == nil || !strings.Contains(why.Error(), "the limit is 16384") {
		t.Errorf("away because of %v, want a packet over the limit", why)
	}
}
