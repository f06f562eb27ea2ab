package mrtd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/lds"
)

// Read opens the chip and reads its files. The Reading holds what came even
// when the error is not nil.
//
// The error is nil when every file asked for that the chip lists was read,
// EF.COM apart, which is only an unsigned list. It wraps ErrAccessDenied, ErrChipLost,
// ErrNoApplication or the context's error where it is one of these; otherwise
// it says which file could not be read, and the files after that one have
// still been tried.
func Read(ctx context.Context, card apdu.Card, key Key, opt Options) (Reading, error) {
	r := newReader(card, key, opt)
	err := r.run(ctx)
	r.reading.Stats = r.card.Stats
	return r.reading, err
}

// maxReopens bounds how often a session that a chip broke off is opened anew.
const maxReopens = 3

// reader is one reading under way.
type reader struct {
	card    *link
	key     Key
	opt     Options
	maxLe   int
	infos   lds.SecurityInfos
	files   *files
	reopens int
	reading Reading
}

func newReader(card apdu.Card, key Key, opt Options) *reader {
	if opt.Random == nil {
		opt.Random = rand.Reader
	}
	if opt.Groups == nil {
		opt.Groups = []int{1, 2, 14, 15}
	}
	_, carried := apdu.Limits(card)
	maxLe := carried - 2
	if _, says := card.(apdu.Limited); opt.MaxLe > 0 && says {
		maxLe = min(maxLe, opt.MaxLe)
	} else if opt.MaxLe > 0 {
		maxLe = opt.MaxLe
	}
	return &reader{
		card:    &link{Counter: apdu.Counter{Card: card}},
		key:     key,
		opt:     opt,
		maxLe:   min(max(maxLe, 96), apdu.MaxLe),
		reading: Reading{Files: map[lds.Path][]byte{}},
	}
}

// run is the reading sequence (Doc 9303-11, 4.2; Doc 9303-10, 3.11).
func (r *reader) run(ctx context.Context) error {
	if err := r.announced(ctx); err != nil {
		return err
	}
	if err := r.open(ctx); err != nil {
		return err
	}
	var first error
	for _, step := range []func() []lds.File{r.begin, r.list, r.rest} {
		for _, f := range step() {
			err, end := r.attempt(ctx, f)
			if end {
				return err
			}
			if first == nil && f != lds.EFCOM { // EF.COM is only an unsigned list
				first = err
			}
		}
	}
	return first
}

// attempt delivers a file and tells whether the reading ends with it.
func (r *reader) attempt(ctx context.Context, f lds.File) (err error, end bool) {
	err = r.deliver(ctx, f)
	return err, err != nil && (r.card.failure(ctx) != nil || broken(err))
}

// announced reads EF.CardAccess. A chip without PACE has none, and chips are
// known to answer 6982, 6985 or 6A82, or to have it empty: each means BAC.
func (r *reader) announced(ctx context.Context) error {
	f := lds.EFCardAccess
	data, err := newFiles(r.card, min(r.maxLe, 256), Options{}).read(ctx, f)
	if lost := r.card.failure(ctx); lost != nil {
		return fmt.Errorf("cannot read %s: %w", f, lost)
	}
	if err == nil {
		r.infos, err = lds.ParseCardAccess(data)
		r.keep(f, data)
	}
	var status *apdu.StatusError
	if err != nil && !(errors.As(err, &status) && status.SW == apdu.FileNotFound) {
		r.fail(f, err)
	}
	return nil
}

// open gains access and sets the reads up for the channel it gave.
func (r *reader) open(ctx context.Context) error {
	channel, a, err := open(ctx, r.card, r.infos, r.key, r.opt.Random)
	r.reading.Access = a
	if err != nil {
		if lost := r.card.failure(ctx); errors.Is(lost, ErrChipLost) && !errors.Is(err, ErrChipLost) {
			err = fmt.Errorf("cannot open the chip: %w", lost)
		}
		r.reading.Access.Protocol = ""
		return err
	}
	r.reading.Channel = channel
	r.files = newFiles(channel, r.maxLe, r.opt)
	return nil
}

// deliver reads one file and hands it over. Where a chip breaks off secure
// messaging over a file, most often for a length it does not bear, the session
// is opened anew and the file asked for again, in shorter pieces.
func (r *reader) deliver(ctx context.Context, f lds.File) error {
	before := r.files.block
	data, err := r.files.read(ctx, f)
	// A second opening for one file is worth its time only where the first led
	// to shorter reads.
	for first := true; r.card.failure(ctx) == nil && r.reopens < maxReopens && brokenOff(err, first || r.files.block < before); first = false {
		if err = r.reopen(ctx); err != nil {
			break
		}
		before = r.files.block
		data, err = r.files.read(ctx, f)
	}
	if err == nil {
		r.keep(f, data)
		return nil
	}
	if lost := r.card.failure(ctx); lost != nil {
		err = lost
	}
	r.fail(f, err)
	return fmt.Errorf("cannot read %s: %w", f, err)
}

// brokenOff tells that the session has to be opened anew to go on: it is over,
// or a bare answer says that it is, or may mean so by speaking of rights or
// length. Other bare answers (a file that is not there) are that file's own.
func brokenOff(err error, worthIt bool) bool {
	var plain *access.PlainStatusError
	if !errors.As(err, &plain) {
		return errors.Is(err, access.ErrSessionOver)
	}
	switch plain.SW {
	case apdu.SMObjectsMissing, apdu.SMObjectsIncorrect, apdu.SecurityStatus, apdu.ConditionsOfUse:
		return worthIt
	}
	return aboutLength(plain.SW) && worthIt
}

// broken tells that the channel cannot carry another file: its answers do not
// verify, or it could not be opened again.
func broken(err error) bool {
	return errors.Is(err, access.ErrIntegrity) || errors.Is(err, access.ErrSessionOver) || errors.Is(err, ErrAccessDenied)
}

// reopen starts over from the master file: a plain command ends what is left
// of the old session at the chip. What the reads have learned is kept.
func (r *reader) reopen(ctx context.Context) error {
	r.reopens++
	if _, err := apdu.Send(ctx, r.card, apdu.SelectMF()); err != nil {
		return err
	}
	before, block, noSFI := r.reading.Access, r.files.block, r.files.noSFI
	r.reading.Channel = nil
	if err := r.open(ctx); err != nil {
		r.reading.Access = before
		return err
	}
	// A chip that opened by PACE a moment ago is not to be talked down now.
	if now := r.reading.Access.Protocol; before.Protocol == ProtocolPACE && now != ProtocolPACE {
		r.reading.Access, r.reading.Channel = before, nil
		return fmt.Errorf("%w: it opened by PACE before and by %s now", ErrAccessDenied, now)
	}
	r.files.block, r.files.noSFI = min(block, r.files.block), noSFI
	return nil
}

// begin is EF.SOD, by which all else is judged, and the groups asked for first.
func (r *reader) begin() []lds.File {
	out := []lds.File{lds.EFSOD}
	for _, n := range r.opt.First {
		if f, ok := lds.FileOfGroup(n); ok && slices.Contains(r.opt.Groups, n) {
			out = append(out, f)
		}
	}
	return out
}

// list is EF.COM, which tells which of the other groups there are.
func (r *reader) list() []lds.File { return []lds.File{lds.EFCOM} }

// rest are the groups not read yet: DG1, the small ones that prove the chip,
// DG2, then the others.
func (r *reader) rest() []lds.File {
	listed, known := comGroups(r.reading.Files[lds.EFCOM.Path()])
	taken := slices.Clone(r.opt.First)
	var out []lds.File
	for _, n := range append([]int{1, 14, 15, 2}, r.opt.Groups...) {
		f, ok := lds.FileOfGroup(n)
		asked := ok && slices.Contains(r.opt.Groups, n) && !slices.Contains(taken, n)
		if asked && (n == 1 || n == 2 || !known || slices.Contains(listed, n)) {
			taken, out = append(taken, n), append(out, f)
		}
	}
	return out
}

// comGroups reads EF.COM's tag list (Doc 9303-10, 4.6.1), which names groups
// by the tags of their files.
func comGroups(com []byte) (groups []int, known bool) {
	t, err := ber.Parse(com, lds.EFCOM.Tag)
	if err != nil {
		return nil, false
	}
	list, known := t.Find(0x5C)
	for _, tag := range list.Value {
		if f, ok := lds.FileByTag(ber.Tag(tag)); ok && f.Group > 0 {
			groups = append(groups, f.Group)
		}
	}
	return groups, known
}

func (r *reader) keep(f lds.File, data []byte) {
	r.reading.Files[f.Path()] = data
	if r.opt.OnFile != nil {
		r.opt.OnFile(f, data)
	}
}

func (r *reader) fail(f lds.File, err error) {
	failure := FileFailure{File: f, Reason: err.Error()}
	var status *apdu.StatusError
	var plain *access.PlainStatusError
	switch {
	case errors.As(err, &status):
		failure.Status = status.SW
	case errors.As(err, &plain):
		failure.Status = plain.SW
	}
	r.reading.Failures = append(r.reading.Failures, failure)
}
