//go:build cgo

package liveview

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/pion/turn/v2"
	"github.com/pion/webrtc/v3"
)

// A guest who may use nothing but a TURN server sees the picture, and is
// dropped when its time is up.
func TestGuestOverTURN(t *testing.T) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const realm, user, secret = "limen", "guest", "a secret of the test"
	server, err := turn.NewServer(turn.ServerConfig{
		Realm: realm,
		AuthHandler: func(name, _ string, _ net.Addr) ([]byte, bool) {
			return turn.GenerateAuthKey(name, realm, secret), name == user
		},
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: conn, RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	relay := "turn:" + conn.LocalAddr().String() + "?transport=udp"
	s, err := New(newTestSource(160, 120), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v, offer := newTestViewerOf(t, webrtc.Configuration{
		ICEServers:         []webrtc.ICEServer{{URLs: []string{relay}, Username: user, Credential: secret}},
		ICETransportPolicy: webrtc.ICETransportPolicyRelay,
	})
	while := make(chan struct{})
	answer, gone, err := s.AnswerGuest(t.Context(), offer, Guest{Servers: []Server{{URLs: []string{relay}, Username: user, Credential: secret}}, While: while})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatal(err)
	}
	decodeKeyFrame(t, v.next(t))
	if server.AllocationCount() == 0 {
		t.Error("the picture came, and not over the TURN server")
	}
	close(while)
	select {
	case <-gone:
	case <-time.After(30 * time.Second):
		t.Fatal("a guest whose time is up still watches")
	}
	if _, _, err := s.AnswerGuest(t.Context(), offer, Guest{Servers: []Server{{URLs: []string{"http://no"}}}}); err == nil || errors.Is(err, ErrClosed) {
		t.Errorf("a server that is none: got %v", err)
	}
}
