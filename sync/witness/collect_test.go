package witness

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"limen/sync/journal"
)

// collecting runs a collector whose states come over the channel.
func collecting(t *testing.T, j *journal.Journal, peers ...Peer) <-chan PeerState {
	t.Helper()
	states := make(chan PeerState)
	ctx, stop := context.WithCancel(t.Context())
	c, err := NewCollector(CollectOptions{
		Journal: j, Peers: peers, Gather: time.Millisecond, BackoffMin: time.Millisecond, BackoffMax: 20 * time.Millisecond,
		OnState: func(s PeerState) {
			select {
			case states <- s:
			case <-ctx.Done():
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { c.Run(ctx); close(done) }()
	t.Cleanup(func() { stop(); <-done })
	return states
}

// until waits for a state.
func until(t *testing.T, states <-chan PeerState, what string, good func(PeerState) bool) {
	t.Helper()
	limit := time.After(time.Minute)
	var last PeerState
	for {
		select {
		case last = <-states:
			if good(last) {
				return
			}
		case <-limit:
			t.Fatalf("%s: the last state was %+v", what, last)
		}
	}
}

// Two neighbors cosign; one of them is away for a while. The journal says who
// cosigned what.
func TestCollectorKeepsCosignatures(t *testing.T) {
	j := openJournal(t, t.TempDir())
	w2 := openWitness(t, options(t, t.TempDir()))
	o := options(t, t.TempDir())
	o.Name, o.Key, o.Now = "limen/gate-3", newKey("gate-3"), at(day.Add(time.Minute))
	w3 := openWitness(t, o)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- w2.Serve(ctx, listener, nil) }()
	var away atomic.Bool
	away.Store(true)
	s3 := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if away.Load() {
			out.WriteHeader(http.StatusBadGateway)
			return
		}
		w3.Handler().ServeHTTP(out, r)
	}))
	t.Cleanup(s3.Close)
	states := collecting(t, j, Peer{URL: "http://" + listener.Addr().String(), Key: keyOf(t, w2)}, Peer{URL: s3.URL + "/", Key: keyOf(t, w3)})
	grow(t, j, 5)
	until(t, states, "gate-2 cosigns", func(s PeerState) bool { return s.Name == "limen/gate-2" && s.Size == 5 })
	until(t, states, "gate-3 is away", func(s PeerState) bool { return s.Name == "limen/gate-3" && s.Err != nil })
	away.Store(false)
	until(t, states, "gate-3 cosigns", func(s PeerState) bool { return s.Name == "limen/gate-3" && s.Size == 5 && s.Err == nil })
	grow(t, j, 300)
	until(t, states, "gate-3 goes on", func(s PeerState) bool { return s.Name == "limen/gate-3" && s.Size == 305 })
	stop()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	v, err := j.Verify(t.Context(), journal.Check{Witnesses: []*journal.CosignatureVerifier{keyOf(t, w2), keyOf(t, w3)}, Quorum: 1})
	if err != nil || v.Fault != nil || v.Misdated != 0 {
		t.Fatalf("Verify: got %+v, %v", v, err)
	}
	got := v.Witnessed
	if got.Covered != 305 || !got.At.Equal(day.Add(time.Minute)) || len(got.Witnesses) != 2 || got.Witnesses[0].Size < 5 || got.Witnesses[1].Size != 305 || got.Witnesses[1].Name != "limen/gate-3" {
		t.Errorf("witnessed: got %+v; want gate-2 and gate-3, all 305 entries covered", got)
	}
	signed, err := j.Cosigned(0)
	if err != nil || len(signed) == 0 {
		t.Errorf("the newest cosigned checkpoint: got %d bytes, %v", len(signed), err)
	}
	if none, err := j.Cosigned(306); none != nil || err != nil {
		t.Errorf("a cosigned checkpoint beyond the journal: got %d bytes, %v", len(none), err)
	}
}

// A store set back to an old copy, and one that was changed, are told by the
// witness that saw more.
func TestCollectorTellsOfAChangedHistory(t *testing.T) {
	root := t.TempDir()
	now, old := filepath.Join(root, "now"), filepath.Join(root, "old")
	j := openJournal(t, now)
	grow(t, j, 4)
	j.Close()
	if err := os.CopyFS(old, os.DirFS(now)); err != nil {
		t.Fatal(err)
	}
	j = openJournal(t, now)
	grow(t, j, 6)
	w := openWitness(t, options(t, t.TempDir()))
	if _, err := w.Add(t.Context(), parsed(t, request(t, j, 0, 10))); err != nil {
		t.Fatal(err)
	}
	peer := Peer{URL: serve(t, w), Key: keyOf(t, w)}

	back := openJournal(t, old)
	states := collecting(t, back, peer)
	until(t, states, "rolled back", func(s PeerState) bool { return errors.Is(s.Err, ErrRolledBack) })
	grow(t, back, 9) // and went another way
	until(t, states, "forked", func(s PeerState) bool { return errors.Is(s.Err, ErrForked) })
	if evidence, err := w.Evidence("limen/gate-1"); err != nil || len(evidence) == 0 {
		t.Errorf("evidence: got %d, %v", len(evidence), err)
	}
	if signed, err := back.Cosigned(0); signed != nil || err != nil {
		t.Errorf("the other way was cosigned: %s, %v", signed, err)
	}
}

func TestCollectorRefusesWhatItCouldNotCheck(t *testing.T) {
	j := openJournal(t, t.TempDir())
	k := keyOf(t, openWitness(t, options(t, t.TempDir())))
	for name, peers := range map[string][]Peer{
		"no key":        {{URL: "http://x"}},
		"no address":    {{URL: "gate-2:80", Key: k}},
		"one of a name": {{URL: "http://x", Key: k}, {URL: "http://y", Key: k}},
	} {
		if _, err := NewCollector(CollectOptions{Journal: j, Peers: peers}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
