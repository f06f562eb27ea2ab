package chipsim

import "limen/mrtd/apdu"

// Faults are ways in which real chips and their holders misbehave.
type Faults struct {
	// GoneAfter takes the chip out of the field once it has answered that many
	// commands; 0 never, negative at once.
	GoneAfter int
	// SlipsAfter takes the chip out of the field once, as GoneAfter does; it is
	// back when it is powered up next.
	SlipsAfter int
	// CardAccess, when set, is answered to every attempt to select or read EF.CardAccess.
	CardAccess apdu.StatusWord
	// CardAccessEmpty has an EF.CardAccess without a byte.
	CardAccessEmpty bool
	// Padding is how many zeros lie behind each file.
	Padding int
	// PACEFails answers 6300 to the last step of PACE whatever the token.
	PACEFails bool
	// LeRefused answers LeStatus to a READ BINARY that expects more than so
	// many plain bytes; 0 refuses none.
	LeRefused int
	// LeStatus is 6700 when zero; 6C00 names LeRefused as the right Le.
	LeStatus apdu.StatusWord
	// BareErrors sends error status words outside secure messaging and keeps
	// the session, its counter moved on, as some chips do.
	BareErrors bool
	// BareErrorsEnd sends error status words outside secure messaging and ends the session.
	BareErrorsEnd bool
	// NoSFI answers 6A86 to a READ BINARY by short file identifier.
	NoSFI bool

	// ChipAuthOtherKey is a copy without the key of chip authentication: it says
	// 9000 and goes on under keys of its own.
	ChipAuthOtherKey bool
	// ChipAuthOldKeys is a copy that says 9000 to chip authentication and goes on
	// under the keys it had.
	ChipAuthOldKeys bool
	// ChipAuthRefused, when set, is answered to every attempt to start chip authentication.
	ChipAuthRefused apdu.StatusWord
	// ChipAuthFirst, when set, is answered to chip authentication with the first
	// of the chip's keys.
	ChipAuthFirst apdu.StatusWord
	// ActiveAuthOtherKey is a copy without the key of active authentication: what
	// it signs does not verify.
	ActiveAuthOtherKey bool
	// ActiveAuthReplay is a copy that has a genuine signature of another
	// challenge, over eight zeros, and answers it to all.
	ActiveAuthReplay bool
	// ActiveAuthRefused, when set, is answered to every INTERNAL AUTHENTICATE.
	ActiveAuthRefused apdu.StatusWord
	// ActiveAuthLe is the only Le that INTERNAL AUTHENTICATE takes, 256 or
	// 65536; others get 6700. 0 is any.
	ActiveAuthLe int
	// ActiveAuthCut answers as much of a signature as fits Le, with 9000, as
	// Australian passports do.
	ActiveAuthCut bool
	// ActiveAuthEmpty answers an extended Le with 9000 and no signature, as
	// Chinese passports do.
	ActiveAuthEmpty bool
	// ActiveAuthPlain answers INTERNAL AUTHENTICATE outside secure messaging,
	// whatever the command came in.
	ActiveAuthPlain bool
	// ActiveAuthDER writes ECDSA signatures as SEQUENCE { r, s }, as Portuguese
	// identity cards do.
	ActiveAuthDER bool
	// ActiveAuthSmaller gives the smaller of an RSA signature and its complement
	// to the modulus (ISO/IEC 9796-2, B.4).
	ActiveAuthSmaller bool
	// MasterFileNoSFI answers 6A86 to a READ BINARY by short file identifier in
	// the master file.
	MasterFileNoSFI bool
	// SelectAnswers gives file control information to every SELECT, asked for or not.
	SelectAnswers bool
	// LeUnwanted answers 6700 to a SELECT without file control information, and
	// to MSE:Set AT, that expect an answer.
	LeUnwanted bool
	// MasterFile, when set, is answered to every SELECT of the master file,
	// which is then current or not as it was.
	MasterFile apdu.StatusWord
	// ApplicationWantsFCI answers 6A86 to a SELECT of the application that asks
	// for no file control information.
	ApplicationWantsFCI bool
	// PACERefused answers this to MSE:SET AT for the first variant listed.
	PACERefused apdu.StatusWord
	// PACENamed answers 6A87 to an MSE:SET AT that names no domain parameters.
	PACENamed bool
	// PACETries warns by 63Cx, at MSE:SET AT, that so many tries are left.
	PACETries int
	// PACEBreaks answers this to the second step of PACE, in the middle of its chain.
	PACEBreaks apdu.StatusWord
	// Proof is what the chip does to the chip authentication data at the end of
	// PACE with chip authentication mapping.
	Proof ProofFault
	// ProofUnasked sends chip authentication data at the end of another mapping too.
	ProofUnasked bool
	// ChainStaysOpen answers 6883 to the command that follows a PACE that broke
	// off in the middle of its chain.
	ChainStaysOpen bool
	// BACMissing answers 6A88 to EXTERNAL AUTHENTICATE, as a chip does that has
	// GET CHALLENGE and no keys for BAC.
	BACMissing bool
	// OptionalFile, when set, is answered in the place of 6A82 for a data group,
	// EF.DIR or EF.ATR/INFO that is not there.
	OptionalFile apdu.StatusWord
	// Withheld is a data group that EF.COM and EF.SOD list and the chip does not
	// give; 0 is none.
	Withheld int
	// PastEnd, when set, is answered to a READ BINARY for more bytes than the file
	// has left, 256 and 65536 for all of them included.
	PastEnd apdu.StatusWord
	// ShortAnswers gives at most so many bytes to a READ BINARY, with 9000; 0 as asked.
	ShortAnswers int
	// EmptyAbove answers 9000 without data to a READ BINARY for more than so
	// many plain bytes; 0 never.
	EmptyAbove int
	// BareErrorsUncounted sends error status words outside secure messaging and
	// keeps the session, its counter not moved on for the answer.
	BareErrorsUncounted bool
	// WrongChecksum spoils the checksum of the first answer whose plain data is
	// no whole number of blocks long and ends a file.
	WrongChecksum bool
	// ChunkAnswers holds responses longer than so many raw bytes back for GET
	// RESPONSE (61xx), short commands only; 0 never.
	ChunkAnswers int
	// EndlessAnswers offers more by 61xx for ever.
	EndlessAnswers bool
	// Trickle answers READ BINARY with one byte at a time.
	Trickle bool
	// NoStatusObject leaves DO'99' out of protected successes.
	NoStatusObject bool
	// LongAnswers gives so many bytes more than READ BINARY asked for, zeros
	// behind the file's end.
	LongAnswers int
}

// ProofFault is a way to spoil the chip authentication data of PACE, DO'8A'
// (Doc 9303-11, 4.4.3.5.1). The zero ProofFault spoils nothing.
type ProofFault byte

// The ways.
const (
	ProofMissing   ProofFault = iota + 1
	ProofEmpty                // DO'8A' without a byte
	ProofMalformed            // no whole blocks
	ProofWrong                // of another key: a copy's
	ProofMisplaced            // in DO'8B'
)
