package journal

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// testSigner is an Ed25519 key made from a seed; away makes it fail.
type testSigner struct {
	key  ed25519.PrivateKey
	away bool
}

func newSigner(seed string) *testSigner {
	s := sha256.Sum256([]byte(seed))
	return &testSigner{key: ed25519.NewKeyFromSeed(s[:])}
}

func (s *testSigner) Sign(m []byte) ([]byte, error) {
	if s.away {
		return nil, errors.New("the key store is away")
	}
	return ed25519.Sign(s.key, m), nil
}
func (s *testSigner) PublicKey() []byte { return s.key.Public().(ed25519.PublicKey) }

// clock ticks a second at each reading.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Second)
	return c.now
}

var start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func testOptions() Options {
	return Options{
		Key: bytes.Repeat([]byte{7}, 32), Name: "limen/gate-1", Signer: newSigner("gate-1"),
		Now: (&clock{now: start}).Now, Reserve: 1 << 20,
	}
}

func openTest(t testing.TB, dir string, opts Options) *Journal {
	t.Helper()
	j, err := Open(dir, opts)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func appendN(t testing.TB, j *Journal, n int) []Receipt {
	t.Helper()
	var receipts []Receipt
	for range n {
		body := fmt.Appendf(nil, "record %d of a check", j.Size())
		r, err := j.Append(t.Context(), body, []byte("doc"+string(rune('a'+j.Size()%3))), []byte("all"))
		if err != nil {
			t.Fatalf("Append: %v", err)
		}
		receipts = append(receipts, r)
	}
	return receipts
}

func TestAppendAndRead(t *testing.T) {
	dir := t.TempDir()
	j := openTest(t, dir, testOptions())
	receipts := appendN(t, j, 10)
	for i, r := range receipts {
		if r.Index != uint64(i) || r.Size != uint64(i+1) {
			t.Errorf("receipt %d: got index %d size %d", i, r.Index, r.Size)
		}
		root, err := j.RootAt(r.Size)
		if err != nil || root != r.Root {
			t.Errorf("root at %d: got %v, %v; want the receipt's %v", r.Size, root, err, r.Root)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(t.Context(), []byte("late")); !errors.Is(err, ErrClosed) {
		t.Errorf("append after Close: got %v, want ErrClosed", err)
	}

	j = openTest(t, dir, testOptions())
	if size, root := j.Head(); size != 10 || root != receipts[9].Root {
		t.Fatalf("reopened: got size %d root %v, want 10 %v", size, root, receipts[9].Root)
	}
	e, err := j.Entry(4)
	if err != nil || string(e.Body) != "record 4 of a check" || len(e.Salt) != SaltSize || !e.At.Equal(start.Add(5*time.Second)) {
		t.Errorf("entry 4: got %q at %v, %v", e.Body, e.At, err)
	}
	if _, err := j.Entry(10); !errors.Is(err, ErrNoEntry) {
		t.Errorf("entry 10 of 10: got %v, want ErrNoEntry", err)
	}
	v, err := j.Verify(t.Context(), Check{})
	if err != nil || v.Fault != nil || v.Size != 10 || v.Signed != 10 || v.Root != receipts[9].Root {
		t.Errorf("Verify: got %+v, %v", v, err)
	}
}

func TestFindNewestFirst(t *testing.T) {
	j := openTest(t, t.TempDir(), testOptions())
	appendN(t, j, 12)
	find := func(key string, since time.Time) (got []uint64) {
		for e, err := range j.Find([]byte(key), since) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Index)
		}
		return got
	}
	for _, c := range []struct {
		key   string
		since time.Time
		want  string
	}{
		{"doca", time.Time{}, "[9 6 3 0]"},
		{"docb", start.Add(8 * time.Second), "[10 7]"}, // entry i is stamped i+1 seconds after start
		{"doc", time.Time{}, "[]"},                     // a prefix is not the key
		{"doca", start.Add(time.Hour), "[]"},
		{"all", start.Add(11 * time.Second), "[11 10]"},
	} {
		if got := fmt.Sprint(find(c.key, c.since)); got != c.want {
			t.Errorf("Find(%q, %v): got %s, want %s", c.key, c.since, got, c.want)
		}
	}
}

// Somebody else's code accepts our proofs, and refuses them when bent.
func TestProofsByAnotherVerifier(t *testing.T) {
	j := openTest(t, t.TempDir(), testOptions())
	receipts := appendN(t, j, 21)
	h := rfc6962.DefaultHasher
	plain := func(hashes []Hash) (out [][]byte) {
		for _, x := range hashes {
			out = append(out, x[:])
		}
		return out
	}
	for size := uint64(1); size <= 21; size++ {
		root := receipts[size-1].Root
		for i := range size {
			e, err := j.Entry(i)
			if err != nil {
				t.Fatal(err)
			}
			p, err := j.ProveInclusion(i, size)
			if err != nil {
				t.Fatal(err)
			}
			leaf := h.HashLeaf(e.Leaf[:])
			if err := proof.VerifyInclusion(h, i, size, leaf, plain(p), root[:]); err != nil {
				t.Errorf("inclusion of %d in %d: %v", i, size, err)
			}
			leaf[0] ^= 1
			if proof.VerifyInclusion(h, i, size, leaf, plain(p), root[:]) == nil {
				t.Errorf("inclusion of another leaf %d in %d was accepted", i, size)
			}
		}
		for older := uint64(1); older <= size; older++ {
			p, err := j.ProveConsistency(older, size)
			if err != nil {
				t.Fatal(err)
			}
			was := receipts[older-1].Root
			if err := proof.VerifyConsistency(h, older, size, plain(p), was[:], root[:]); err != nil {
				t.Errorf("consistency of %d with %d: %v", older, size, err)
			}
		}
	}
	if _, err := j.ProveInclusion(21, 21); err == nil {
		t.Error("a proof of entry 21 of 21 was made")
	}
	if _, err := j.ProveConsistency(5, 22); err == nil {
		t.Error("a proof beyond the journal was made")
	}
}

func TestEraseKeepsProofs(t *testing.T) {
	j := openTest(t, t.TempDir(), testOptions())
	appendN(t, j, 9)
	root := j.Root()
	for _, i := range []uint64{3, 3, 8} {
		if err := j.Erase(t.Context(), i); err != nil {
			t.Fatalf("Erase(%d): %v", i, err)
		}
	}
	e, err := j.Entry(3)
	if err != nil || !e.Erased || e.Body != nil || e.Salt != nil || !e.At.IsZero() {
		t.Errorf("erased entry: got %+v, %v", e, err)
	}
	for e := range j.Find([]byte("all"), time.Time{}) {
		if e.Index == 3 || e.Index == 8 {
			t.Errorf("Find still yields erased entry %d", e.Index)
		}
	}
	v, err := j.Verify(t.Context(), Check{})
	if err != nil || v.Fault != nil || v.Erased != 2 || v.Root != root {
		t.Errorf("Verify after erasing: got %+v, %v; want root %v and 2 erased", v, err, root)
	}
}

func TestConcurrentAppendsShareCommits(t *testing.T) {
	j := openTest(t, t.TempDir(), testOptions())
	const workers, each = 16, 20
	var mu sync.Mutex
	seen := map[uint64]string{}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := range each {
				body := fmt.Sprintf("worker %d entry %d", w, n)
				r, err := j.Append(t.Context(), []byte(body))
				if err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				mu.Lock()
				seen[r.Index] = body
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != workers*each {
		t.Fatalf("got %d indexes, want %d", len(seen), workers*each)
	}
	for i, body := range seen {
		if e, err := j.Entry(i); err != nil || string(e.Body) != body {
			t.Errorf("entry %d: got %q, %v; want %q", i, e.Body, err, body)
		}
	}
	if v, err := j.Verify(t.Context(), Check{}); err != nil || v.Fault != nil || v.Size != workers*each {
		t.Errorf("Verify: got %+v, %v", v, err)
	}
}

func TestWaitWakes(t *testing.T) {
	j := openTest(t, t.TempDir(), testOptions())
	woke := make(chan error, 1)
	go func() { woke <- j.Wait(t.Context(), 0) }()
	appendN(t, j, 1)
	if err := <-woke; err != nil {
		t.Errorf("Wait: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Wait(ctx, 5); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait with an ended context: got %v", err)
	}
	go func() { woke <- j.Wait(t.Context(), 5) }()
	j.Close()
	if err := <-woke; !errors.Is(err, ErrClosed) {
		t.Errorf("Wait on a closed journal: got %v, want ErrClosed", err)
	}
}

func TestCheckpoints(t *testing.T) {
	opts := testOptions()
	signer := newSigner("gate-1")
	opts.Signer = signer
	j := openTest(t, t.TempDir(), opts)
	appendN(t, j, 5)
	signer.away = true
	receipts := appendN(t, j, 2)
	if v, err := j.Verify(t.Context(), Check{}); err != nil || v.Fault != nil || v.Signed != 5 {
		t.Errorf("with the key away: got %+v, %v; want 5 signed", v, err)
	}
	if _, err := j.Checkpoint(t.Context()); err == nil {
		t.Error("a checkpoint was made without the key")
	}
	signer.away = false
	signed, err := j.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := OpenCheckpoint(signed, j.Verifier())
	want := Checkpoint{Origin: "limen/gate-1", Size: 7, Root: receipts[1].Root}
	if err != nil || c != want {
		t.Errorf("checkpoint: got %+v, %v; want %+v", c, err, want)
	}
	if v, _ := j.Verify(t.Context(), Check{}); v.Signed != 7 {
		t.Errorf("after Checkpoint: got %d signed, want 7", v.Signed)
	}
	other, err := Verifier("limen/gate-1", newSigner("another").PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCheckpoint(signed, other); err == nil {
		t.Error("a checkpoint passed under another key")
	}
	if _, err := j.CheckpointAt(t.Context(), 8); err == nil {
		t.Error("a checkpoint of 8 entries was made of 7")
	}
}

func TestOpenRefusals(t *testing.T) {
	dir := t.TempDir()
	opts := testOptions()
	j := openTest(t, dir, opts)
	appendN(t, j, 1)
	if _, err := Open(dir, opts); !errors.Is(err, ErrLocked) {
		t.Errorf("opening twice: got %v, want ErrLocked", err)
	}
	j.Close()

	wrong := opts
	wrong.Key = bytes.Repeat([]byte{8}, 32)
	if _, err := Open(dir, wrong); !errors.Is(err, ErrWrongKey) {
		t.Errorf("wrong key: got %v, want ErrWrongKey", err)
	}
	other := opts
	other.Name = "limen/gate-2"
	if _, err := Open(dir, other); err == nil {
		t.Error("another device's journal was opened")
	}
	short := opts
	short.Key = []byte("short")
	if _, err := Open(dir, short); err == nil {
		t.Error("a short key was taken")
	}
	full := opts
	full.Reserve = 1 << 62
	if _, err := Open(dir, full); err != nil {
		t.Errorf("opening asks for its own reserve only: %v", err)
	}
}

func TestDamagedFilesAreNamed(t *testing.T) {
	dir := t.TempDir()
	j := openTest(t, dir, testOptions())
	appendN(t, j, 3)
	j.Close()
	if err := os.WriteFile(dir+"/MANIFEST", []byte("not a manifest"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, testOptions()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("damaged manifest: got %v, want ErrCorrupt", err)
	}
}

func TestBounds(t *testing.T) {
	j := openTest(t, t.TempDir(), testOptions())
	if _, err := j.Append(t.Context(), nil); err == nil {
		t.Error("an empty body was taken")
	}
	if _, err := j.Append(t.Context(), make([]byte, MaxBody+1)); err == nil {
		t.Error("a body over the limit was taken")
	}
	if _, err := j.Append(t.Context(), []byte("x"), make([]byte, MaxIndexKey+1)); err == nil {
		t.Error("an index key over the limit was taken")
	}
	var wg sync.WaitGroup // the largest bodies, all at once: groups stay within a transaction
	for range 8 {
		wg.Go(func() {
			if _, err := j.Append(t.Context(), make([]byte, MaxBody)); err != nil {
				t.Errorf("the largest body: %v", err)
			}
		})
	}
	wg.Wait()
	if j.Size() != 8 {
		t.Errorf("got %d entries, want 8", j.Size())
	}
}
