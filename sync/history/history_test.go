package history

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"limen"
	"limen/sync/journal"
)

type key struct{ ed25519.PrivateKey }

func (k key) Sign(message []byte) ([]byte, error) { return ed25519.Sign(k.PrivateKey, message), nil }
func (k key) PublicKey() []byte                   { return k.Public().(ed25519.PublicKey) }

// day is when these records are made.
var day = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// fleet is a pseudonymizer with fleet keys of these names.
type fleet []string

func (f fleet) keyed(parts ...[]byte) (out []limen.Trace) {
	for _, key := range f {
		mac := hmac.New(sha256.New, []byte(key))
		for _, p := range parts {
			mac.Write(p)
			mac.Write([]byte{0})
		}
		out = append(out, limen.Trace{Key: [4]byte([]byte(key + "....")), Hash: [32]byte(mac.Sum(nil))})
	}
	return out
}

func (f fleet) Traces(issuer, number string) []limen.Trace {
	return f.keyed([]byte(issuer), []byte(number))
}

func (f fleet) Marks(what string, p limen.Pseudonym, value []byte) (out []limen.Mark) {
	for _, t := range f.keyed([]byte(what), p[:], value) {
		out = append(out, append(limen.Mark(t.Key[:]), t.Hash[:16]...))
	}
	return out
}

// site is a history on disk that can be opened anew.
type site struct {
	t     *testing.T
	dir   string
	keys  fleet
	now   time.Time
	plain bool          // the store lies in the clear
	sent  func() uint64 // what the centre may hold
	*History
}

func (s *site) open() {
	s.t.Helper()
	o := journal.Options{Key: make([]byte, 32), Name: "limen/gate-1", Signer: signer, Now: func() time.Time { return s.now }, Reserve: 1 << 20}
	if s.plain {
		o.Key, o.Clear = nil, true
	}
	j, err := journal.Open(s.dir, o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.History = New(j, Options{Pseudonyms: s.keys, Signer: signer, Site: "utopia-airport", Device: "gate-1", Sent: s.sent, Now: func() time.Time { return s.now }})
}

func (s *site) reopen() {
	s.t.Helper()
	if err := s.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.open()
}

// see records an inspection of a document as the line does.
func (s *site) see(number, id string) limen.Receipt {
	s.t.Helper()
	about, err := s.Subject(s.t.Context(), s.keys.Traces("UTO", number))
	if err != nil {
		s.t.Fatal(err)
	}
	r := record(id, about.Pseudonym, limen.KindInspection)
	r.Started, r.Ended = limen.MomentOf(s.now), limen.MomentOf(s.now)
	receipt, err := s.Append(s.t.Context(), r, about)
	if err != nil {
		s.t.Fatal(err)
	}
	return receipt
}

func (s *site) verified(erased uint64) {
	s.t.Helper()
	if v, err := s.Verify(s.t.Context()); err != nil || v.Fault != nil || v.Erased != erased {
		s.t.Errorf("Verify: got fault %v, %d erased, %v; want %d erased", v.Fault, v.Erased, err, erased)
	}
}

var signer = key{ed25519.NewKeyFromSeed(make([]byte, 32))}

func newSite(t *testing.T) *site {
	s := &site{t: t, dir: t.TempDir(), keys: fleet{"k1"}, now: day}
	s.open()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func open(t *testing.T) *History { return newSite(t).History }

var officer = Asker{"4711", "request 12"}

func record(id string, p limen.Pseudonym, kind limen.RecordKind) limen.Record {
	return limen.Record{Version: limen.RecordVersion, Kind: kind, ID: id, Site: "utopia-airport", Device: "gate-1",
		Started: limen.MomentOf(day), Document: limen.Document{Pseudonym: p}, Decision: limen.Decision{Outcome: limen.Admit}}
}

func TestEarlierFindsTheDocumentsInspections(t *testing.T) {
	h, ctx := open(t), context.Background()
	mine, other := limen.Pseudonym{1}, limen.Pseudonym{2}
	for i, r := range []limen.Record{record("a", mine, limen.KindInspection), record("b", other, limen.KindInspection),
		record("c", mine, limen.KindOfficer), record("d", mine, limen.KindInspection), record("e", limen.Pseudonym{}, limen.KindInspection)} {
		receipt, err := h.Append(ctx, r, limen.Subject{})
		if err != nil || receipt.Index != uint64(i) {
			t.Fatalf("record %d: got index %d, %v", i, receipt.Index, err)
		}
	}
	got, err := h.Earlier(ctx, limen.Subject{Pseudonym: mine}, day.Add(-time.Hour))
	if err != nil || len(got) != 2 || got[0].Site != "utopia-airport" || got[0].Outcome != limen.Admit || !got[0].At.Equal(day) {
		t.Errorf("got %+v, %v; want the two inspections of the document", got, err)
	}
	if got, err := h.Earlier(ctx, limen.Subject{Pseudonym: mine}, day.Add(time.Hour)); err != nil || len(got) != 0 {
		t.Errorf("since later: got %+v, %v; want none", got, err)
	}
	if got, err := h.Earlier(ctx, limen.Subject{}, day.Add(-time.Hour)); err != nil || len(got) != 0 {
		t.Errorf("unread documents: got %+v, %v; want none, since they are not one document", got, err)
	}
}

// The same questions have the same answers from the store and over the socket.
func TestSocketAnswersAsTheStore(t *testing.T) {
	h := open(t)
	for _, id := range []string{"a", "b", "c"} {
		if _, err := h.Append(context.Background(), record(id, limen.Pseudonym{1}, limen.KindInspection), limen.Subject{}); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "s", "limen.sock")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- h.Serve(ctx, path) }()
	var c *Client
	for deadline := time.Now().Add(5 * time.Second); ; {
		var err error
		if c, err = Dial(ctx, path); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	for name, q := range map[string]Questions{"store": h, "socket": c} {
		shown, err := q.Show(-1, 2)
		if err != nil || len(shown) != 2 || shown[0].Index != 2 || shown[0].Record.ID != "c" || shown[1].Index != 1 {
			t.Errorf("%s: got %+v, %v; want entries 2 and 1", name, shown, err)
		}
		v, err := q.Verify(ctx)
		if err != nil || v.Size != 3 || v.Fault != nil || v.Root != h.journal.Root() {
			t.Errorf("%s: got %+v, %v; want 3 entries without fault", name, v, err)
		}
		if _, err := q.Show(9, 1); err == nil || !strings.Contains(err.Error(), "the journal has 3") {
			t.Errorf("%s: no such entry: got %v", name, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: got mode %v, %v; want 0600", info.Mode(), err)
	}
	if err := h.Serve(ctx, path); err == nil || !strings.Contains(err.Error(), "another appliance") {
		t.Errorf("second server: got %v, want it refused", err)
	}
	c.Close()
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket stays behind: %v", err)
	}
}

// A socket that a killed appliance left behind stops nobody from starting; a
// file that is no socket is not taken for one.
func TestSocketLeftBehindIsReplaced(t *testing.T) {
	h, path := open(t), filepath.Join(t.TempDir(), "limen.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("no socket was left behind: %v", err)
	}
	if _, err := Dial(t.Context(), path); err == nil {
		t.Fatal("a socket that nobody answers was dialed")
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- h.Serve(ctx, path) }()
	for {
		c, err := Dial(ctx, path)
		if err == nil {
			c.Close()
			break
		}
		select {
		case err := <-served:
			t.Fatalf("Serve over a socket left behind: %v", err)
		default:
		}
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}

	if err := os.WriteFile(path, []byte("somebody's notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Serve(t.Context(), path); err == nil {
		t.Error("Serve replaced a file that is no socket")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "somebody's notes" {
		t.Errorf("the file at the socket's path: got %q, %v; want it untouched", b, err)
	}
}
