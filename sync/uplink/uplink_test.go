package uplink

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"

	"limen/sync/journal"
	"limen/sync/outbox"
	"limen/sync/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type key ed25519.PrivateKey

func (k key) Sign(m []byte) ([]byte, error) { return ed25519.Sign(ed25519.PrivateKey(k), m), nil }
func (k key) PublicKey() []byte             { return ed25519.PrivateKey(k).Public().(ed25519.PublicKey) }

// certificate is one that signs itself.
func certificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}
}

// device is an outbox of three entries and the centre's receipt key.
func device(t *testing.T) (*outbox.Outbox, *journal.Journal, note.Signer) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "centre")
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := note.NewSigner(private)
	verifier, _ := note.NewVerifier(public)
	j, err := journal.Open(t.TempDir(), journal.Options{Key: make([]byte, 32), Name: "limen/gate-1", Signer: key(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32))), Reserve: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	for range 3 {
		if _, err := j.Append(t.Context(), []byte("an entry")); err != nil {
			t.Fatal(err)
		}
	}
	o, err := outbox.Open(outbox.Options{Journal: j, Device: "gate-1", Centre: verifier, Path: filepath.Join(t.TempDir(), "receipt")})
	if err != nil {
		t.Fatal(err)
	}
	return o, j, signer
}

func options(t *testing.T, o *outbox.Outbox, broker string) Options {
	return Options{Broker: broker, Device: "gate-1", TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t, "gate-1")}}, Outbox: o,
		ConnectTimeout: 100 * time.Millisecond, ReceiptTimeout: 100 * time.Millisecond, BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond}
}

func TestNewFindsWhatABrokerWouldRefuse(t *testing.T) {
	o, _, _ := device(t)
	for name, test := range map[string]struct {
		change func(*Options)
		says   string
	}{
		"device":       {func(o *Options) { o.Device = "Gate 1" }, "device name"},
		"broker":       {func(o *Options) { o.Broker = "tls://centre" }, "is not host:port"},
		"outbox":       {func(o *Options) { o.Outbox = nil }, "no outbox"},
		"TLS":          {func(o *Options) { o.TLS = nil }, "no client certificate"},
		"certificate":  {func(o *Options) { o.TLS.Certificates = nil }, "no client certificate"},
		"another name": {func(o *Options) { o.Device = "gate-2" }, `is that of "gate-1", not of device gate-2`},
		"unchecked":    {func(o *Options) { o.TLS.InsecureSkipVerify = true }, "remove InsecureSkipVerify"},
	} {
		opts := options(t, o, "127.0.0.1:8883")
		test.change(&opts)
		if _, err := New(opts); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v; want ... %s", name, err, test.says)
		}
	}
	if _, err := New(options(t, o, "127.0.0.1:8883")); err != nil {
		t.Error(err)
	}
}

// What comes over the line counts by the centre's signature alone.
func TestTakeJudgesAnswers(t *testing.T) {
	o, j, centre := device(t)
	u, err := New(options(t, o, "127.0.0.1:8883"))
	if err != nil {
		t.Fatal(err)
	}
	batch, err := o.Next(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(a wire.Answer) []byte {
		b, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	receipt := func(size uint64) []byte {
		root, err := j.RootAt(size)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := wire.Receipt{Device: "gate-1", Size: size, Root: root}.Sign(centre)
		if err != nil {
			t.Fatal(err)
		}
		return encode(wire.Answer{Device: "gate-1", Receipt: signed})
	}
	lie, _ := wire.Receipt{Device: "gate-1", Size: 2, Root: [32]byte{1}}.Sign(centre)
	for _, test := range []struct {
		name     string
		raw      []byte
		said     heard
		refusal  string
		position uint64
	}{
		{"no answer", []byte("x"), nothing, "", 0},
		{"for another", encode(wire.Answer{Device: "gate-2", Refusal: wire.RefusedHistory}), nothing, "", 0},
		{"refused", encode(wire.Answer{Device: "gate-1", Refusal: wire.RefusedSignature, Detail: "which key?"}), nothing, "refuses the batch from entry 0: signature: which key?", 0},
		{"a gap that is none", encode(wire.Answer{Device: "gate-1", Refusal: wire.RefusedGap, Have: 0}), nothing, "", 0},
		{"a gap ahead", encode(wire.Answer{Device: "gate-1", Refusal: wire.RefusedGap, Have: 2}), nothing, "", 0},
		{"more than there is", encode(wire.Answer{Device: "gate-1", Refusal: wire.RefusedGap, Have: 9}), nothing, "", 0},
		{"another root", encode(wire.Answer{Device: "gate-1", Receipt: lie}), nothing, "another history", 0},
		{"a part", receipt(1), nothing, "", 1},
		{"all of it", receipt(2), settled, "", 2},
	} {
		got, refusal := u.take(t.Context(), test.raw, batch)
		said := ""
		if refusal != nil {
			said = refusal.Error()
		}
		if got != test.said || (said == "") != (test.refusal == "") || !strings.Contains(said, test.refusal) || o.Position() != test.position {
			t.Errorf("%s: got %v, %q, position %d; want %v, ... %q, %d", test.name, got, said, o.Position(), test.said, test.refusal, test.position)
		}
	}
	next, err := o.Next(t.Context(), 9)
	if err != nil || next.First != 2 {
		t.Fatalf("after all of it: got first %d, %v; want 2", next.First, err)
	}
	if got, refusal := u.take(t.Context(), encode(wire.Answer{Device: "gate-1", Refusal: wire.RefusedGap, Have: 1}), next); got != gap || refusal != nil || o.Position() != 2 {
		t.Errorf("a gap: got %v, %v, position %d; want %v, none, 2", got, refusal, o.Position(), gap)
	}
	next, err = o.Next(t.Context(), 1)
	if err != nil || next.First != 1 {
		t.Fatalf("after a gap: got first %d, %v; want 1", next.First, err)
	}
	// Else whoever says it again and again has the same batch sent without end.
	if got, refusal := u.take(t.Context(), receipt(1), next); got != nothing || refusal != nil {
		t.Errorf("an older receipt, said again: got %v, %v; want it to settle nothing", got, refusal)
	}
}

// A peer that accepts and says nothing, at any depth, holds nothing up.
func TestSilentPeersAreGivenUp(t *testing.T) {
	server := certificate(t, "centre")
	for name, serve := range map[string]func(net.Conn){
		"silent before TLS": func(net.Conn) {},
		"silent after TLS": func(c net.Conn) {
			s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{server}})
			for b := make([]byte, 512); ; {
				if _, err := s.Read(b); err != nil {
					return
				}
			}
		},
		"closes at once": func(net.Conn) {},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var held []net.Conn
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					if name == "closes at once" {
						c.Close()
						continue
					}
					held = append(held, c)
					go serve(c)
				}
			}()
			defer func() {
				l.Close()
				<-ended
				for _, c := range held {
					c.Close()
				}
			}()
			o, _, _ := device(t)
			opts := options(t, o, l.Addr().String())
			leaf, err := x509.ParseCertificate(server.Certificate[0])
			if err != nil {
				t.Fatal(err)
			}
			opts.TLS.RootCAs = x509.NewCertPool()
			opts.TLS.RootCAs.AddCert(leaf)
			away := make(chan State, 100)
			opts.OnState = func(s State) {
				select {
				case away <- s:
				default:
				}
			}
			u, err := New(opts)
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- u.Run(ctx) }()
			select {
			case s := <-away:
				if s.Phase != Away || s.Reason == nil || s.Behind != 3 {
					t.Errorf("got %+v; want away, with a reason, 3 behind", s)
				}
			case <-time.After(5 * time.Second):
				t.Error("not given up")
			}
			stop()
			select {
			case err := <-done:
				if err != nil || u.State().Phase != Stopped {
					t.Errorf("Run: got %v, %s; want nil, stopped", err, u.State().Phase)
				}
			case <-time.After(5 * time.Second):
				t.Error("Run did not return")
			}
		})
	}
}
