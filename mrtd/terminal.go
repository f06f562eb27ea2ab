package mrtd

import (
	"context"
	"fmt"

	"limen/mrtd/access"
	"limen/mrtd/lds"
)

// proveTerminal authenticates the inspection system to the chip, where there
// is one, the chip has proven itself and EF.SOD vouches for its key.
func (r *reader) proveTerminal(ctx context.Context) error {
	switch {
	case r.opt.Terminal == nil:
		return nil
	case r.boundKey() == nil:
		r.reading.TerminalAuth = TerminalAuth{State: ProofNotOffered, Problem: "the chip did not complete chip authentication"}
		return nil
	case r.opt.Vouched != nil && !r.opt.Vouched(r.reading.Files):
		r.reading.TerminalAuth = TerminalAuth{State: ProofNotOffered, Problem: "EF.SOD does not vouch for the chip's key"}
		return nil
	}
	return r.hold(ctx, func() error {
		if r.reading.Channel == nil {
			if err := r.establish(ctx); err != nil {
				return err
			}
		}
		return r.terminalAuthentication(ctx)
	})
}

// boundKey is the reader's ephemeral key of the protocol by which the channel is
// bound to a key of DG14, as terminal authentication signs it: chip
// authentication, or the mapping of PACE by it (Doc 9303-11, 7.1.2). Nil where
// neither was completed.
func (r *reader) boundKey() []byte {
	if r.reading.ChipAuth.State == ProofCompleted {
		return r.caKey
	}
	if !r.mapped() {
		return nil
	}
	return r.reading.Access.Opened.Key
}

// terminalAuthentication runs it once over the open channel. The keys that the
// chip trusts came at the end of PACE, or are in EF.CVCA.
func (r *reader) terminalAuthentication(ctx context.Context) error {
	id, points := access.DocumentChipID(r.key.MRZ), []string(nil)
	if opened := r.reading.Access.Opened; opened != nil {
		id = opened.ChipKey
		for _, reference := range opened.CARs {
			points = append(points, string(reference))
		}
	}
	var done access.TerminalAuthenticated
	err := error(nil)
	if len(points) == 0 {
		points, err = r.trustPoints(ctx)
	}
	if err == nil {
		done, err = access.TerminalAuthentication(ctx, r.reading.Channel, points, r.opt.Terminal, id, r.boundKey())
	}
	if lost := r.card.failure(ctx); lost != nil {
		r.reading.Channel = nil
		return fmt.Errorf("cannot run terminal authentication: %w", lost)
	}
	r.noticed(err)
	r.reading.TerminalAuth = TerminalAuth{State: ProofCompleted, Rights: done.Rights}
	if err != nil {
		r.reading.TerminalAuth = TerminalAuth{State: ProofRefused, Problem: err.Error()}
	}
	if brokenOff(err, true) || broken(err) { // the session is gone, and the right to read goes on
		r.reading.TerminalAuth.State = ProofRefused
		return r.reopen(ctx)
	}
	return nil
}

func (r *reader) trustPoints(ctx context.Context) ([]string, error) {
	f := lds.EFCVCA
	if infos, err := lds.ParseDG14(r.reading.Files[groupFile(14).Path()]); err == nil {
		f = infos.EFCVCA()
	}
	points, err := access.ReadTrustPoints(ctx, r.reading.Channel, f)
	if err != nil {
		return nil, err
	}
	return points.References(), nil
}
