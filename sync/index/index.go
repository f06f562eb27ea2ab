package index

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"limen"
)

// Index is the checks of a region on one device: a few sorted segments. A
// question reads each; a delta becomes a new one; segments of like size are
// merged into one.
type Index struct {
	dir string
	key []byte
	now func() time.Time

	changing sync.Mutex   // deltas, merging
	mu       sync.RWMutex // state and segments
	state    state
	segments []*segment // as in state
}

// state is a small file that is replaced whole, after the segments it names are
// on disk. Segments it does not name are left over and removed.
type state struct {
	Region   string   `json:"region"`
	Number   uint64   `json:"number"` // of the last delta
	AsOf     int64    `json:"as_of"`  // milliseconds since 1970
	Places   []string `json:"places"`
	Proofs   []string `json:"proofs"`
	Segments []string `json:"segments"`
	Next     uint64   `json:"next"` // number of the next segment's file
}

// stateName is the state's file: JSON, encrypted where segments are.
const stateName = "state"

// sealing is AES-256-GCM under a key made of the store key; nil in the clear.
func (x *Index) sealing() (cipher.AEAD, error) {
	if x.key == nil {
		return nil, nil
	}
	mac := hmac.New(sha256.New, x.key)
	mac.Write([]byte("limen index state 1\n"))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (x *Index) seal(b []byte) ([]byte, error) {
	c, err := x.sealing()
	if c == nil || err != nil {
		return b, err
	}
	return c.Seal(nil, nil, b, nil), nil
}

func (x *Index) unseal(b []byte) ([]byte, error) {
	c, err := x.sealing()
	if c == nil || err != nil {
		return b, err
	}
	return c.Open(nil, nil, b, nil)
}

// fanout is how many segments of like size are merged into one.
const fanout = 4

// Open opens the index in a folder. key is the device's store key, 32 bytes;
// nil leaves segments in the clear. A damaged index is begun anew: it is fetched again.
func Open(dir string, key []byte, now func() time.Time) (*Index, error) {
	if now == nil {
		now = time.Now
	}
	x := &Index{dir: dir, key: key, now: now}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the index's folder: %w", err)
	}
	if err := x.load(); err != nil {
		x.closeSegments()
		x.state, x.segments = state{}, nil
	}
	return x, x.sweep()
}

func (x *Index) load() error {
	b, err := os.ReadFile(filepath.Join(x.dir, stateName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		b, err = x.unseal(b)
	}
	if err == nil {
		err = json.Unmarshal(b, &x.state)
	}
	if err != nil {
		return err
	}
	for _, name := range x.state.Segments {
		s, err := openSegment(filepath.Join(x.dir, name), name, x.key)
		if err != nil {
			return err
		}
		x.segments = append(x.segments, s)
	}
	return nil
}

// sweep removes files that the state does not name.
func (x *Index) sweep() error {
	files, err := os.ReadDir(x.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if n := f.Name(); n != stateName && !slices.Contains(x.state.Segments, n) {
			if err := os.Remove(filepath.Join(x.dir, n)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *Index) closeSegments() {
	for _, s := range x.segments {
		s.f.Close() // read only
	}
}

// Close closes the index.
func (x *Index) Close() error {
	x.changing.Lock()
	defer x.changing.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closeSegments()
	x.segments = nil
	return nil
}

// Fresh is the region, the number of the last delta, and when the index was as
// the centre's records; the zero time before the first.
func (x *Index) Fresh() (region string, number uint64, asOf time.Time) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.state.AsOf > 0 {
		asOf = time.UnixMilli(x.state.AsOf).UTC()
	}
	return x.state.Region, x.state.Number, asOf
}

// Entries is how many entries the segments have.
func (x *Index) Entries() (n uint64) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, s := range x.segments {
		n += uint64(s.count)
	}
	return n
}

// Seen are a document's checks since a time, newest first, at most n, and as of
// when that is.
func (x *Index) Seen(about []limen.Trace, since time.Time, n int) ([]limen.Earlier, time.Time, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var found []entry
	for _, t := range about {
		for _, s := range x.segments {
			if err := s.find(DocumentKey(t.Hash[:]), func(e *entry) { found = append(found, *e) }); err != nil {
				return nil, time.Time{}, err
			}
		}
	}
	asOf := time.UnixMilli(x.state.AsOf).UTC()
	if since.Before(x.now().Add(-Keep)) {
		since = x.now().Add(-Keep)
	}
	return x.state.sightings(found, since, n), asOf, nil
}

// sightings joins checks with what officers said of them.
func (s state) sightings(found []entry, since time.Time, n int) (out []limen.Earlier) {
	slices.SortFunc(found, func(a, b entry) int { return int(int64(b.at()) - int64(a.at())) })
	officers := map[string]limen.Outcome{}
	amended := map[string]bool{}
	seen := map[string]bool{} // a check under two fleet keys is one
	for i := range found {
		e := &found[i]
		record := string(e[recordAt:pseudonymAt])
		switch {
		case e[flagsAt]&flagOfficer != 0:
			if _, ok := officers[record]; !ok { // the last word counts
				officers[record] = outcome(e[flagsAt])
			}
		case e[flagsAt]&flagCorrected != 0:
			amended[record] = true
		}
	}
	for i := range found {
		e := &found[i]
		at := time.Unix(int64(e.at()), 0).UTC()
		handle := string(e[handleAt:timeAt])
		if e[flagsAt]&(flagOfficer|flagCorrected) != 0 || seen[handle] || at.Before(since) {
			continue
		}
		seen[handle] = true
		if len(out) == n {
			break
		}
		record := string(e[recordAt:pseudonymAt])
		k := limen.Earlier{
			Record: fmt.Sprintf("%x", record), At: at, Outcome: outcome(e[flagsAt]), Officer: officers[record],
			Lost: e[flagsAt]&flagLost != 0, Pseudonym: limen.Pseudonym(e[pseudonymAt:sodAt]),
		}
		if amended[record] {
			k.Correction = corrected
		}
		k.Site, k.Device = s.place(e)
		if i := int(e[proofAt]); i < len(s.Proofs) {
			k.Proof = s.Proofs[i]
		}
		if e[flagsAt]&flagSOD != 0 {
			k.SODMark = slices.Clone(limen.Mark(e[sodAt:keyMarkAt]))
		}
		if e[flagsAt]&flagKey != 0 {
			k.KeyMark = slices.Clone(limen.Mark(e[keyMarkAt:]))
		}
		out = append(out, k)
	}
	return out
}

func outcome(flags byte) limen.Outcome {
	switch {
	case flags&flagAdmitted != 0:
		return limen.Admit
	case flags&flagRefused != 0:
		return limen.Refuse
	}
	return limen.Refer
}

func (s state) place(e *entry) (site, device string) {
	i := int(e[placeAt])<<8 | int(e[placeAt+1])
	if i >= len(s.Places) {
		return "", ""
	}
	for k := range len(s.Places[i]) {
		if s.Places[i][k] == '/' {
			return s.Places[i][:k], s.Places[i][k+1:]
		}
	}
	return s.Places[i], ""
}
