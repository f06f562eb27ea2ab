package mrtd

import (
	"slices"

	"limen/mrtd/authn"
	"limen/mrtd/lds"
)

// Chip is what the reading has for package authn to examine. printed are the
// lines of the printed MRZ, nil where nobody saw them.
func (r Reading) Chip(printed []string) authn.Chip {
	c := authn.Chip{
		Files:        r.Files,
		ChipAuth:     r.outcome(r.ChipAuth.State, groupFile(14)),
		ActiveAuth:   r.outcome(r.ActiveAuth.State, groupFile(15)),
		Challenge:    r.ActiveAuth.Challenge,
		Signature:    r.ActiveAuth.Signature,
		TerminalAuth: r.outcome(r.TerminalAuth.State, lds.File{}),
		Printed:      printed,
	}
	if r.Access.Opened != nil {
		c.Mapping = r.Access.Opened.CAM
	}
	return c
}

// outcome is a proof's state in authn's words. key is the file whose key the
// proof runs with: one that was asked for in vain is withheld.
func (r Reading) outcome(s ProofState, key lds.File) authn.Outcome {
	switch s {
	case ProofCompleted:
		return authn.Answered
	case ProofRefused:
		return authn.Declined
	case ProofFailed:
		return authn.Contradicted
	}
	if slices.ContainsFunc(r.Failures, func(f FileFailure) bool { return f.File == key }) {
		return authn.Withheld
	}
	return authn.NotRun
}
