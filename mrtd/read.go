package mrtd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/lds"
)

// Read opens the chip, has it prove that it is no copy where it can, and reads
// its files. The Reading holds what came even when the error is not nil.
//
// The error is nil when every file asked for that the chip lists was read,
// EF.COM apart, which is only an unsigned list. It wraps ErrAccessDenied, ErrChipLost,
// ErrNoApplication or the context's error where it is one of these; otherwise
// it says which file could not be read, and the files after that one have
// still been tried. A proof that failed is no error: it is in the Reading.
func Read(ctx context.Context, card apdu.Card, key Key, opt Options) (Reading, error) {
	r := newReader(card, key, opt)
	err := r.run(ctx)
	r.reading.Stats = r.card.Stats
	return r.reading, err
}

// reader is one reading under way.
type reader struct {
	card      *link
	key       Key
	opt       Options
	maxLe     int
	announces bool // EF.CardAccess was asked for and infos is what it said
	infos     lds.SecurityInfos
	files     *files
	tried     map[lds.Path]bool
	reopens   int
	wantsFCI  bool   // the application is selected only with its file control information
	fruitless int    // times the chip came back in vain, in a row
	gotBefore int    // what had come of the files when it did last
	caKey     []byte // the reader's key of chip authentication, as terminal authentication signs it
	reading   Reading
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
		tried:   map[lds.Path]bool{},
		reading: Reading{Files: map[lds.Path][]byte{}, Under: map[lds.Path]string{}},
	}
}

// run is the reading sequence (Doc 9303-11, 4.2; TR-03110-1, 2.4; Doc 9303-10, 3.11).
func (r *reader) run(ctx context.Context) error {
	if err := r.hold(ctx, func() error { return r.begin(ctx) }); err != nil {
		return err
	}
	var first error
	for _, step := range []func(context.Context) error{
		r.list,                  // EF.COM
		r.chipKeys, r.proveChip, // DG14; from here on under the keys of chip authentication
		r.signed,                // EF.SOD
		r.chipKeys, r.proveChip, // where EF.COM had hidden DG14
		r.proveTerminal,
		r.early,                // Options.First
		r.small, r.proveActive, // DG1, DG15
		r.rest, // DG2 and the others
	} {
		err := step(ctx)
		if r.ended(ctx, err) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// begin learns what the chip announces and opens it.
func (r *reader) begin(ctx context.Context) error {
	if err := r.announced(ctx); err != nil {
		return err
	}
	return r.open(ctx)
}

// ended tells whether the reading ends with an error.
func (r *reader) ended(ctx context.Context, err error) bool {
	return err != nil && (r.card.failure(ctx) != nil || broken(err))
}

// announced reads EF.CardAccess. A chip without PACE has none, and chips are
// known to answer 6982, 6985 or 6A82, or to have it empty: each means BAC.
func (r *reader) announced(ctx context.Context) error {
	if r.announces {
		return nil
	}
	f := lds.EFCardAccess
	data, err := r.plain().read(ctx, f, nil)
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
		r.met(QuirkCardAccessUnreadable)
	}
	r.announces = true
	return r.capabilities(ctx)
}

// plain reads files before the chip is opened.
func (r *reader) plain() *files { return newFiles(r.card, min(r.maxLe, 256), nil, r.met) }

// capabilities asks a chip that may be read in extended length how long it
// bears (EF.ATR/INFO; Doc 9303-10, 3.11.2). One that does not say is tried.
func (r *reader) capabilities(ctx context.Context) error {
	if r.maxLe <= 256 {
		return nil
	}
	f := lds.EFATRInfo
	data, err := r.plain().attempt(ctx, 256, func(n int) apdu.Command { return apdu.ReadBinarySFI(f.SFI, n) })
	if lost := r.card.failure(ctx); lost != nil {
		return fmt.Errorf("cannot read %s: %w", f, lost)
	}
	if err != nil || len(data) == 0 {
		return nil
	}
	info, err := lds.ParseATRInfo(data)
	if err != nil {
		return nil // it only helps to be fast
	}
	r.keep(f, data)
	switch {
	case info.MaxResponse > 256:
		r.maxLe = min(r.maxLe, info.MaxResponse)
	case info.MaxResponse > 0:
		r.maxLe = 256
	}
	return nil
}

// open gains access and sets the reads up for the channel it gave.
func (r *reader) open(ctx context.Context) error {
	wanted := r.wantsFCI
	channel, a, err := r.gainAccess(ctx)
	if over(err) && r.wantsFCI && !wanted { // the session ended over the form of SELECT
		if _, err = apdu.Send(ctx, r.card, apdu.SelectMF()); err == nil {
			channel, a, err = r.gainAccess(ctx)
		}
		if err == nil {
			r.met(QuirkSessionBrokenOff)
			r.met(QuirkApplicationWantsFCI)
		}
	}
	r.reading.Access = a
	if err != nil {
		if lost := r.card.failure(ctx); errors.Is(lost, ErrChipLost) && !errors.Is(err, ErrChipLost) {
			err = fmt.Errorf("cannot open the chip: %w", lost)
		}
		r.reading.Access.Protocol = ""
		return err
	}
	r.use(channel)
	return nil
}

// use reads on over a channel.
func (r *reader) use(channel apdu.Card) {
	before := r.files
	r.reading.Channel = channel
	r.files = newFiles(channel, r.maxLe, r.opt.Progress, r.met)
	r.files.keep(before)
}

// list is EF.COM, which says what there is and is not signed: that it cannot be
// read is no error.
func (r *reader) list(ctx context.Context) error {
	if err := r.deliver(ctx, lds.EFCOM); r.ended(ctx, err) {
		return err
	}
	return nil
}

// signed is EF.SOD, by which all else is judged.
func (r *reader) signed(ctx context.Context) error { return r.deliver(ctx, lds.EFSOD) }

// chipKeys is DG14, unless nobody wants it or the lists that are known do not
// have it. Where no list is known yet it is tried, and missed without a word.
func (r *reader) chipKeys(ctx context.Context) error {
	f := groupFile(14)
	listed, known := r.listed(14)
	switch {
	case r.opt.Proof == ProofNone && !slices.Contains(r.opt.Groups, 14), known && !listed, r.has(f):
		return nil
	case known:
		return r.deliver(ctx, f)
	}
	data, err := r.fetch(ctx, f)
	switch {
	case err == nil:
		r.keep(f, data)
	case r.ended(ctx, err):
		r.fail(f, err)
		return fmt.Errorf("cannot read %s: %w", f, err)
	}
	return nil
}

// early are the groups asked for first.
func (r *reader) early(ctx context.Context) error { return r.groups(ctx, r.opt.First...) }

// small are DG1 and what active authentication needs.
func (r *reader) small(ctx context.Context) error { return r.groups(ctx, 1, 15) }

// rest are the groups not read yet, DG2 before the others.
func (r *reader) rest(ctx context.Context) error {
	return r.groups(ctx, append([]int{14, 2}, r.opt.Groups...)...)
}

// groups reads those of the groups that are asked for and, but for DG1 and
// DG2, not known to be absent.
func (r *reader) groups(ctx context.Context, numbers ...int) error {
	var first error
	for _, n := range numbers {
		f, ok := lds.FileOfGroup(n)
		listed, known := r.listed(n)
		if !ok || !r.wants(n) || known && !listed && n != 1 && n != 2 {
			continue
		}
		err := r.deliver(ctx, f)
		if r.ended(ctx, err) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// wants tells whether a group was asked for, or a proof needs it.
func (r *reader) wants(n int) bool {
	return slices.Contains(r.opt.Groups, n) || n == 15 && r.wantsActive()
}

// listed tells whether EF.COM or EF.SOD has the group, and whether either is
// known. A group that only one of them has is read: a copied chip hides what it
// cannot prove from the list that nobody signed.
func (r *reader) listed(n int) (listed, known bool) {
	if com, err := lds.ParseCOM(r.reading.Files[lds.EFCOM.Path()]); err == nil {
		listed, known = slices.Contains(com.Groups, n), true
	}
	if sod, err := lds.ParseSOD(r.reading.Files[lds.EFSOD.Path()]); err == nil {
		listed, known = listed || sod.Hashes[n] != nil, true
	}
	return listed, known
}

func (r *reader) has(f lds.File) bool { return r.reading.Files[f.Path()] != nil }

// deliver reads a file, unless it was tried before, and hands it over.
func (r *reader) deliver(ctx context.Context, f lds.File) error {
	if r.has(f) || r.tried[f.Path()] {
		return nil
	}
	r.tried[f.Path()] = true
	data, err := r.fetch(ctx, f)
	if err == nil {
		r.keep(f, data)
		return nil
	}
	if lost := r.card.failure(ctx); lost != nil {
		err = lost
	}
	r.fail(f, err)
	if r.protected(f, err) {
		return nil
	}
	return fmt.Errorf("cannot read %s: %w", f, err)
}

// protected tells a group that only terminal authentication opens (DG3, DG4)
// from one that could not be read.
func (r *reader) protected(f lds.File, err error) bool {
	return (f.Group == 3 || f.Group == 4) && r.reading.TerminalAuth.State != ProofCompleted && statusOf(err) == apdu.SecurityStatus
}

func (r *reader) keep(f lds.File, data []byte) {
	r.reading.Files[f.Path()] = data
	r.reading.Under[f.Path()] = r.under()
	if s, ok := r.reading.Channel.(*access.Session); ok && s.StatusOutside() {
		r.met(QuirkStatusMissing)
	}
	if r.opt.OnFile != nil {
		r.opt.OnFile(f, data)
	}
}

func (r *reader) fail(f lds.File, err error) {
	r.reading.Failures = append(r.reading.Failures, FileFailure{File: f, Status: statusOf(err), Reason: err.Error()})
}

// statusOf is what the chip answered, protected or not; 0 where that was not
// the trouble.
func statusOf(err error) apdu.StatusWord {
	var status *apdu.StatusError
	var plain *access.PlainStatusError
	switch {
	case errors.As(err, &status):
		return status.SW
	case errors.As(err, &plain):
		return plain.SW
	}
	return 0
}

// under is the protocol whose keys protect what comes now.
func (r *reader) under() string {
	switch {
	case r.reading.Channel == nil:
		return ProtocolNone
	case r.reading.ChipAuth.State == ProofCompleted:
		return ProtocolChipAuth
	}
	return r.reading.Access.Protocol
}

// met notes a quirk that was borne.
func (r *reader) met(q Quirk) {
	if !slices.Contains(r.reading.Quirks, q) {
		r.reading.Quirks = append(r.reading.Quirks, q)
	}
}

// groupFile is data group n, which is 1 to 16.
func groupFile(n int) lds.File {
	f, _ := lds.FileOfGroup(n)
	return f
}
