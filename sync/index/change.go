package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"limen"
)

// ErrAfter means that a delta follows another number than the index has.
var ErrAfter = errors.New("the delta follows another number than the index has")

// Apply takes a delta that the centre signed. When it returns the delta is
// durable, and what it removes is in no file any more.
func (x *Index) Apply(n Next, d Delta) error {
	x.changing.Lock()
	defer x.changing.Unlock()
	next, segments := x.view()
	if next.Region != n.Region { // another region's is of no use
		if n.After != 0 {
			return ErrAfter
		}
		next, segments = state{Next: next.Next, Region: n.Region}, nil
	}
	if n.After != next.Number {
		return ErrAfter
	}
	next.Number, next.AsOf = n.Number, max(next.AsOf, n.AsOf)
	places, err := numbered(&next.Places, d.Places, 1<<16)
	if err != nil {
		return fmt.Errorf("places: %w", err)
	}
	proofs, err := numbered(&next.Proofs, d.Proofs, 1<<8)
	if err != nil {
		return fmt.Errorf("proofs: %w", err)
	}
	var fresh []entry
	for _, r := range d.Rows {
		fresh = append(fresh, r.entries(uint16(places[r.Place]), uint8(proofs[r.Proof]))...)
	}
	slices.SortFunc(fresh, func(a, b entry) int { return order(&a, &b) })
	made := &change{x: x, next: &next}
	defer made.undo()
	if len(d.Removed) > 0 {
		if segments, err = made.remove(segments, d.Removed); err != nil {
			return err
		}
	}
	if len(fresh) > 0 {
		s, err := made.segment(func(add func(entry) error) error {
			for _, e := range fresh {
				if err := add(e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		segments = append(segments, s)
	}
	if segments, err = made.merge(segments); err != nil {
		return err
	}
	return made.commit(segments)
}

// Current notes that the index is as the centre's records at a time, with no delta.
func (x *Index) Current(n Next) error {
	x.changing.Lock()
	defer x.changing.Unlock()
	next, segments := x.view()
	if next.Number != n.Number || next.Region != n.Region && next.Region != "" {
		return ErrAfter
	}
	next.Region, next.AsOf = n.Region, max(next.AsOf, n.AsOf)
	return (&change{x: x, next: &next}).commit(segments)
}

// Tidy drops what is older than the index keeps. It is to be called daily.
func (x *Index) Tidy() error {
	oldest := x.oldest()
	return x.leaveOut(func(e *entry) bool { return e.at() < oldest })
}

func (x *Index) leaveOut(out func(*entry) bool) error {
	x.changing.Lock()
	defer x.changing.Unlock()
	next, segments := x.view()
	made := &change{x: x, next: &next}
	defer made.undo()
	segments, err := made.rewrite(segments, out)
	if err != nil {
		return err
	}
	return made.commit(segments)
}

func (x *Index) oldest() uint32 { return uint32(max(0, x.now().Add(-Keep).Unix())) }

func (x *Index) view() (state, []*segment) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := x.state
	s.Places, s.Proofs = slices.Clone(s.Places), slices.Clone(s.Proofs)
	return s, slices.Clone(x.segments)
}

// elsewhere is the place of checks for which no number is left.
const elsewhere = "elsewhere/unknown"

// numbered gives names their numbers in this index. Those for which none is
// left share the last: the checks count all the same.
func numbered(have *[]string, names []string, most int) (out []int, err error) {
	for _, name := range names {
		i := slices.Index(*have, name)
		if i < 0 && len(*have) >= most-1 {
			name = elsewhere
			i = slices.Index(*have, name)
		}
		if i < 0 {
			if i = len(*have); i >= most {
				return nil, fmt.Errorf("more than %d", most)
			}
			*have = append(*have, name)
		}
		out = append(out, i)
	}
	return out, nil
}

// change is new segments until a state names them.
type change struct {
	x    *Index
	next *state
	made []*segment
	done bool
}

func (c *change) segment(fill func(add func(entry) error) error) (*segment, error) {
	name := fmt.Sprintf("segment-%d", c.next.Next)
	path := filepath.Join(c.x.dir, name)
	os.Remove(path) // left over
	w, err := newWriter(path, c.x.key)
	if err != nil {
		return nil, fmt.Errorf("cannot write the index: %w", err)
	}
	c.next.Next++
	if err := errors.Join(fill(w.add), w.close()); err != nil {
		return nil, fmt.Errorf("cannot write the index: %w", errors.Join(err, os.Remove(path)))
	}
	s, err := openSegment(path, name, c.x.key)
	if err == nil {
		c.made = append(c.made, s)
	}
	return s, err
}

// remove rewrites the segments that have entries of the handles.
func (c *change) remove(segments []*segment, handles [][]byte) ([]*segment, error) {
	gone := make(map[[HandleSize]byte]bool, len(handles))
	for _, h := range handles {
		gone[[HandleSize]byte(h)] = true
	}
	return c.rewrite(segments, func(e *entry) bool { return gone[[HandleSize]byte(e[handleAt:])] })
}

// rewrite writes segments anew that have anything to leave out.
func (c *change) rewrite(segments []*segment, out func(*entry) bool) (kept []*segment, err error) {
	for _, s := range segments {
		any := false
		if err := s.each(func(e *entry) error { any = any || out(e); return nil }); err != nil {
			return nil, err
		}
		if any {
			old := s
			if s, err = c.segment(func(add func(entry) error) error {
				return old.each(func(e *entry) error {
					if out(e) {
						return nil
					}
					return add(*e)
				})
			}); err != nil {
				return nil, err
			}
		}
		if s.count > 0 {
			kept = append(kept, s)
		}
	}
	return kept, nil
}

// merge merges the newest segments while there are as many of like size: so
// there are at most fanout of each size, and an entry is written anew as often
// as there are sizes.
func (c *change) merge(segments []*segment) ([]*segment, error) {
	slices.SortStableFunc(segments, func(a, b *segment) int { return int(b.count - a.count) }) // largest first
	for len(segments) >= fanout {
		last := segments[len(segments)-fanout:]
		if last[0].count > fanout*max(last[fanout-1].count, 64) {
			break
		}
		s, err := c.join(last)
		if err != nil {
			return nil, err
		}
		segments = append(segments[:len(segments)-fanout:len(segments)-fanout], s)
		slices.SortStableFunc(segments, func(a, b *segment) int { return int(b.count - a.count) })
	}
	return segments, nil
}

// join merges sorted segments into one, without what is too old.
func (c *change) join(of []*segment) (*segment, error) {
	oldest := c.x.oldest()
	return c.segment(func(add func(entry) error) error {
		var heads []*cursor
		for _, s := range of {
			heads = append(heads, &cursor{s: s})
		}
		for {
			var least *cursor
			for _, h := range heads {
				ok, err := h.more()
				if err != nil {
					return err
				}
				if ok && (least == nil || order(h.entry(), least.entry()) < 0) {
					least = h
				}
			}
			if least == nil {
				return nil
			}
			if e := least.entry(); e.at() >= oldest {
				if err := add(*e); err != nil {
					return err
				}
			}
			least.i++
		}
	})
}

// cursor reads a segment from its begin, many entries at once.
type cursor struct {
	s     *segment
	i     int64
	first int64
	page  []byte
}

func (c *cursor) more() (bool, error) {
	const many = 512
	if c.i >= c.s.count {
		return false, nil
	}
	if c.page != nil && c.i < c.first+int64(len(c.page)/entrySize) {
		return true, nil
	}
	n := min(many, c.s.count-c.i)
	c.first, c.page = c.i, make([]byte, n*entrySize)
	return true, c.s.read(c.i, c.page)
}

func (c *cursor) entry() *entry { return (*entry)(c.page[(c.i-c.first)*entrySize:]) }

// commit makes the state name the new segments, and removes those it does not.
func (c *change) commit(segments []*segment) error {
	c.next.Segments = nil
	for _, s := range segments {
		c.next.Segments = append(c.next.Segments, s.name)
	}
	b, err := json.Marshal(c.next)
	if err != nil {
		return err
	}
	if b, err = c.x.seal(b); err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(c.x.dir, stateName), b); err != nil {
		return fmt.Errorf("cannot keep the index's state: %w", err)
	}
	c.x.mu.Lock()
	before := append(c.x.segments, c.made...)
	c.x.state, c.x.segments, c.done = *c.next, segments, true
	c.x.mu.Unlock()
	var errs []error
	for _, s := range before {
		if !slices.Contains(segments, s) {
			errs = append(errs, s.f.Close(), os.Remove(filepath.Join(c.x.dir, s.name)))
		}
	}
	return errors.Join(errs...)
}

func (c *change) undo() {
	if c.done {
		return
	}
	for _, s := range c.made {
		s.f.Close()
		os.Remove(filepath.Join(c.x.dir, s.name)) // or the next start does
	}
}

func replaceFile(path string, b []byte) error {
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

// Forget drops a document's checks. A later delta may bring others.
func (x *Index) Forget(about []limen.Trace) error {
	keys := map[[KeySize]byte]bool{}
	for _, t := range about {
		keys[[KeySize]byte(t.Hash[:])] = true
	}
	any := false // most documents are not in it
	x.mu.RLock()
	for _, t := range about {
		for _, s := range x.segments {
			if err := s.find(DocumentKey(t.Hash[:]), func(*entry) { any = true }); err != nil {
				x.mu.RUnlock()
				return err
			}
		}
	}
	x.mu.RUnlock()
	if !any {
		return nil
	}
	return x.leaveOut(func(e *entry) bool { return keys[[KeySize]byte(e[:])] })
}

// Expire drops everything where the index was last as the centre's before a
// time: a device that nobody hears of is not to go on knowing.
func (x *Index) Expire(since time.Time) error {
	if _, _, asOf := x.Fresh(); asOf.IsZero() || !asOf.Before(since) {
		return nil
	}
	x.changing.Lock()
	defer x.changing.Unlock()
	next, _ := x.view()
	next = state{Next: next.Next}
	return (&change{x: x, next: &next}).commit(nil)
}
