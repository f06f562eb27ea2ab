// Package chipsim is a software passport: a chip that answers command APDUs
// from the files and keys of a Passport, and checks what it is sent as strictly
// as Doc 9303-10 and -11 let a chip be.
//
//	command -> field -> secure messaging -> instruction -> response
//
// It stands where a real chip would, behind any reader that carries APDUs. The
// secure messaging, BAC, PACE, chip and active authentication of its side are
// written apart from the reader's in package access; only ciphers, key
// derivation and the arithmetic of curves and groups are shared.
package chipsim

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"

	"limen/mrtd/apdu"
	"limen/mrtd/lds"
)

// Options change how the chip behaves. The zero value is a well-behaved chip
// with extended length.
type Options struct {
	// Random is the chip's source of nonces and keys; nil is crypto/rand.
	Random io.Reader
	// ShortOnly is a chip without extended length fields.
	ShortOnly bool
	Faults    Faults
}

// Seen counts what the chip was sent.
type Seen struct {
	Commands    int
	Selects     int
	Reads       int
	Protected   int // commands under secure messaging
	SMErrors    int // commands whose protection did not verify
	BAC, PACE   int // sessions opened
	ChipAuth    int // sessions restarted under other keys
	ActiveAuth  int // challenges signed
	Refused     int // wrong passwords, certificates and terminals
	LongestLe   int // of a READ BINARY, plain bytes
	LongestAPDU int // raw command bytes

	Certificates int // of terminals and their authorities, verified
	TerminalAuth int // terminals accepted
}

// Card is the chip in or out of a reader's field. It is used by one caller at a time.
type Card struct {
	p       Passport
	opt     Options
	seen    Seen
	left    int // commands until the chip leaves the field; -1 for never
	gone    bool
	slips   bool // it comes back at the next power-up
	trusted trustStore
	state
}

// state is what a chip forgets when it loses power.
type state struct {
	inApplication bool
	current       []byte // the current elementary file; nil for none
	file          lds.File
	opened        bool // access control passed
	sm            *secure
	challenge     []byte // for EXTERNAL AUTHENTICATE, good for one try
	pace          *paceRun
	chipAuth      *chipAuthRun
	terminalKey   []byte // the reader's ephemeral key of chip authentication, or of PACE with its mapping, compressed
	chainOpen     bool   // PACE broke off inside a command chain
	heldBack      []byte // of a response, for GET RESPONSE
	heldStatus    apdu.StatusWord
	fileEnded     bool   // the last READ BINARY reached the file's end
	chipID        []byte // the chip's own ephemeral key of PACE, compressed; nil under BAC
	terminal      terminalRun
}

// New puts a passport's chip into the field.
func New(p Passport, opt Options) *Card {
	if opt.Random == nil {
		opt.Random = rand.Reader
	}
	c := &Card{p: p, opt: opt, trusted: personalize(p.CVCA)}
	c.Enter()
	return c
}

// Format prints none of the passport's content.
func (c *Card) Format(f fmt.State, _ rune) { io.WriteString(f, "software "+redacted) }

// LogValue redacts the card in logs.
func (c *Card) LogValue() slog.Value { return slog.StringValue("software " + redacted) }

// Reset is loss of power: the session and every selection are forgotten. A chip
// that slipped out of the field is back in it.
func (c *Card) Reset() {
	c.state = state{}
	if c.gone && c.slips {
		c.gone, c.slips = false, false
	}
}

// Enter brings the chip back into the field, powered up anew.
func (c *Card) Enter() {
	c.Reset()
	c.gone, c.left = false, -1
	switch f := c.opt.Faults; {
	case f.GoneAfter != 0:
		c.left = max(f.GoneAfter, 0)
	case f.SlipsAfter > 0:
		c.left, c.slips = f.SlipsAfter, true
	}
}

// Seen returns what the chip has been sent since New.
func (c *Card) Seen() Seen { return c.seen }

// goneError is what a transport says when the chip left its field.
type goneError struct{}

func (goneError) Error() string  { return "chipsim: the chip is not in the field" }
func (goneError) CardGone() bool { return true }

// Transmit answers one command. Its error has CardGone true when the chip is
// out of the field; a command the chip declines is an answer, no error.
func (c *Card) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c.left == 0 {
		c.state = state{}
		c.gone, c.left = true, -1
	}
	if c.gone {
		return nil, goneError{}
	}
	if c.left > 0 {
		c.left--
	}
	c.seen.Commands++
	c.seen.LongestAPDU = max(c.seen.LongestAPDU, len(command))
	return c.handOver(command, c.answer).Encode(), nil
}

// answer takes a command through secure messaging to its instruction and back.
func (c *Card) answer(raw []byte) apdu.Response {
	cmd, err := apdu.ParseCommand(raw)
	if err != nil || (c.opt.ShortOnly && isExtended(raw)) {
		c.endSession()
		return status(apdu.WrongLength)
	}
	switch cmd.CLA {
	case 0x00, 0x10:
		// A plain command ends the session (9.8.3); it then runs without rights.
		c.endSession()
		return c.dispatch(cmd)
	case 0x0C, 0x1C:
	default:
		c.endSession()
		return status(apdu.WrongCLA)
	}
	c.seen.Protected++
	if c.sm == nil {
		return status(apdu.SMObjectsIncorrect)
	}
	sm := c.sm
	plain, sw := sm.open(cmd)
	if sw != apdu.Success {
		c.seen.SMErrors++
		c.endSession()
		return status(sw)
	}
	r := c.dispatch(plain)
	if n := sm.sealedLen(len(r.Data)); n > 256 && !isExtended(raw) {
		r = status(apdu.WrongLength) // does not fit a short response
	}
	bad := r.SW != apdu.Success && len(r.Data) == 0
	if bad && c.opt.Faults.BareErrorsUncounted {
		return status(r.SW)
	}
	sealed := sm.seal(plain, r, c.opt.Faults.NoStatusObject && r.SW == apdu.Success)
	if c.opt.Faults.ActiveAuthPlain && plain.INS == 0x88 {
		return r
	}
	if c.opt.Faults.WrongChecksum && c.fileEnded && len(r.Data)%sm.block() != 0 {
		c.opt.Faults.WrongChecksum = false
		sealed.Data[len(sealed.Data)-1] ^= 1
		return sealed
	}
	if bad {
		switch {
		case c.opt.Faults.BareErrors:
			return status(r.SW)
		case c.opt.Faults.BareErrorsEnd:
			c.endSession()
			return status(r.SW)
		}
	}
	return sealed
}

// isExtended tells an extended command by its first length byte being zero
// with more behind it.
func isExtended(raw []byte) bool { return len(raw) > 5 && raw[4] == 0 }

// endSession deletes the keys and takes back the rights they gave.
func (c *Card) endSession() {
	if c.sm != nil {
		c.sm, c.opened, c.current = nil, false, nil
		c.terminalKey, c.chipID, c.terminal = nil, nil, terminalRun{}
	}
}

func status(sw apdu.StatusWord) apdu.Response { return apdu.Response{SW: sw} }

func (c *Card) dispatch(cmd apdu.Command) apdu.Response {
	if r, ours := c.terminalCommand(cmd, c.challenge); ours {
		return r
	}
	if cmd.CLA&0x10 != 0 && cmd.INS != 0x86 {
		return status(apdu.ChainingUnsupported)
	}
	if cmd.INS != 0x86 {
		// Any other command breaks a PACE run; MSE:SET AT starts one anew.
		c.pace, c.chipAuth = nil, nil
	}
	challenge := c.challenge
	c.challenge, c.fileEnded = nil, false
	if c.chainOpen && cmd.INS != 0x86 {
		c.chainOpen = false
		return status(apdu.LastCommandExpected)
	}
	if c.opt.Faults.LeUnwanted && cmd.Le != 0 && (cmd.INS == 0xA4 && cmd.P2 == 0x0C || cmd.INS == 0x22) {
		return status(apdu.WrongLength)
	}
	switch cmd.INS {
	case 0xA4:
		c.seen.Selects++
		return c.selectFile(cmd)
	case 0xB0, 0xB1:
		c.seen.Reads++
		c.seen.LongestLe = max(c.seen.LongestLe, cmd.Le)
		return c.readBinary(cmd)
	case 0x84:
		return c.getChallenge(cmd)
	case 0x82:
		return c.externalAuthenticate(cmd, challenge)
	case 0x22:
		if cmd.P1 == 0x41 {
			return c.setChipAuth(cmd)
		}
		return c.setTemplate(cmd)
	case 0x86:
		if run := c.chipAuth; run != nil {
			c.chipAuth = nil
			return c.finishChipAuth(cmd, *run)
		}
		return c.generalAuthenticate(cmd)
	case 0x88:
		return c.internalAuthenticate(cmd)
	}
	return status(apdu.WrongINS)
}

// mayRead tells whether the file may be touched: those of the master file but
// EF.CardSecurity always, everything else once access control has passed, or at
// once where the chip has none, and what is sensitive only to a terminal with the
// right to it.
func (c *Card) mayRead(f lds.File) bool {
	return f.MasterFile && f != lds.EFCardSecurity || (c.opened || !c.p.BAC && len(c.p.PACE) == 0) && c.maySense(f)
}
