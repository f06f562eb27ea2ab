package lookup

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"limen"
	"limen/mrtd/mrz"
)

// Bounds of a stop list.
const (
	maxList    = 128 << 20 // bytes
	maxEntries = 2_000_000
	maxField   = 64 // bytes
)

// StopList is a list that is matched on the device: from a file, read again
// whenever the file changes, or loaded from what the centre sent. A file is
// compiled, or the CSV a list is compiled from:
//
//	as_of,2026-01-31T06:00:00Z
//	issuer,number,kind
//	UTO,L898902C3,lost_or_stolen
//	UTO,X1234567,stop_list
//	UTO,740812 ERIKSSON<<ANNA<MARIA,person
//	end,3
//
// The first line says how fresh the list is, the last how many entries it has,
// so that a list cut short is not taken for a whole one. A person is named by
// nationality, and date of birth and names as an MRZ has them. Replace the file
// by renaming a new one over it.
//
// When a changed file cannot be read, what the last good list holds still
// counts as a hit, and everything else is not answered.
type StopList struct {
	name, path string
	hash       Hasher
	now        func() time.Time

	mu      sync.Mutex
	loaded  fs.FileInfo // of the file that list was read from
	list    *compiled   // nil: none yet
	failed  fs.FileInfo // of the file that could not be read, with why
	failure error
}

// NewStopList names a list; its file is read with the first question, so that a
// missing one keeps no appliance from starting. Where path is empty it is
// loaded. now may be nil: time.Now.
func NewStopList(name, path string, hash Hasher, now func() time.Time) *StopList {
	if now == nil {
		now = time.Now
	}
	return &StopList{name: name, path: path, hash: hash, now: now}
}

// Name is the database's name in policy and evidence.
func (s *StopList) Name() string { return s.name }

// Load makes a compiled list the one that is matched. It keeps b.
func (s *StopList) Load(b []byte) error {
	c, err := s.check(parseCompiled(b))
	if err != nil {
		return fmt.Errorf("lookup: %s: %w", s.name, err)
	}
	s.mu.Lock()
	s.list = &c
	s.mu.Unlock()
	return nil
}

func (s *StopList) check(c compiled, err error) (compiled, error) {
	if err == nil && c.asOf.After(s.now().Add(clockSpread)) {
		err = errors.New("as_of lies in the future: check both clocks")
	}
	if err == nil {
		_, err = c.of(s.hash(nil))
	}
	return c, err
}

// State says how many entries the list has and how fresh it is; the error is
// why the file as it is now could not be read.
func (s *StopList) State(ctx context.Context) (entries int, asOf time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err = s.refresh(ctx); s.list == nil {
		return 0, time.Time{}, err
	}
	return s.list.entries(), s.list.asOf, err
}

// Ask looks a document and its holder up.
func (s *StopList) Ask(ctx context.Context, q limen.LookupQuery) (limen.LookupAnswer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.refresh(ctx)
	if s.list == nil {
		return limen.LookupAnswer{}, err
	}
	hit, kind, herr := s.list.match(s.hash, q)
	if herr != nil {
		return limen.LookupAnswer{}, fmt.Errorf("lookup: %s: %w", s.name, herr)
	}
	if hit {
		return limen.LookupAnswer{Hit: true, Kind: kind, AsOf: s.list.asOf}, nil
	}
	if err != nil {
		return limen.LookupAnswer{}, err
	}
	return limen.LookupAnswer{AsOf: s.list.asOf}, nil
}

// match finds the graver kind first.
func (c compiled) match(hash Hasher, q limen.LookupQuery) (hit bool, kind limen.HitKind, err error) {
	document, err := c.of(hash(documentValue(q.Issuer, q.Number)))
	if err != nil {
		return false, "", err
	}
	if c.holds(sectionStop, document) {
		return true, limen.HitStopList, nil
	}
	if q.Person != "" && len(c.sections[sectionPerson]) > 0 {
		person, err := c.of(hash(personValue(q.Person)))
		if err != nil {
			return false, "", err
		}
		if c.holds(sectionPerson, person) {
			return true, limen.HitStopList, nil
		}
	}
	return c.holds(sectionLost, document), limen.HitLost, nil
}

// refresh reads the file when it is not the one already read.
func (s *StopList) refresh(ctx context.Context) error {
	if s.path == "" {
		if s.list == nil {
			return fmt.Errorf("lookup: %s has not come from the centre yet", s.name)
		}
		return nil
	}
	f, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("lookup: cannot read %s: %w", s.name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("lookup: cannot read %s: %w", s.name, err)
	}
	if same(s.loaded, info) {
		return nil
	}
	if same(s.failed, info) {
		return s.failure
	}
	if !info.Mode().IsRegular() || info.Size() > maxList {
		return fmt.Errorf("lookup: %s is not a file of at most %d bytes", s.path, maxList)
	}
	list, err := s.check(readFile(ctx, io.LimitReader(f, maxList), s.hash))
	if err != nil {
		err = fmt.Errorf("lookup: %s: %w", s.path, err)
		if ctx.Err() == nil {
			s.failed, s.failure = info, err
		}
		return err
	}
	s.loaded, s.list = info, &list
	s.failed, s.failure = nil, nil
	return nil
}

// readFile reads a list of either form.
func readFile(ctx context.Context, from io.Reader, hash Hasher) (compiled, error) {
	start := make([]byte, len(magic))
	n, err := io.ReadFull(from, start)
	from = io.MultiReader(bytes.NewReader(start[:n]), from)
	if err != nil || string(start) != magic {
		return readList(ctx, from, hash)
	}
	b, err := io.ReadAll(from)
	if err != nil {
		return compiled{}, fmt.Errorf("cannot read: %w", err)
	}
	return parseCompiled(b)
}

// Compile makes a list that devices match of a CSV.
func Compile(ctx context.Context, from io.Reader, hash Hasher) ([]byte, error) {
	c, err := readList(ctx, from, hash)
	if err != nil {
		return nil, err
	}
	return c.encode(), nil
}

func same(a, b fs.FileInfo) bool {
	return a != nil && os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// readList reads a whole CSV. Its errors name the line and quote nothing.
func readList(ctx context.Context, from io.Reader, hash Hasher) (compiled, error) {
	r := csv.NewReader(from)
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	at := func(problem string) error {
		line, _ := r.FieldPos(0)
		return fmt.Errorf("line %d: %s", line, problem)
	}
	first, err := r.Read()
	if err != nil || len(first) != 2 || first[0] != "as_of" {
		return compiled{}, errors.New("line 1: want as_of,TIME as RFC 3339")
	}
	asOf, err := time.Parse(time.RFC3339, first[1])
	if err != nil || asOf.IsZero() {
		return compiled{}, errors.New("line 1: want as_of,TIME as RFC 3339")
	}
	header, err := r.Read()
	if err != nil || strings.Join(header, ",") != "issuer,number,kind" {
		return compiled{}, errors.New("line 2: want the header issuer,number,kind")
	}
	current := hash(nil)
	if len(current) == 0 || len(current[0]) != limen.MarkSize {
		return compiled{}, errors.New("there is no fleet key to compile the list under")
	}
	c := compiled{asOf: asOf.UTC(), key: [4]byte(current[0])}
	var hashes [3][][hashSize]byte
	for count := 0; ; count++ {
		row, err := r.Read()
		switch {
		case err == io.EOF:
			return compiled{}, errors.New("the last line, end,COUNT, is missing: the list was cut short, copy it anew")
		case errors.As(err, new(*csv.ParseError)):
			return compiled{}, fmt.Errorf("%w: correct the line", err)
		case err != nil:
			return compiled{}, fmt.Errorf("cannot read: %w", err)
		case count%4096 == 0 && ctx.Err() != nil:
			return compiled{}, ctx.Err()
		case len(row) == 2 && row[0] == "end":
			if row[1] != strconv.Itoa(count) {
				return compiled{}, at(fmt.Sprintf("want end,%d after as many entries: the list was cut short, copy it anew", count))
			}
			if _, err := r.Read(); err != io.EOF {
				return compiled{}, errors.New("something follows the line end,COUNT: remove it")
			}
			for k := range hashes {
				c.sections[k] = ordered(hashes[k])
			}
			return c, nil
		case len(row) != 3 || len(row[0]) > maxField || len(row[1]) > maxField:
			return compiled{}, at("want issuer,number,kind")
		case count >= maxEntries:
			return compiled{}, at(fmt.Sprintf("more than %d entries: split the list", maxEntries))
		}
		section, value, problem := entry(row)
		if problem != "" {
			return compiled{}, at(problem)
		}
		h, err := c.of(hash(value))
		if err != nil {
			return compiled{}, err
		}
		hashes[section] = append(hashes[section], [hashSize]byte(h))
	}
}

// entry is a line's section, and what is hashed of it.
func entry(row []string) (section int, value []byte, problem string) {
	if row[2] == "person" {
		birth, names, _ := strings.Cut(row[1], " ")
		if len(birth) != 6 || strings.Trim(birth, "0123456789<") != "" || plain(names) == "" || plain(row[0]) == "" {
			return 0, nil, "want nationality, date of birth as YYMMDD and names, such as UTO,740812 ERIKSSON<<ANNA<MARIA,person"
		}
		primary, secondary, _ := strings.Cut(names, "<<")
		return sectionPerson, personValue(limen.Person(mrz.Alpha3(plain(row[0])), birth, primary, secondary)), ""
	}
	switch limen.HitKind(row[2]) {
	case limen.HitLost:
		section = sectionLost
	case limen.HitStopList:
		section = sectionStop
	default:
		return 0, nil, "kind: want lost_or_stolen, stop_list or person"
	}
	if key := entryKey(row[0], row[1]); strings.HasPrefix(key, "<") || strings.HasSuffix(key, "<") {
		return 0, nil, "issuer or number is empty"
	}
	return section, documentValue(row[0], row[1]), ""
}

// entryKey joins by the one character that plain takes out of both parts.
func entryKey(from, number string) string { return issuer(from) + "<" + plain(number) }

// issuer writes a state's code as questions have it: Germany's D is DEU.
func issuer(code string) string { return mrz.Alpha3(plain(code)) }

// plain leaves out what the MRZ and printed numbers differ in.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '<' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToUpper(s))
}
