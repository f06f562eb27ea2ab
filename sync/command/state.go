package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/sync/wire"
)

// state is what a device knows of its commands: a small file, replaced whole.
type state struct {
	Enrolled string        `json:"enrolled"` // the operations key of the enrolment: another one in the configuration takes its place
	Last     uint64        `json:"last"`     // number of the last command taken
	Keys     []keyState    `json:"keys"`     // the operations key first, then those before it
	Tell     []wire.Result `json:"tell"`     // what the centre has not heard
}

type keyState struct {
	Key   string `json:"key"`
	Until int64  `json:"until,omitempty"` // of an earlier one: sets signed by it are taken until then
}

// mostKeys are remembered, so that sets signed by an earlier one still verify.
const mostKeys = 8

func readState(path, enrolled string) (state, error) {
	fresh := state{Enrolled: enrolled, Keys: []keyState{{Key: enrolled}}}
	if _, err := note.NewVerifier(enrolled); err != nil {
		return fresh, errors.New("the operations key is none: copy it whole, as `limen-fleet enrol` prints it")
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return fresh, fmt.Errorf("cannot read how far commands were taken: %w", err)
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil || len(s.Keys) == 0 {
		return fresh, fmt.Errorf("%s does not say how far commands were taken: have the device enrolled under a new name, or put the file back", path)
	}
	if s.Enrolled != enrolled { // whoever enrolled anew said so in the configuration; the centre counts on
		fresh.Last, fresh.Tell = s.Last, s.Tell
		return fresh, nil
	}
	return s, nil
}

func (s state) write(path string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// verifiers are the keys a test holds for, in their order.
func (s state) verifiers(holds func(i int, k keyState) bool) note.Verifiers {
	var out []note.Verifier
	for i, k := range s.Keys {
		if v, err := note.NewVerifier(k.Key); err == nil && holds(i, k) {
			out = append(out, v)
		}
	}
	return note.VerifierList(out...)
}

// rotate makes a key the operations key. The one before it signs sets until a
// time, and commands no more.
func (s *state) rotate(c Command) {
	if s.Keys[0].Key == c.Key {
		return
	}
	s.Keys[0].Until = c.Until
	s.Keys = slices.DeleteFunc(s.Keys, func(k keyState) bool { return k.Key == c.Key })
	s.Keys = append([]keyState{{Key: c.Key}}, s.Keys...)
	s.Keys = s.Keys[:min(len(s.Keys), mostKeys)]
}

// Now implements set.Keys: the operations key, and the one before it while they overlap.
func (t *Taker) Now() note.Verifiers {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.opts.Now()
	return t.state.verifiers(func(i int, k keyState) bool { return i == 0 || now.Before(time.UnixMilli(k.Until)) })
}

// Ever implements set.Keys.
func (t *Taker) Ever() note.Verifiers {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.verifiers(func(int, keyState) bool { return true })
}
