package eval

import (
	"fmt"
	"io"
	"log/slog"

	"limen/matcher"
)

// maxTemplates bounds a set: 200 000 templates of 256 numbers are 200 MB, and
// their 20 000 million pairs half a day.
const maxTemplates = 200_000

// Set holds templates of one model, and whose each is. It is biometric data:
// it prints as redacted, and whoever made it wipes it.
type Set struct {
	size    int       // numbers in a template
	data    []float32 // templates of length 1, one after the other
	person  []int     // whose a template is
	people  int
	indexed map[int]int // a caller's number of a person to ours
}

// NewSet makes an empty set of templates of size numbers.
func NewSet(size int) *Set { return &Set{size: size, indexed: map[int]int{}} }

// Add adds a template of a person, who is known by any number, and returns its
// place. The template is copied.
func (s *Set) Add(t matcher.Template, person int) (int, error) {
	if len(t) != s.size {
		return 0, fmt.Errorf("a template of %d numbers among those of %d: of another model", len(t), s.size)
	}
	if s.Len() == maxTemplates {
		return 0, fmt.Errorf("more than %d templates", maxTemplates)
	}
	p, known := s.indexed[person]
	if !known {
		p = s.people
		s.indexed[person] = p
		s.people++
	}
	unit := t.Normalized()
	s.grow(unit)
	clear(unit)
	s.person = append(s.person, p)
	return s.Len() - 1, nil
}

// grow appends, and leaves no copy behind where the data moves.
func (s *Set) grow(t []float32) {
	if len(s.data)+len(t) > cap(s.data) {
		more := make([]float32, len(s.data), 2*cap(s.data)+len(t))
		copy(more, s.data)
		clear(s.data)
		s.data = more
	}
	s.data = append(s.data, t...)
}

// Len is the number of templates.
func (s *Set) Len() int { return len(s.person) }

// People is how many people they are of.
func (s *Set) People() int { return s.people }

// Wipe overwrites the templates and empties the set.
func (s *Set) Wipe() {
	clear(s.data[:cap(s.data)])
	s.data, s.person, s.people = nil, nil, 0
	clear(s.indexed)
}

// Format redacts under every verb.
func (s *Set) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[templates]") }

// LogValue redacts.
func (s *Set) LogValue() slog.Value { return slog.StringValue("[templates]") }

// MarshalText refuses.
func (s *Set) MarshalText() ([]byte, error) { return nil, matcher.ErrSerialized }
