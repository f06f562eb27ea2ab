package authn

import (
	"errors"

	"limen/mrtd/access"
	"limen/mrtd/lds"
)

// Outcome is how a protocol that proves the chip ended on the wire, before
// anybody asks whose key it was.
type Outcome string

// The outcomes. The zero value is that it was not run.
const (
	// NotRun: the reader chose not to, or had no way to.
	NotRun Outcome = ""
	// Withheld: the file with the key is listed in EF.SOD and the chip does not
	// give it, or leaves it out of EF.COM so that it should not be asked for.
	Withheld Outcome = "withheld"
	// Declined: the chip answered the protocol with an error status word.
	Declined Outcome = "declined"
	// Contradicted: the chip answered, without the key the file announces.
	Contradicted Outcome = "contradicted"
	// Interrupted: the chip or the reader was lost on the way.
	Interrupted Outcome = "interrupted"
	// Answered: the chip answered as the protocol has it. For chip
	// authentication that is an answer that verified under the new keys, for
	// active authentication a signature yet to be judged.
	Answered Outcome = "answered"
)

// OutcomeOf tells how a protocol ended by the error of package access's function.
func OutcomeOf(err error) Outcome {
	_, declined := access.Declined(err)
	switch {
	case err == nil:
		return Answered
	case errors.Is(err, access.ErrChipKey):
		return Contradicted
	case declined && !access.KeysDiffer(err): // else it is the session that broke
		return Declined
	}
	return Interrupted
}

// authentic tells whether EF.SOD as a whole may be believed.
func (r Result) authentic() bool {
	return r.Signature.Status == Passed && r.Chain.Status == Passed
}

// lists tells whether EF.SOD, authentic or not, has a hash of the group.
func (r Result) lists(n int) bool {
	v, ok := r.Groups[n]
	return ok && v.Code != DGHashMissing && v.Code != SODAbsent
}

// ChipAuthentication judges whether chip authentication has proven the chip
// (Doc 9303-11, 6.2.2): it must have answered, and DG14, whose key it was, must
// be authentic by r. A key that nobody signed proves nothing, whatever it
// answers; a chip that cannot use its own key fails, whoever signed that.
// dg14 is the whole file, nil where it was not read.
func ChipAuthentication(o Outcome, dg14 []byte, r Result) Verdict {
	switch o {
	case Declined:
		return Verdict{Status: Failed, Code: ChipAuthenticationDeclined}
	case Contradicted:
		return Verdict{Status: Failed, Code: ChipAuthenticationFailed}
	}
	if v, decided := r.judgeSource(14, dg14, o); decided {
		if v.Code == DGNotRead && o == Withheld {
			// It may hold no more than EF.CardAccess again: that is not known.
			return Verdict{Inconclusive, ChipAuthenticationHidden, groupName(14)}
		}
		return v
	}
	infos, err := lds.ParseDG14(dg14)
	usable := len(access.ChipAuthVariants(infos)) > 0
	switch {
	case err != nil:
		return Verdict{Inconclusive, ChipAuthKeyMalformed, groupName(14)}
	case usable && o == Answered:
		return Verdict{Status: Passed}
	case usable:
		return unproven(o, ChipAuthenticationInterrupted)
	case o == Answered: // with a key from elsewhere
		return Verdict{Inconclusive, ChipKeyNotAuthentic, groupName(14)}
	case len(infos.ChipAuth) > 0: // with keys of no known kind
		return Verdict{Inconclusive, AlgorithmUnknown, groupName(14)}
	}
	return Verdict{Status: NotPresent}
}

// ActiveAuthentication judges whether active authentication has proven the chip
// (Doc 9303-11, 6.1.6): signature is what Active found, and counts where the
// outcome is Answered; DG15 must be authentic by r. That EF.SOD lists a DG15
// which the chip withholds is how a copy hides that it should have a key.
func ActiveAuthentication(o Outcome, signature Verdict, dg15 []byte, r Result) Verdict {
	switch {
	case o == Declined:
		return Verdict{Status: Failed, Code: ActiveAuthenticationDeclined}
	case o == Contradicted:
		return Verdict{Status: Failed, Code: ActiveAuthenticationFailed}
	case o == Answered && signature.Status != Passed:
		return signature
	}
	if v, decided := r.judgeSource(15, dg15, o); decided {
		if v.Code == DGNotRead && o == Withheld {
			return Verdict{Failed, ActiveAuthenticationHidden, groupName(15)}
		}
		return v
	}
	if o == Answered {
		return signature
	}
	return unproven(o, ActiveAuthenticationInterrupted)
}

// judgeSource decides what can be decided by where the key came from. Without a
// key's file listed there is nothing to prove, and that too is the issuer's word
// only where EF.SOD is authentic.
func (r Result) judgeSource(n int, file []byte, o Outcome) (v Verdict, decided bool) {
	group := r.Groups[n]
	switch {
	case !r.lists(n) && len(file) == 0 && o != Answered:
		if r.authentic() || r.Signature.Status == NotPresent {
			return Verdict{Status: NotPresent}, true
		}
		return Verdict{Inconclusive, ChipKeyNotAuthentic, "EF.SOD"}, true
	case !r.lists(n), group.Status == Failed:
		return Verdict{Inconclusive, ChipKeyNotAuthentic, groupName(n)}, true
	case group.Code == DGNotRead || len(file) == 0:
		return Verdict{NotPerformed, DGNotRead, groupName(n)}, true
	case group.Status != Passed:
		return Verdict{Inconclusive, ChipKeyNotAuthentic, groupName(n)}, true
	case !r.authentic():
		return Verdict{Inconclusive, ChipKeyNotAuthentic, "EF.SOD"}, true
	}
	return Verdict{}, false
}

// unproven is the verdict on a key that is the chip's and was not used.
func unproven(o Outcome, interrupted Code) Verdict {
	if o == Interrupted {
		return Verdict{Status: Inconclusive, Code: interrupted}
	}
	return Verdict{Status: NotPerformed}
}

// ChipGenuine sums up the verdicts of chip authentication, of PACE with chip
// authentication mapping and of active authentication, in any order: passed
// where one of them passed and none failed, not present where the issuer gave
// the chip no key at all. A chip that has one of its two keys and not the other
// is a copy of which one key was lost.
func ChipGenuine(proofs ...Verdict) Verdict {
	if len(proofs) == 0 {
		return Verdict{}
	}
	sum := proofs[0]
	for _, v := range proofs[1:] {
		if weight(v.Status) > weight(sum.Status) {
			sum = v
		}
	}
	return sum
}

// weight orders statuses: a failure outweighs a proof, which outweighs a doubt.
func weight(s Status) int {
	switch s {
	case Failed:
		return 4
	case Passed:
		return 3
	case Inconclusive:
		return 2
	case NotPresent:
		return 0
	}
	return 1 // not performed
}
