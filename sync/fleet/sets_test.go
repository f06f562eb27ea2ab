package fleet

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/sync/set"
	"limen/sync/uplink"
	"limen/sync/wire"
)

// operations makes the key that signs sets and commands.
func operations(t testing.TB) (note.Signer, note.Verifier) {
	t.Helper()
	dir := t.TempDir()
	public, err := PrepareOperationsKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	signer, _, err := OpenOperationsKey(OperationsKeyPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return signer, named{verifier, public}
}

// named is a key that knows its text.
type named struct {
	note.Verifier
	text string
}

func keyText(t testing.TB, v note.Verifier) string {
	t.Helper()
	return v.(named).text
}

type trusted struct{ note.Verifier }

func (k trusted) Now() note.Verifiers  { return note.VerifierList(k.Verifier) }
func (k trusted) Ever() note.Verifiers { return note.VerifierList(k.Verifier) }

// runs is a device's sets and what it runs.
type runs struct {
	mu      sync.Mutex
	content map[string]string
	refused []set.Refusal
	*set.Store
}

func newRuns(t testing.TB, site, device string, key note.Verifier, names ...string) *runs {
	t.Helper()
	r := &runs{content: map[string]string{}}
	apply := map[string]func(set.Manifest, []byte) error{}
	for _, n := range names {
		apply[n] = func(m set.Manifest, content []byte) error {
			if strings.Contains(string(content), "unfit") {
				return fmt.Errorf("line 1: no such key")
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.content[n] = string(content)
			return nil
		}
	}
	s, err := set.OpenStore(set.Options{
		Dir: filepath.Join(t.TempDir(), "sets"), Site: site, Device: device, Keys: trusted{key}, Apply: apply,
		Now:     func() time.Time { return day },
		Refused: func(no set.Refusal) { r.refused = append(r.refused, no) },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Store = s
	return r
}

// directly is the way to records without a broker.
type directly struct {
	centre *Centre
	device string
	forms  []uint64 // bases of the pieces asked for
}

// Ask implements set.Asker.
func (d *directly) Ask(ctx context.Context, a wire.Ask) (reply wire.Reply, err error) {
	a.Device, a.ID = d.device, make([]byte, 16)
	if a.Piece != nil {
		d.forms = append(d.forms, a.Piece.Base)
	}
	payload, err := a.Encode()
	if err != nil {
		return reply, err
	}
	link := &lastWord{}
	c := &Centre{records: d.centre.records, cfg: d.centre.cfg, signer: d.centre.signer, link: link}
	if err := c.respond(ctx, message{d.device, wire.KindAsk, payload, day}); err != nil {
		return reply, err
	}
	return wire.DecodeReply(link.payload)
}

// lastWord is a link that keeps what was last said.
type lastWord struct {
	link
	payload []byte
}

func (l *lastWord) answer(_ string, _ wire.Kind, payload []byte) error {
	l.payload = payload
	return nil
}

// A set goes to one site first, then to all, is refused by a device that cannot
// run it, and is taken back in one step; the centre knows who runs what.
func TestStagedRollout(t *testing.T) { onBoth(t, testStagedRollout) }

func testStagedRollout(t *testing.T, at place) {
	b := newBare(t, at)
	signer, key := operations(t)
	if err := b.records.Enrol(t.Context(), "gate-2", newKey(2).PublicKey(), day); err != nil {
		t.Fatal(err)
	}
	c := &Centre{records: b.records, cfg: Config{}.withDefaults()}
	north, south := newRuns(t, "north", "gate-1", key, "policy", "stop"), newRuns(t, "south", "gate-2", key, "policy")
	ways := []*directly{{centre: c, device: "gate-1"}, {centre: c, device: "gate-2"}}
	clients := []*set.Client{set.NewClient(north.Store, ways[0], nil), set.NewClient(south.Store, ways[1], nil)}
	fetch := func(want ...int) {
		t.Helper()
		for k, client := range clients {
			if got, err := client.Fetch(t.Context()); err != nil || got != want[k] {
				t.Fatalf("%s took %d sets, %v; want %d", ways[k].device, got, err, want[k])
			}
		}
	}
	body := func(version int) []byte {
		return []byte(fmt.Sprintf("name: policy-%d\n%s", version, strings.Repeat("a long and dull text, ", 3000)))
	}
	publish := func(content []byte, addresses ...string) uint64 {
		t.Helper()
		m, err := b.records.Publish(t.Context(), "policy", content, addresses, 24*time.Hour, signer, day)
		if err != nil {
			t.Fatal(err)
		}
		return m.Number
	}
	rollOut := func(number uint64, sites ...string) {
		t.Helper()
		if err := b.records.RollOut(t.Context(), "policy", number, sites, day); err != nil {
			t.Fatal(err)
		}
	}
	runs := func(want map[uint64][]string) {
		t.Helper()
		views, err := b.records.Sets(t.Context(), "policy")
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range views {
			if !slices.Equal(v.Runs, want[v.Number]) && len(v.Runs)+len(want[v.Number]) > 0 {
				t.Errorf("number %d: run by %v, want %v", v.Number, v.Runs, want[v.Number])
			}
		}
	}
	publish(body(1), "*")
	fetch(0, 0) // published and nothing more
	rollOut(1)
	fetch(1, 1)
	publish(body(2), "*")
	rollOut(2, "north")
	ways[0].forms = nil
	fetch(1, 0)
	if !slices.Equal(ways[0].forms, []uint64{1}) {
		t.Errorf("fetched forms %v; want the delta from 1", ways[0].forms)
	}
	runs(map[uint64][]string{1: {"gate-2"}, 2: {"gate-1"}})
	if err := b.records.RollOut(t.Context(), "policy", 1, nil, day); err == nil {
		t.Error("an older number was rolled out to all")
	}
	rollOut(2)
	fetch(0, 1)
	rollOut(publish([]byte("unfit"), "*"))
	fetch(0, 0)
	fetch(0, 0)
	if len(north.refused) != 1 || len(south.refused) != 1 || north.refused[0].Why != set.WhyUnfit {
		t.Errorf("refused %v and %v; want each once, as unfit", north.refused, south.refused)
	}
	runs(map[uint64][]string{2: {"gate-1", "gate-2"}})
	if v, err := b.records.Sets(t.Context(), "policy"); err != nil || len(v[2].Refused) != 2 || v[2].Refused[0] != (Refused{"gate-1", "unfit"}) {
		t.Errorf("got %+v, %v; want both devices' refusals", v[2], err)
	}
	// Back to 2, and from there to 1: each a new number.
	for k, want := range []uint64{2, 1} {
		m, err := b.records.RollBack(t.Context(), "policy", 0, 24*time.Hour, signer, day)
		if err != nil || m.Repeats != want || m.Number != uint64(4+k) {
			t.Fatalf("rolled back to %d as %d, %v; want to %d", m.Repeats, m.Number, err, want)
		}
		fetch(1, 1)
		if north.content["policy"] != string(body(int(want))) || south.content["policy"] != string(body(int(want))) {
			t.Errorf("the devices do not run %d again", want)
		}
	}
	if _, err := b.records.RollBack(t.Context(), "policy", 0, 24*time.Hour, signer, day); err == nil {
		t.Error("went back further than the first")
	}
	// To one device alone.
	rollOut(publish(body(6), "device:gate-2"))
	fetch(0, 1)
	// All of it survives a backup; nobody's device is told anything.
	unknown := &directly{centre: c, device: "gate-9"}
	if r, err := unknown.Ask(t.Context(), wire.Ask{Sets: &wire.SetsAsk{Site: "north"}}); err != nil || r.Error == "" {
		t.Errorf("a device that is not enrolled heard %+v, %v", r, err)
	}
}

// slow is a line to target of so many bits a second, each way.
func slow(t *testing.T, target string, bits int) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(func() { l.Close(); stop(); wait.Wait() })
	carry := func(to, from net.Conn) {
		defer to.Close()
		defer from.Close()
		b := make([]byte, 512)
		for {
			n, err := from.Read(b)
			if n > 0 {
				time.Sleep(time.Duration(n*8) * time.Second / time.Duration(bits)) // the line's rate, not a wait for anything
				_, werr := to.Write(b[:n])
				err = errorOr(err, werr)
			}
			if err != nil {
				return
			}
		}
	}
	wait.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target)
			if err != nil {
				near.Close()
				return
			}
			context.AfterFunc(ctx, func() { near.Close(); far.Close() })
			wait.Go(func() { carry(far, near) })
			wait.Go(func() { carry(near, far) })
		}
	})
	return l.Addr().String()
}

func errorOr(a, b error) error {
	if a == nil || a == io.EOF && b != nil {
		return b
	}
	return a
}

// Over MQTT and a line of 64 kbit/s, while entries go the other way.
func TestSetsOverASlowLine(t *testing.T) {
	s := newSite(t)
	key, err := PrepareReceiptKey(s.folder())
	if err != nil {
		t.Fatal(err)
	}
	d := s.newDevice("gate-1", 1, key)
	s.start(d.enrolled())
	signer, verifier := operations(t)
	body := content(30_000)
	m, err := s.records.Publish(t.Context(), "stop", body, []string{"site:north"}, 30*24*time.Hour, signer, day)
	if err == nil {
		err = s.records.RollOut(t.Context(), "stop", m.Number, nil, day)
	}
	if err != nil {
		t.Fatal(err)
	}
	u, err := uplink.New(uplink.Options{
		Broker: slow(t, s.addr, 64_000), Device: d.name, TLS: d.tls, Outbox: d.outbox, ConnectTimeout: patience, ReceiptTimeout: patience,
	})
	if err != nil {
		t.Fatal(err)
	}
	background(t, "uplink", u.Run)
	r := newRuns(t, "north", d.name, verifier, "stop")
	client := set.NewClient(r.Store, u, nil)
	client.Every = 20 * time.Millisecond
	background(t, "sets", client.Run)
	d.append(10)
	until(t, "the set run", func() bool { return r.Number("stop") == 1 })
	if r.content["stop"] != string(body) {
		t.Error("another content is run than was published")
	}
	s.settled(d)
	until(t, "its number known at the centre", func() bool {
		v, err := s.records.Sets(t.Context(), "stop")
		return err == nil && slices.Equal(v[0].Runs, []string{"gate-1"})
	})
}

// content is bytes that do not compress.
func content(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}
