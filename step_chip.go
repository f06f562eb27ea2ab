package limen

import (
	"context"
	"errors"
	"slices"
	"time"

	"limen/mrtd"
	"limen/mrtd/apdu"
	"limen/mrtd/authn"
	"limen/mrtd/lds"
)

// chipReading is what the chip gave.
type chipReading struct {
	checks
	files map[lds.Path][]byte
	chip  authn.Chip // the files and what the chip did, to be examined
	facts ChipFacts
	spent time.Duration
}

func (c chipReading) addTo(e *Evidence) {
	c.checks.addTo(e)
	e.Chip.Access, e.Chip.Groups, e.Chip.Commands, e.Chip.Bytes = c.facts.Access, c.facts.Groups, c.facts.Commands, c.facts.Bytes
	e.Spent.Chip = SpanOf(c.spent)
}

// wanted are the data groups the line needs, keys those that prove the chip
// where it has them; early comes right after EF.SOD, because its portrait takes
// about as long to decode and describe as the rest to read.
var wanted, keys, early = []int{1, 2}, []int{14, 15}, []int{2}

// readChip opens the chip with what is printed on the document and reads the
// files the line needs, each of which arrives once it is whole. What was read
// before a chip was lost is kept.
func (in *Inspection) readChip(ctx context.Context, p printed, can string, arrive func(lds.File, []byte)) chipReading {
	start := in.Now()
	out := chipReading{}
	done := func(c ...Check) chipReading {
		out.checks, out.spent = c, in.Now().Sub(start)
		in.tell(StepChip, c...)
		return out
	}
	in.observe(Event{Step: StepChip})
	if in.Chip == nil {
		return done(notPerformed(CheckChipAccess, because(ChipReaderAway)), needs(CheckChipRead, CheckChipAccess))
	}
	wait, stop := context.WithTimeout(ctx, in.Policy.Times.ChipWait)
	chip, err := in.Chip.Connect(wait)
	stop()
	if err != nil {
		reason := reasonOf(err, ChipReaderAway)
		if ctx.Err() != nil {
			reason = because(CutShort)
		}
		return done(inconclusive(CheckChipAccess, reason), needs(CheckChipRead, CheckChipAccess))
	}
	defer func() { chip.Close() }()

	limit, stop := context.WithTimeout(ctx, in.Policy.Times.ChipRead)
	defer stop()
	reading, err := mrtd.Read(limit, chip, mrtd.Key{MRZ: p.mrz.KeyMaterial(), CAN: can}, mrtd.Options{
		Groups: wanted, First: early, OnFile: arrive,
		Progress: func(f lds.File, read, total int) {
			in.observe(Event{Step: StepChip, Progress: &ReadProgress{f.Name, read, total}})
		},
		// A document that slipped is read on from where it slipped, if it comes back.
		Reconnect: func(limit context.Context) (apdu.Card, error) {
			chip.Close()
			again, stop := context.WithTimeout(limit, in.Policy.Times.ChipWait)
			defer stop()
			back, err := in.Chip.Connect(again)
			if err == nil {
				chip = back
			}
			return back, err
		},
	})
	out.files, out.chip = reading.Files, reading.Chip(p.mrz.Lines())
	out.facts = factsOf(reading)
	unable, away := errors.AsType[*Unable](err) // the reader, not the chip
	switch {
	case ctx.Err() != nil:
		return done(judgeAccess(reading, because(CutShort)), inconclusive(CheckChipRead, because(CutShort)))
	case away:
		return done(judgeAccess(reading, unable.Reason), inconclusive(CheckChipRead, unable.Reason))
	case errors.Is(err, mrtd.ErrAccessDenied):
		return done(fail(CheckChipAccess, because(ChipAccessDenied)), needs(CheckChipRead, CheckChipAccess))
	case errors.Is(err, mrtd.ErrNoApplication):
		return done(fail(CheckChipAccess, because(ChipNotMRTD)), needs(CheckChipRead, CheckChipAccess))
	case errors.Is(err, mrtd.ErrChipLost):
		return done(judgeAccess(reading, because(ChipLost)), inconclusive(CheckChipRead, because(ChipLost)))
	case err != nil && len(reading.Failures) == 0:
		return done(judgeAccess(reading, because(ChipReadFailed)), inconclusive(CheckChipRead, because(ChipReadFailed)))
	}
	return done(judgeAccess(reading, because(ChipReadFailed)), judgeFiles(reading))
}

// judgeAccess tells how the chip opened. A way weaker than PACE is never
// silent; if it is not known to have opened, unless says why.
func judgeAccess(r mrtd.Reading, unless Reason) Check {
	switch a := r.Access; {
	case a.Protocol == "":
		return inconclusive(CheckChipAccess, unless)
	case a.Protocol == mrtd.ProtocolPACE:
		return pass(CheckChipAccess)
	case a.Protocol == mrtd.ProtocolNone:
		return pass(CheckChipAccess, because(NoAccessControl))
	case a.PACE == mrtd.PACEFailed:
		return pass(CheckChipAccess, because(PACEFailed))
	case a.PACE == mrtd.PACEUnsupported:
		return pass(CheckChipAccess, because(PACEUnsupported))
	}
	return pass(CheckChipAccess, because(PACENotOffered))
}

// judgeFiles tells whether every file the line needs was read. A file that
// the chip says it does not have is an answer; one that could not be read is none.
func judgeFiles(r mrtd.Reading) Check {
	var missing, unread []Reason
	files := []lds.File{lds.EFSOD}
	for _, n := range slices.Concat(wanted, signedKeys(r)) {
		files = append(files, group(n))
	}
	for _, f := range files {
		if _, ok := r.Files[f.Path()]; ok {
			continue
		}
		i := slices.IndexFunc(r.Failures, func(x mrtd.FileFailure) bool { return x.File == f })
		if i < 0 || r.Failures[i].Status != apdu.FileNotFound { // without a failure: never come to
			unread = append(unread, because(ChipReadFailed, f.Name))
			continue
		}
		missing = append(missing, because(ChipFileMissing, f.Name))
	}
	switch {
	case len(missing) > 0:
		return fail(CheckChipRead, append(missing, unread...)...)
	case len(unread) > 0:
		return inconclusive(CheckChipRead, unread...)
	}
	return pass(CheckChipRead)
}

// signedKeys are the groups that prove the chip and that EF.SOD says it has: a
// copy would rather not have them read. One that a better proof made needless
// was not asked for.
func signedKeys(r mrtd.Reading) (out []int) {
	sod, err := lds.ParseSOD(r.Files[lds.EFSOD.Path()])
	if err != nil {
		return nil
	}
	for _, n := range keys {
		tried := slices.ContainsFunc(r.Failures, func(x mrtd.FileFailure) bool { return x.File == group(n) })
		if sod.Hashes[n] != nil && tried {
			out = append(out, n)
		}
	}
	return out
}

func factsOf(r mrtd.Reading) ChipFacts {
	facts := ChipFacts{Access: r.Access.Summary(), Commands: r.Stats.Commands, Bytes: r.Stats.BytesSent + r.Stats.BytesReceived}
	for n := 1; n <= 16; n++ {
		if _, ok := r.Files[group(n).Path()]; ok {
			facts.Groups = append(facts.Groups, n)
		}
	}
	return facts
}

// group is data group n, which is 1 to 16.
func group(n int) lds.File {
	f, _ := lds.FileOfGroup(n)
	return f
}
