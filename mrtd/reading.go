// Package mrtd reads the chip of a travel document: which files lie on it, and
// how access to them was gained (Doc 9303-10, -11). The sequence is one
// function, Read:
//
//	EF.CardAccess -> PACE, else BAC -> EF.COM -> DG14, chip authentication -> EF.SOD
//	-> terminal authentication -> Options.First -> DG1, DG15, active authentication -> DG2 -> the rest
//
// It returns bytes, how they came, and what protocols the chip completed. What
// they mean is package lds's, whether they are genuine packages trust's and
// authn's. It starts no goroutine, opens no device and asks no clock.
package mrtd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/lds"
)

// Errors a caller acts on. Every other error says what could not be read.
var (
	// ErrAccessDenied: the key at hand does not open this chip. The MRZ was
	// misread, the CAN mistyped, or the document's print and chip do not belong together.
	ErrAccessDenied = errors.New("mrtd: the key does not open this chip")
	// ErrChipLost: the chip left the field or stopped answering. Present it again.
	ErrChipLost = errors.New("mrtd: the chip was lost")
	// ErrNoApplication: the chip carries no eMRTD application; it is no passport's.
	ErrNoApplication = errors.New("mrtd: the chip has no eMRTD application")
)

// Key opens a chip. It prints as redacted.
type Key struct {
	// MRZ is document number, date of birth and date of expiry, each with its
	// check digit, as mrz.MRZ.KeyMaterial gives it.
	MRZ string
	// CAN is the card access number. Where it is given PACE tries it first, and
	// the MRZ after it: a mistyped CAN must not cost the traveller a second visit.
	CAN string
}

const redactedKey = "chip key (redacted)"

// Format prints no character of the key, whatever the verb.
func (Key) Format(f fmt.State, _ rune) { io.WriteString(f, redactedKey) }

// LogValue redacts the key in logs.
func (Key) LogValue() slog.Value { return slog.StringValue(redactedKey) }

// MarshalText redacts the key in encoders.
func (Key) MarshalText() ([]byte, error) { return []byte(redactedKey), nil }

// Options choose what is read and how. The zero value reads EF.COM, EF.SOD,
// DG1, DG2, and DG14 and DG15 where EF.COM lists them, in short APDUs.
type Options struct {
	// Groups are the data groups wanted. DG1 and DG2 are tried in any case
	// where they are wanted; others only where EF.COM lists them, or cannot be
	// read. EF.COM is not signed: compare it with EF.SOD before believing that
	// a group is absent. Nil is 1, 2, 14 and 15.
	Groups []int
	// First are groups among Groups that are read right after EF.SOD, before the
	// others: what is in them takes work that can be done, once EF.SOD has judged
	// them, while the rest travels.
	First []int
	// Proof is which proofs are asked of the chip that it is no copy. DG14 and
	// DG15 are read for them whether they are among Groups or not.
	Proof Proof
	// Terminal, where set, is the inspection system that authenticates itself to
	// the chip, after chip authentication, so that DG3 and DG4 open.
	Terminal access.Terminal
	// Vouched, where set, is asked before that whether EF.SOD vouches for DG14:
	// a terminal shows its certificates to no chip of unknown make
	// (TR-03110-1, 2.4.1). It gets the files read so far.
	Vouched func(files map[lds.Path][]byte) bool
	// Reconnect, where set, waits for a chip that was lost to come back into the
	// field. The reading then goes on where it broke off.
	Reconnect func(ctx context.Context) (apdu.Card, error)
	// MaxLe is the longest response data, in bytes, that reader and chip bear:
	// above 256 reads use extended length. 0 is what the card says of itself
	// (apdu.Limited), else 256.
	MaxLe int
	// Random supplies nonces and ephemeral keys; nil is crypto/rand.
	Random io.Reader
	// Progress, where set, is called after every response with how much of a
	// file has come; total is 0 until the file's length is known.
	Progress func(file lds.File, read, total int)
	// OnFile, where set, is called with each file as soon as it is whole, so
	// that EF.SOD and DG1 can be judged while DG2 still travels. It must not
	// keep the chip waiting, and must not change data.
	OnFile func(file lds.File, data []byte)
}

// Proof is what is asked of a chip that bears more than one way to prove that
// it is no copy.
type Proof int

// The zero Proof is ProofOnce.
const (
	ProofOnce  Proof = iota // PACE-CAM or chip authentication; active authentication where there is neither
	ProofEvery              // all that the chip bears
	ProofNone
)

// States of PACE in Access. Anything but PACESucceeded with Protocol "BAC" or
// "none" is a weaker opening than the chip may offer, and why.
const (
	PACENotOffered  = "not_offered" // EF.CardAccess absent, unreadable, or without PACE
	PACEUnsupported = "unsupported" // offered only in variants that are not implemented, or whose keys the reader cannot carry
	PACESucceeded   = "succeeded"
	PACEFailed      = "failed" // offered and tried in vain: what followed is a fallback
)

// Protocols in Access.
const (
	ProtocolPACE = "PACE"
	ProtocolBAC  = "BAC"
	ProtocolNone = "none" // the chip gave its files without access control
	// ProtocolChipAuth opens nothing; it stands in Reading.Under.
	ProtocolChipAuth = "CA"
)

// Access is how the chip was opened. It proves that chip and reader share the
// printed key, and nothing about who made the chip.
type Access struct {
	Protocol    string // ProtocolPACE, ProtocolBAC, ProtocolNone; empty when it was not opened
	PACE        string // one of the states above
	PACEProblem string // why PACE failed; holds nothing of the document
	Password    string // "CAN" or "MRZ"
	OID         string // of the PACE protocol
	Mapping     string // of PACE, behind its key agreement: "ECDH-GM", "ECDH-CAM", "DH-IM"
	ParameterID int    // of PACE's domain parameters (Doc 9303-11, table 12)
	Curve       string // of PACE; empty for a group and for unnamed parameters
	Group       string // of PACE; empty for a curve and for unnamed parameters
	Cipher      string // of secure messaging
	// Opened is what PACE left for the protocols behind it; nil unless Protocol
	// is ProtocolPACE. Its session is Reading.Channel.
	Opened *access.Opened
}

// Name is the protocol with PACE's key agreement and mapping: "PACE-ECDH-IM",
// "BAC", "none"; empty when the chip was not opened.
func (a Access) Name() string {
	if a.Protocol == ProtocolPACE {
		return a.Protocol + "-" + a.Mapping
	}
	return a.Protocol
}

func (a *Access) setVariant(v access.Variant) {
	a.OID, a.Mapping, a.ParameterID, a.Cipher = v.OID, v.Name(), v.ParameterID, v.Cipher.String()
	if v.Group != nil {
		a.Group = v.Group.Name
	} else {
		a.Curve = v.Curve.Name
	}
}

// Summary is protocol, curve or group, and cipher in one line: "PACE
// brainpoolP256r1 AES-256", "BAC 3DES"; empty when the chip was not opened.
func (a Access) Summary() string {
	return strings.Join(strings.Fields(a.Protocol+" "+a.Curve+" "+a.Group+" "+a.Cipher), " ")
}

// FileFailure is a file that could not be read.
type FileFailure struct {
	File   lds.File
	Status apdu.StatusWord // what the chip answered; 0 where that was not the trouble
	Reason string          // for people; holds nothing of the document
}

// Reading is what came from the chip. It prints as redacted.
type Reading struct {
	// Files holds whole files by path, outer tag included and padding behind it
	// cut off.
	Files map[lds.Path][]byte
	// Under is the protocol by whose keys each file came: ProtocolNone,
	// ProtocolBAC, ProtocolPACE or ProtocolChipAuth.
	Under    map[lds.Path]string
	Access   Access
	Failures []FileFailure
	Stats    apdu.Stats
	// What the chip did to prove that it is no copy, and the reader to be let at
	// DG3 and DG4. A completed protocol proves something only with keys that
	// EF.SOD vouches for: package authn says so.
	ChipAuth     ChipAuth
	ActiveAuth   ActiveAuth
	TerminalAuth TerminalAuth
	// Quirks are the departures from Doc 9303 that were borne, in the order met.
	Quirks []Quirk
	// Returns is how often the chip was lost and came back.
	Returns int
	// Channel is the opened chip. It is nil where the chip was not opened, and
	// good until the chip leaves.
	Channel apdu.Card
}

// Format prints how much was read and nothing of it.
func (r Reading) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "reading of %d files by %q, %d failures (content redacted)", len(r.Files), r.Access.Protocol, len(r.Failures))
}

// LogValue redacts the reading in logs.
func (r Reading) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// MarshalText redacts the reading in encoders that would take its fields.
func (r Reading) MarshalText() ([]byte, error) { return fmt.Append(nil, r), nil }
