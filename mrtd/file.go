package mrtd

import (
	"context"
	"errors"
	"fmt"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/lds"
)

// Sizes beyond which a file is not read: portraits and fingerprints run to
// tens of kilobytes, a face of ISO/IEC 39794-5 with all it may carry to hundreds,
// everything else to a few. A length field may say anything.
const (
	maxImageFile = 1 << 20 // DG2, DG3, DG4, DG5, DG7
	maxFile      = 64 << 10
	// maxEndless is how much is read of a file that does not say its length:
	// EF.SODs are made so, of a few kilobytes, and nothing larger that is honest.
	maxEndless = 200 << 10
)

func sizeLimit(f lds.File) int {
	switch f.Group {
	case 2, 3, 4, 5, 7:
		return maxImageFile
	}
	return maxFile
}

// backOff is the ladder of read lengths for chips that do not bear a full
// response: some answer 6700, 6282 or 6F00 above 224 or 192 bytes. Before its
// first step come the most that a short APDU carries.
var backOff = [...]int{224, 192, 160, 128, 96, 64}

// files reads whole files over a channel. Its fields change as it learns what
// the chip bears; reader.reopen replaces the channel.
type files struct {
	learned
	channel  apdu.Card
	short    int     // the most plain bytes that a short APDU carries
	asked    int     // bytes that the last READ BINARY expected
	got      int     // bytes of files that have come
	doubts   []Quirk // noted once a read has succeeded in spite of them
	met      func(Quirk)
	progress func(file lds.File, read, total int)
}

// learned is what reads have learned of the chip.
type learned struct {
	block int  // plain bytes to ask for in one command
	bySFI bool // short identifiers have worked: what they do not find is not there
	noSFI bool // the chip wants files selected
	exact bool // the chip refuses reads beyond a file's end: its header comes first
	whole bool // ask for whole blocks of the cipher
}

// newFiles sizes the reads: maxLe is the longest raw response data, of which
// secure messaging takes its share.
func newFiles(channel apdu.Card, maxLe int, progress func(lds.File, int, int), met func(Quirk)) *files {
	block, short := maxLe, 256
	if s, ok := channel.(*access.Session); ok {
		block, short = s.MaxPlain(maxLe), s.MaxPlain(256)
	}
	return &files{channel: channel, learned: learned{block: block}, short: short, progress: progress, met: met}
}

// keep takes over what an earlier session's reads have learned of the chip.
func (s *files) keep(before *files) {
	if before != nil {
		block := min(before.block, s.block)
		s.learned, s.doubts, s.got = before.learned, before.doubts, before.got
		s.block = block
	}
}

// maxMorsels is how many answers shorter than the last step a file may come in.
// A chip that hands out one byte at a time would else have every byte fetched by
// a command of its own.
const maxMorsels = 64

// errFile is content that is no file of the kind it should be.
type errFile struct{ reason string }

func (e *errFile) Error() string { return e.reason }

// read reads a file, on from what has come of it: a session that was opened
// anew goes on where the last one broke off. The first response tells the
// length, so that no command is spent on the header alone. What has come is
// returned with an error too.
func (s *files) read(ctx context.Context, f lds.File, have []byte) ([]byte, error) {
	data, err := s.start(ctx, f, have)
	if err != nil {
		return have, err
	}
	morsels, end := 0, ending{}
	for last := len(data) - len(have); ; {
		total, whole, err := extent(f, data, &end)
		if err != nil {
			return data, err
		}
		if s.progress != nil {
			s.progress(f, len(data), total)
		}
		if whole {
			return data[:total:total], nil
		}
		if last > 0 {
			s.learn(total, len(data), last)
		}
		want := s.most()
		if total > 0 {
			want = min(want, total-len(data))
		}
		more, err := s.at(ctx, len(data), want)
		if err != nil {
			return data, err
		}
		if len(more) == 0 {
			return data, &errFile{fmt.Sprintf("the file ends after %d bytes, before its stated length", len(data))}
		}
		if len(more) < min(want, backOff[len(backOff)-1]) {
			morsels++
		}
		if morsels > maxMorsels {
			return data, &errFile{"it comes in pieces that are too small"}
		}
		data, last = append(data, more...), len(more)
	}
}

// start makes the file current and reads its start, unless that has come.
func (s *files) start(ctx context.Context, f lds.File, have []byte) ([]byte, error) {
	if len(have) == 0 {
		return s.first(ctx, f)
	}
	return have, s.selected(ctx, f)
}

// learn takes a response that was short though the file went on, as after
// 6Cxx, for the most that the chip gives at once.
func (s *files) learn(total, have, last int) {
	if total <= have || have > apdu.MaxShortOffset {
		return
	}
	if last < s.asked {
		s.met(QuirkShortAnswer)
	}
	if last >= backOff[len(backOff)-1] {
		s.block = min(s.block, last)
	}
}

// first makes the file current and reads its start: by short identifier in one
// command, or by SELECT where the chip does not bear that.
func (s *files) first(ctx context.Context, f lds.File) ([]byte, error) {
	if !s.noSFI {
		data, err := s.begin(ctx, func(n int) apdu.Command { return apdu.ReadBinarySFI(f.SFI, n) })
		s.bySFI = s.bySFI || err == nil && len(data) > 0 && !f.MasterFile
		var status *apdu.StatusError
		var bare *access.PlainStatusError
		switch {
		case errors.As(err, &bare) && !s.bySFI && aboutIdentifier(bare.SW):
			// The session may be over: if so, the next command tells.
			s.noSFI = true
		case !errors.As(err, &status), status.SW == apdu.SecurityStatus, status.SW == apdu.FileNotFound && s.bySFI:
			return data, err
		}
	}
	if err := s.selected(ctx, f); err != nil {
		return nil, err
	}
	data, err := s.begin(ctx, func(n int) apdu.Command { return apdu.ReadBinary(0, n) })
	if err == nil && len(data) > 0 && !f.MasterFile {
		s.noSFI = true
		s.met(QuirkNoShortIdentifiers)
	}
	return data, err
}

// headerLen reaches over the tag and length of every file up to 64 kB.
const headerLen = 4

// begin reads the start of a file: as much as comes at once, or its header
// alone where the chip refuses whatever reaches beyond the file's end.
func (s *files) begin(ctx context.Context, command func(n int) apdu.Command) ([]byte, error) {
	if s.exact {
		return s.attempt(ctx, headerLen, command)
	}
	block, doubts := s.block, s.doubts
	data, err := s.attempt(ctx, s.most(), command)
	sw := statusOf(err)
	switch {
	case s.asked < s.most() && over(err), s.block < block && over(err):
		s.exact = true // the next try costs a session: it is to be the last
		return data, err
	case !aboutLength(sw) && sw != apdu.WrongOffset:
		return data, err
	}
	s.doubts = doubts // it was no length that was refused
	header, herr := s.attempt(ctx, headerLen, command)
	switch {
	case herr == nil && len(header) > 0:
		s.exact, s.block = true, block
		s.met(QuirkPastEndRefused)
		return header, nil
	case over(herr):
		s.exact = true
		s.doubt(QuirkPastEndRefused)
		return data, herr
	}
	return data, err
}

// selected makes the file current by SELECT.
func (s *files) selected(ctx context.Context, f lds.File) error {
	if f.MasterFile {
		// Where another program left the chip in an application.
		r, err := apdu.Send(ctx, s.channel, apdu.SelectMF())
		if err != nil {
			return err
		}
		if r.SW != apdu.Success {
			s.doubt(QuirkMasterFileRefused)
		}
	}
	c := apdu.SelectFile(f.FID)
	r, err := apdu.Send(ctx, s.channel, c)
	if err == nil {
		err = r.Check(c)
	}
	return err
}

// at reads up to n bytes of the current file from an offset.
func (s *files) at(ctx context.Context, offset, n int) ([]byte, error) {
	if s.whole {
		n = min((n+wholeBlock-1)/wholeBlock*wholeBlock, s.most())
	}
	if n == 256 && s.short < n {
		n-- // 256 asks for all that a short response holds
	}
	data, err := s.attempt(ctx, n, func(n int) apdu.Command {
		if offset > apdu.MaxShortOffset {
			n = min(n+1+len(ber.EncodeLength(n)), s.block) // room for DO'53'
		}
		return apdu.ReadBinary(offset, n)
	})
	if s.asked < n && s.asked >= backOff[len(backOff)-1] {
		s.block = min(s.block, s.asked) // inside the file a refusal is of the length
	}
	return data, err
}

// most is the most to ask for in one command.
func (s *files) most() int {
	if s.whole {
		return s.block / wholeBlock * wholeBlock
	}
	return s.block
}

// wholeBlock is a whole number of blocks of every cipher.
const wholeBlock = 16

// attempt sends a READ BINARY for n bytes, shorter ones while the chip refuses
// the length. An error of status is a *apdu.StatusError, so that the caller
// sees what the chip said to the shortest.
func (s *files) attempt(ctx context.Context, n int, command func(n int) apdu.Command) ([]byte, error) {
	for {
		c := command(n)
		s.asked = n
		r, err := apdu.Exchange(ctx, s.channel, c)
		var bare *access.PlainStatusError
		switch {
		case errors.As(err, &bare) && aboutLength(bare.SW):
			// The chip may have kept the session; if not, it says so next.
			s.met(QuirkBareError)
			r.SW = bare.SW
		case err != nil:
			return nil, err
		case len(r.Data) > c.Le:
			return nil, &errFile{"the response to READ BINARY is longer than was asked for"}
		case (r.SW == apdu.Success || r.SW == apdu.EndOfFile) && len(r.Data) > 0:
			data, err := apdu.BinaryData(c, r.Data)
			if err != nil {
				return nil, &errFile{"the response to READ BINARY is malformed"}
			}
			s.borne()
			s.got += len(data)
			return data, nil
		case r.SW != apdu.Success && !aboutLength(r.SW):
			return nil, r.Check(c)
		}
		shorter, ok := s.shorter(n, r.SW)
		switch {
		case ok:
			s.doubtLength(n, r.SW)
			n = shorter
		case err != nil:
			return nil, err
		default: // a success without data where there is nothing more
			return nil, r.Check(c)
		}
	}
}

// doubtLength is what it says of a chip that it bore n bytes only in shorter
// pieces, if it does.
func (s *files) doubtLength(n int, sw apdu.StatusWord) {
	if sw == apdu.Success {
		s.doubt(QuirkEmptySuccess)
	}
	switch {
	case n > s.short:
		s.doubt(QuirkExtendedRefused)
	case sw != apdu.Success:
		s.doubt(QuirkLengthRefused)
	}
}

// doubt holds a quirk back until a read succeeds that bears it.
func (s *files) doubt(q Quirk) { s.doubts = append(s.doubts[:len(s.doubts):len(s.doubts)], q) }

// borne notes the quirks in spite of which a read has succeeded.
func (s *files) borne() {
	for _, q := range s.doubts {
		s.met(q)
	}
	s.doubts = nil
}

// shorter is the length that the chip names in its answer, or the next down the
// ladder from n, which becomes the most to ask for.
func (s *files) shorter(n int, answer apdu.StatusWord) (int, bool) {
	if le, named := answer.CorrectLe(); named && le < n {
		return le, true
	}
	for _, step := range append([]int{s.short}, backOff[:]...) {
		if step < n && step <= s.short {
			s.block = min(s.block, step)
			return step, true
		}
	}
	return 0, false
}

// aboutLength tells the answers that chips give to a length they do not bear.
func aboutLength(sw apdu.StatusWord) bool {
	_, otherLe := sw.CorrectLe()
	return otherLe || sw == apdu.WrongLength || sw == apdu.EndOfFile || sw == apdu.NoDiagnosis
}

// aboutIdentifier tells the answers that chips give to a short identifier they
// do not know.
func aboutIdentifier(sw apdu.StatusWord) bool {
	switch sw {
	case apdu.FileNotFound, apdu.WrongP1P2, apdu.WrongINS, apdu.FunctionUnsupported, apdu.WrongOffset, apdu.WrongLength:
		return true
	}
	return false
}
