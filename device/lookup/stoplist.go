package lookup

import (
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

// StopList is a list in a file, read again whenever the file changes. The file is CSV:
//
//	as_of,2026-01-31T06:00:00Z
//	issuer,number,kind
//	UTO,L898902C3,lost_or_stolen
//	UTO,X1234567,stop_list
//	end,2
//
// The first line says how fresh the list is, the last how many entries it has,
// so that a list cut short is not taken for a whole one. Replace the file by
// renaming a new one over it.
//
// When a changed file cannot be read, what the last good list holds still
// counts as a hit, and everything else is not answered.
type StopList struct {
	name, path string
	now        func() time.Time

	mu      sync.Mutex
	loaded  fs.FileInfo // of the file that list was read from
	list    map[string]limen.HitKind
	asOf    time.Time
	failed  fs.FileInfo // of the file that could not be read, with why
	failure error
}

// NewStopList names a list; it is read with the first question, so that a
// missing file keeps no appliance from starting. now may be nil: time.Now.
func NewStopList(name, path string, now func() time.Time) *StopList {
	if now == nil {
		now = time.Now
	}
	return &StopList{name: name, path: path, now: now}
}

// Name is the database's name in policy and evidence.
func (s *StopList) Name() string { return s.name }

// State says how many entries the list has and how fresh it is; the error is
// why the file as it is now could not be read.
func (s *StopList) State(ctx context.Context) (entries int, asOf time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.refresh(ctx)
	return len(s.list), s.asOf, err
}

// Ask looks a document up.
func (s *StopList) Ask(ctx context.Context, q limen.LookupQuery) (limen.LookupAnswer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.refresh(ctx)
	if kind, held := s.list[entryKey(q.Issuer, q.Number)]; held {
		return limen.LookupAnswer{Hit: true, Kind: kind, AsOf: s.asOf}, nil
	}
	if err != nil {
		return limen.LookupAnswer{}, err
	}
	return limen.LookupAnswer{AsOf: s.asOf}, nil
}

// refresh reads the file when it is not the one already read.
func (s *StopList) refresh(ctx context.Context) error {
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
	list, asOf, err := readList(ctx, io.LimitReader(f, maxList))
	if err == nil && asOf.After(s.now().Add(clockSpread)) {
		err = errors.New("line 1: as_of lies in the future: check both clocks")
	}
	if err != nil {
		err = fmt.Errorf("lookup: %s: %w", s.path, err)
		if ctx.Err() == nil {
			s.failed, s.failure = info, err
		}
		return err
	}
	s.loaded, s.list, s.asOf = info, list, asOf
	s.failed, s.failure = nil, nil
	return nil
}

func same(a, b fs.FileInfo) bool {
	return a != nil && os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// readList reads a whole list. Its errors name the line and quote nothing.
func readList(ctx context.Context, from io.Reader) (map[string]limen.HitKind, time.Time, error) {
	r := csv.NewReader(from)
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	at := func(problem string) error {
		line, _ := r.FieldPos(0)
		return fmt.Errorf("line %d: %s", line, problem)
	}
	first, err := r.Read()
	if err != nil || len(first) != 2 || first[0] != "as_of" {
		return nil, time.Time{}, errors.New("line 1: want as_of,TIME as RFC 3339")
	}
	asOf, err := time.Parse(time.RFC3339, first[1])
	if err != nil || asOf.IsZero() {
		return nil, time.Time{}, errors.New("line 1: want as_of,TIME as RFC 3339")
	}
	header, err := r.Read()
	if err != nil || strings.Join(header, ",") != "issuer,number,kind" {
		return nil, time.Time{}, errors.New("line 2: want the header issuer,number,kind")
	}
	list := map[string]limen.HitKind{}
	for count := 0; ; count++ {
		row, err := r.Read()
		switch {
		case err == io.EOF:
			return nil, time.Time{}, errors.New("the last line, end,COUNT, is missing: the list was cut short, copy it anew")
		case errors.As(err, new(*csv.ParseError)):
			return nil, time.Time{}, fmt.Errorf("%w: correct the line", err)
		case err != nil:
			return nil, time.Time{}, fmt.Errorf("cannot read: %w", err)
		case count%4096 == 0 && ctx.Err() != nil:
			return nil, time.Time{}, ctx.Err()
		case len(row) == 2 && row[0] == "end":
			if row[1] != strconv.Itoa(count) {
				return nil, time.Time{}, at(fmt.Sprintf("want end,%d after as many entries: the list was cut short, copy it anew", count))
			}
			if _, err := r.Read(); err != io.EOF {
				return nil, time.Time{}, errors.New("something follows the line end,COUNT: remove it")
			}
			return list, asOf, nil
		case len(row) != 3 || len(row[0]) > maxField || len(row[1]) > maxField:
			return nil, time.Time{}, at("want issuer,number,kind")
		case count >= maxEntries:
			return nil, time.Time{}, at(fmt.Sprintf("more than %d entries: split the list", maxEntries))
		}
		kind := limen.HitKind(row[2])
		if kind != limen.HitLost && kind != limen.HitStopList {
			return nil, time.Time{}, at("kind: want lost_or_stolen or stop_list")
		}
		key := entryKey(row[0], row[1])
		if strings.HasPrefix(key, "<") || strings.HasSuffix(key, "<") {
			return nil, time.Time{}, at("issuer or number is empty")
		}
		// The graver kind stands where a document is listed twice.
		if list[key] != limen.HitStopList {
			list[key] = kind
		}
	}
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
