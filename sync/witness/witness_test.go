package witness

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/sync/journal"
)

type key struct{ ed25519.PrivateKey }

func newKey(seed string) key {
	s := sha256.Sum256([]byte(seed))
	return key{ed25519.NewKeyFromSeed(s[:])}
}

func (k key) Sign(m []byte) ([]byte, error) { return ed25519.Sign(k.PrivateKey, m), nil }
func (k key) PublicKey() []byte             { return k.Public().(ed25519.PublicKey) }

// day is when everything happens.
var day = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func at(when time.Time) func() time.Time { return func() time.Time { return when } }

func openJournal(t testing.TB, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{Key: make([]byte, 32), Name: "limen/gate-1", Signer: newKey("gate-1"), Now: at(day), Reserve: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func grow(t testing.TB, j *journal.Journal, n int) {
	t.Helper()
	for range n {
		if _, err := j.Append(t.Context(), fmt.Appendf(nil, "record %d", j.Size())); err != nil {
			t.Fatal(err)
		}
	}
}

func options(t testing.TB, dir string) Options {
	gate, err := journal.Verifier("limen/gate-1", newKey("gate-1").PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return Options{Dir: dir, Name: "limen/gate-2", Key: newKey("gate-2"), Logs: []note.Verifier{gate}, Now: at(day), Rate: 1e6, Burst: 1e6}
}

func openWitness(t testing.TB, o Options) *Witness {
	t.Helper()
	w, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func keyOf(t testing.TB, w *Witness) *journal.CosignatureVerifier {
	t.Helper()
	v, err := journal.ParseCosignatureKey(w.Key())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// request asks for size entries' checkpoint, proven from old.
func request(t testing.TB, j *journal.Journal, old, size uint64) Request {
	t.Helper()
	r := Request{Old: old}
	var err error
	if r.Checkpoint, err = j.CheckpointAt(t.Context(), size); err != nil {
		t.Fatal(err)
	}
	if old > 0 && old < size {
		if r.Proof, err = j.ProveConsistency(old, size); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func serve(t testing.TB, w *Witness) string {
	s := httptest.NewServer(w.Handler())
	t.Cleanup(s.Close)
	return s.URL
}

func post(t testing.TB, url, body string) (status int, kind, answer string) {
	t.Helper()
	r, err := http.Post(url+"/add-checkpoint", "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r.Body); err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, r.Header.Get("Content-Type"), b.String()
}

// Each answer that C2SP tlog-witness gives add-checkpoint.
func TestAddCheckpoint(t *testing.T) {
	j, fork := openJournal(t, t.TempDir()), openJournal(t, t.TempDir()) // the same key, other salts
	grow(t, j, 20)
	grow(t, fork, 20)
	w := openWitness(t, options(t, t.TempDir()))
	url, known := serve(t, w), keyOf(t, w)
	body := func(r Request) string { return string(r.Encode()) }
	unproven := request(t, j, 8, 12)
	unproven.Proof = nil
	foreign := request(t, j, 8, 12)
	foreign.Checkpoint = bytes.Replace(foreign.Checkpoint, []byte("limen/gate-1\n12"), []byte("limen/gate-9\n12"), 1)
	unsigned := request(t, j, 8, 12)
	unsigned.Checkpoint = bytes.Replace(unsigned.Checkpoint, []byte("\n12\n"), []byte("\n13\n"), 1)
	early := request(t, j, 0, 8)
	early.Proof = request(t, j, 4, 8).Proof
	standing := request(t, j, 8, 8)
	standing.Proof = early.Proof
	backward := request(t, j, 8, 8)
	backward.Old = 9
	for _, step := range []struct {
		name   string
		body   string
		status int
		answer string // of a conflict
	}{
		{"first, with a proof", body(early), 422, ""},
		{"first, of a size it does not know", body(request(t, j, 4, 8)), 409, "0\n"},
		{"first", body(request(t, j, 0, 8)), 200, ""},
		{"the same again", body(request(t, j, 8, 8)), 200, ""},
		{"the same, with a proof", body(standing), 422, ""},
		{"from nothing again", body(request(t, j, 0, 12)), 409, "8\n"},
		{"an older one", body(request(t, j, 4, 6)), 409, "8\n"},
		{"old over new", body(backward), 400, ""},
		{"no proof", body(unproven), 422, ""},
		{"an unknown journal", body(foreign), 404, ""},
		{"a changed checkpoint", body(unsigned), 403, ""},
		{"a fork, further on", body(request(t, fork, 8, 12)), 422, ""},
		{"a fork, of the same size", body(request(t, fork, 8, 8)), 409, "8\n"},
		{"a fork, of the same size, from nothing", body(request(t, fork, 0, 8)), 409, "8\n"},
		{"further", body(request(t, j, 8, 12)), 200, ""},
		{"further still", body(request(t, j, 12, 20)), 200, ""},
		{"no request", "new 3\n\n", 400, ""},
		{"size with a zero before it", "old 012\n\n", 400, ""},
		{"too many hashes", "old 1\n" + strings.Repeat(strings.Repeat("A", 43)+"=\n", 64) + "\nx", 400, ""},
		{"a short hash", "old 1\nAAAA\n\nlimen/gate-1\n8\n", 400, ""},
		{"too long", "old 1\n" + strings.Repeat("x", maxRequest), 413, ""},
	} {
		status, kind, answer := post(t, url, step.body)
		if status != step.status {
			t.Errorf("%s: got status %d, %s; want %d", step.name, status, answer, step.status)
			continue
		}
		switch status {
		case 200:
			_, checkpoint, _ := strings.Cut(step.body, "\n\n")
			if _, err := Cosigned([]byte(checkpoint), []byte(answer), known); err != nil {
				t.Errorf("%s: %v", step.name, err)
			}
		case 409:
			if answer != step.answer || kind != "text/x.tlog.size" {
				t.Errorf("%s: got %q of type %s, want %q of text/x.tlog.size", step.name, answer, kind, step.answer)
			}
		default:
			if strings.HasPrefix(answer, "—") {
				t.Errorf("%s: refused and cosigned: %s", step.name, answer)
			}
		}
	}
	if status, _, _ := post(t, url+"/elsewhere", ""); status != 404 {
		t.Errorf("another path: got %d", status)
	}
}

// A device that forks its log gets no cosignature on the second branch, and
// what it signed stays as evidence, also after a restart.
func TestSplitViewIsNotCosignedAndKept(t *testing.T) {
	j, fork := openJournal(t, t.TempDir()), openJournal(t, t.TempDir())
	grow(t, j, 10)
	grow(t, fork, 15)
	told := 0
	o := options(t, t.TempDir())
	o.OnFork = func(origin string) {
		if told++; origin != "limen/gate-1" {
			t.Errorf("told of %s", origin)
		}
	}
	w := openWitness(t, o)
	if _, err := w.Add(t.Context(), parsed(t, request(t, j, 0, 10))); err != nil {
		t.Fatal(err)
	}
	for _, r := range []Request{request(t, fork, 10, 15), request(t, fork, 10, 10), request(t, fork, 0, 10), request(t, fork, 10, 15)} {
		if lines, err := w.Add(t.Context(), parsed(t, r)); err == nil {
			t.Fatalf("the fork was cosigned: %s", lines)
		}
	}
	if told != 2 {
		t.Errorf("told %d times, want once for each kind of evidence", told)
	}
	w.Close()
	w = openWitness(t, o)
	evidence, err := w.Evidence("limen/gate-1")
	if err != nil || len(evidence) != 2 {
		t.Fatalf("got %d pieces of evidence, %v; want 2", len(evidence), err)
	}
	for _, e := range evidence {
		held, err := journal.OpenCheckpoint([]byte(e.Held), j.Verifier())
		shown, shownErr := journal.OpenCheckpoint([]byte(e.Shown), j.Verifier())
		if err != nil || shownErr != nil || held.Size != 10 || held.Root == shown.Root {
			t.Errorf("%s: got %+v and %+v, %v, %v; want two signed checkpoints that differ", e.Why, held, shown, err, shownErr)
		}
		if e.Why == "two roots of one size" && shown.Size != held.Size {
			t.Errorf("%s: of sizes %d and %d", e.Why, held.Size, shown.Size)
		}
	}
	if _, err := w.Add(t.Context(), parsed(t, request(t, j, 10, 10))); err != nil {
		t.Errorf("the first branch, after all that: %v", err)
	}
}

// parsed is r as it arrives.
func parsed(t testing.TB, r Request) Request {
	t.Helper()
	out, err := ParseRequest(r.Encode())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Whoever is slow cannot take the kept size back.
func TestConcurrentRequestsNeverGoBack(t *testing.T) {
	j := openJournal(t, t.TempDir())
	grow(t, j, 64)
	o := options(t, t.TempDir())
	w := openWitness(t, o)
	var requests [65][65]Request
	for old := range uint64(65) {
		for size := max(old, 1); size <= 64; size++ {
			requests[old][size] = parsed(t, request(t, j, old, size))
		}
	}
	var mu sync.Mutex
	signed := map[uint64]string{}
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			old := uint64(0)
			for size := uint64(1 + k); size <= 64; size += uint64(1 + k) {
				_, err := w.Add(t.Context(), requests[min(old, size)][size])
				var no *Refusal
				if errors.As(err, &no) && no.Status == http.StatusConflict {
					if no.Size < old {
						t.Errorf("the kept size went back from %d to %d", old, no.Size)
					}
					old = no.Size
				} else if err != nil {
					t.Errorf("size %d from %d: %v", size, old, err)
				} else {
					mu.Lock()
					signed[size] = "yes"
					mu.Unlock()
					old = size
				}
			}
		})
	}
	wg.Wait()
	last := uint64(0)
	for size := range signed {
		last = max(last, size)
	}
	w.Close()
	w = openWitness(t, o)
	if got := w.logs["limen/gate-1"].last.Size; got != last || last == 0 {
		t.Errorf("kept size %d after a restart, want %d, the greatest cosigned", got, last)
	}
}

// A witness that lost what it cosigned would cosign anything: it does not start.
func TestStateIsNotBegunAnew(t *testing.T) {
	j := openJournal(t, t.TempDir())
	grow(t, j, 4)
	o := options(t, t.TempDir())
	w := openWitness(t, o)
	if _, err := w.Add(t.Context(), parsed(t, request(t, j, 0, 4))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "another witness runs") {
		t.Errorf("a second witness in the folder: got %v", err)
	}
	path := w.state.path("limen/gate-1", ".note")
	w.Close()
	if err := os.WriteFile(path, []byte("limen/gate-1\n2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "limen/gate-1") || !strings.Contains(err.Error(), "backup") {
		t.Errorf("a damaged state: got %v, want an error that names the journal and what to do", err)
	}
}

func TestRequestsAreRated(t *testing.T) {
	j := openJournal(t, t.TempDir())
	grow(t, j, 4)
	o := options(t, t.TempDir())
	o.Rate, o.Burst = 1e-9, 20
	w := openWitness(t, o)
	url := serve(t, w)
	got := map[int]int{}
	for range 30 {
		status, _, _ := post(t, url, string(request(t, j, 4, 4).Encode()))
		got[status]++
	}
	if got[429] != 28 || got[409] != 2 { // a tenth of the burst is one journal's
		t.Errorf("got %v; want 2 judged and 28 told to wait", got)
	}
}

// A cosignature that the device is told of counts only where it is the asked
// witness's and on this checkpoint.
func TestOnlyTheAskedWitnessCounts(t *testing.T) {
	j := openJournal(t, t.TempDir())
	grow(t, j, 6)
	w := openWitness(t, options(t, t.TempDir()))
	known := keyOf(t, w)
	r := parsed(t, request(t, j, 0, 4))
	good, err := w.Add(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	other := options(t, t.TempDir())
	other.Name, other.Key = "limen/gate-3", newKey("gate-3")
	third := openWitness(t, other)
	foreign, err := third.Add(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	bent := bytes.Clone(good)
	bent[len(bent)-20] ^= 1
	for name, test := range map[string]struct {
		lines []byte
		ok    bool
	}{
		"its own":                  {good, true},
		"among others'":            {append(bytes.Clone(foreign), good...), true},
		"another's":                {foreign, false},
		"changed":                  {bent, false},
		"nothing":                  {nil, false},
		"under the witness's name": {bytes.Replace(foreign, []byte("gate-3"), []byte("gate-2"), 1), false},
	} {
		whole, err := Cosigned(r.Checkpoint, test.lines, known)
		if (err == nil) != test.ok || !test.ok && !errors.Is(err, ErrNotCosigned) {
			t.Errorf("%s: got %v, want taken: %v", name, err, test.ok)
		}
		if test.ok && bytes.Contains(whole, []byte("gate-3")) {
			t.Errorf("%s: another's line was kept", name)
		}
	}
	elsewhere, _ := j.CheckpointAt(t.Context(), 5)
	if _, err := Cosigned(elsewhere, good, known); err == nil {
		t.Error("a cosignature on another checkpoint was taken")
	}
}

// How many checkpoints a witness cosigns a second: each is checked against the
// last, kept on disk and signed.
func BenchmarkAdd(b *testing.B) {
	j := openJournal(b, b.TempDir())
	grow(b, j, 1024)
	var requests []Request
	for size := uint64(1); size <= 1024; size++ {
		requests = append(requests, parsed(b, request(b, j, size-1, size)))
	}
	o := options(b, b.TempDir())
	w := openWitness(b, o)
	k := 0
	for b.Loop() {
		if k == len(requests) { // as though it had seen nothing
			b.StopTimer()
			w.Close()
			o.Dir, k = b.TempDir(), 0
			w = openWitness(b, o)
			b.StartTimer()
		}
		if _, err := w.Add(b.Context(), requests[k]); err != nil {
			b.Fatal(err)
		}
		k++
	}
}
