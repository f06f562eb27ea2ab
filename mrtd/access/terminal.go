package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/cvc"
	"limen/mrtd/lds"
)

// Terminal is an inspection system as chips see it: certificates, and the keys
// of its own among them. cvc.InspectionSystem is one.
type Terminal interface {
	// Chain fails with cvc.ErrNoChain where no certificates lead from any of the
	// keys a chip trusts, named by their references, to one of the terminal's
	// own; otherwise it returns them, at least one, in the order in which the
	// chip has to verify them.
	Chain(trustPoints []string) ([]*cvc.Certificate, error)
	// Sign signs as the holder of the last of them, by its algorithm and in the
	// form of BSI TR-03110-3, A.7.3 and A.7.4.
	Sign(ctx context.Context, c *cvc.Certificate, message []byte) ([]byte, error)
}

// ErrTerminalRefused says that the chip did not accept a certificate, or the
// terminal's signature: the terminal may not read what it asked for.
var ErrTerminalRefused = errors.New("access: the chip does not accept the terminal")

// ChipID is what the terminal's signature binds to the chip at hand, ID_IC: after
// PACE the chip's ephemeral key, compressed; after BAC the document number. It
// prints as redacted.
type ChipID []byte

// DocumentChipID is the identifier of a chip that BAC opened: the document
// number with its check digit, as it begins the MRZ information, which dates of
// birth and expiry with a check digit each follow (Doc 9303-11, 7.1.2).
func DocumentChipID(mrzInformation string) ChipID {
	return ChipID(mrzInformation[:max(0, len(mrzInformation)-14)])
}

const redactedID = "chip identifier (redacted)"

// Format prints nothing of the identifier, whatever the verb.
func (ChipID) Format(f fmt.State, _ rune) { io.WriteString(f, redactedID) }

// LogValue redacts the identifier in logs.
func (ChipID) LogValue() slog.Value { return slog.StringValue(redactedID) }

// MarshalText redacts the identifier in encoders.
func (ChipID) MarshalText() ([]byte, error) { return []byte(redactedID), nil }

// TerminalAuthenticated says as what a chip accepted the terminal.
type TerminalAuthenticated struct {
	Certificates []*cvc.Certificate // that the chip verified, its own key's left out
	// Rights are the most the certificates grant; the chip grants less where its
	// CVCA's own certificate does.
	Rights cvc.Rights
}

// TerminalAuthentication shows a chip that the terminal may read what is closed
// to others, version 1 of the protocol (Doc 9303-11, 7.1; BSI TR-03110-3, B.3).
// card is the session that chip authentication, or PACE with chip authentication
// mapping, has opened; the rights end with it. trustPoints name the keys from
// which the chip lets certificates start, as ReadTrustPoints finds them.
// ephemeral is the terminal's key of that session, compressed.
//
// ErrTerminalRefused, joined with the chip's answer, and cvc.ErrNoChain leave
// the session as it was.
func TerminalAuthentication(ctx context.Context, card apdu.Card, trustPoints []string, t Terminal, id ChipID, ephemeral []byte) (TerminalAuthenticated, error) {
	if len(id) == 0 || len(ephemeral) == 0 {
		return TerminalAuthenticated{}, errors.New("access: terminal authentication needs the chip's identifier and the terminal's ephemeral key: run chip authentication first")
	}
	chain, err := t.Chain(trustPoints)
	if err != nil {
		return TerminalAuthenticated{}, err
	}
	if len(chain) == 0 {
		return TerminalAuthenticated{}, fmt.Errorf("access: %w", cvc.ErrNoChain)
	}
	run := terminalRun{ctx, card}
	for _, c := range chain {
		if err := run.verify(c); err != nil {
			return TerminalAuthenticated{}, fmt.Errorf("certificate %s: %w", c, err)
		}
	}
	terminal := chain[len(chain)-1]
	challenge, err := run.challenge(terminal)
	if err != nil {
		return TerminalAuthenticated{}, fmt.Errorf("terminal authentication as %s: %w", terminal, err)
	}
	signature, err := t.Sign(ctx, terminal, terminalMessage(id, challenge, ephemeral))
	if err != nil {
		return TerminalAuthenticated{}, err
	}
	if _, err := run.step(apdu.ExternalAuthenticate(signature, 0)); err != nil {
		return TerminalAuthenticated{}, fmt.Errorf("terminal authentication as %s: %w", terminal, err)
	}
	return TerminalAuthenticated{chain, cvc.Effective(chain)}, nil
}

// terminalMessage is ID_IC || r_IC || Comp(PK_IFD), what the terminal signs.
func terminalMessage(id ChipID, challenge, ephemeral []byte) []byte {
	return append(append(append([]byte(nil), id...), challenge...), ephemeral...)
}

// ReadTrustPoints reads EF.CVCA in the selected application: which keys the chip
// trusts. f is where it lies: lds.EFCVCA, or as lds.SecurityInfos.EFCVCA says.
func ReadTrustPoints(ctx context.Context, card apdu.Card, f lds.File) (lds.CVCA, error) {
	run := terminalRun{ctx, card}
	if f.SFI != 0 {
		data, err := run.read(apdu.ReadBinarySFI(f.SFI, lds.CVCALen))
		if err == nil {
			return lds.ParseCVCA(data)
		}
		var status *apdu.StatusError
		if !errors.As(err, &status) || status.SW == apdu.SecurityStatus {
			return lds.CVCA{}, fmt.Errorf("cannot read %s: %w", f, err)
		}
	}
	c := apdu.SelectFile(f.FID)
	r, err := apdu.Send(ctx, card, c)
	if err == nil {
		err = r.Check(c)
	}
	var data []byte
	if err == nil {
		data, err = run.read(apdu.ReadBinary(0, lds.CVCALen))
	}
	if err != nil {
		return lds.CVCA{}, fmt.Errorf("cannot read %s: %w", f, err)
	}
	return lds.ParseCVCA(data)
}

// terminalRun is terminal authentication under way.
type terminalRun struct {
	ctx  context.Context
	card apdu.Card
}

// read takes a file that is shorter than asked for as it is.
func (t terminalRun) read(c apdu.Command) ([]byte, error) {
	r, err := apdu.Send(t.ctx, t.card, c)
	if err != nil {
		return nil, err
	}
	if r.SW == apdu.EndOfFile && len(r.Data) > 0 {
		return r.Data, nil
	}
	return r.Data, r.Check(c)
}

// verify makes the chip verify one certificate and take over its key: MSE:Set
// DST names the key it is signed with, PSO:Verify Certificate carries it.
func (t terminalRun) verify(c *cvc.Certificate) error {
	if _, err := t.step(apdu.MSE(0x81, 0xB6, ber.Encode(0x83, []byte(c.Authority)))); err != nil {
		return err
	}
	signature := ber.Encode(0x5F37, c.Signature)
	_, err := t.step(apdu.Command{INS: 0x2A, P1: 0x00, P2: 0xBE, Data: append(append([]byte(nil), c.Body...), signature...)})
	return err
}

// challenge selects the terminal's key and asks for the challenge. The algorithm
// is the certificate's: version 1 names none.
func (t terminalRun) challenge(terminal *cvc.Certificate) ([]byte, error) {
	if _, err := t.step(apdu.MSE(0x81, 0xA4, ber.Encode(0x83, []byte(terminal.Holder)))); err != nil {
		return nil, err
	}
	r, err := t.step(apdu.GetChallenge(nonceLen))
	if err != nil {
		return nil, err
	}
	if len(r.Data) != nonceLen {
		return nil, fmt.Errorf("challenge of %d bytes where %d belong", len(r.Data), nonceLen)
	}
	return r.Data, nil
}

// step sends one command. A chip that declines it declines the terminal, whether
// it says so in secure messaging or, as some do, outside.
func (t terminalRun) step(c apdu.Command) (apdu.Response, error) {
	r, err := sendLong(t.ctx, t.card, c)
	var plain *PlainStatusError
	if err == nil {
		if err = r.Check(c); err == nil {
			return r, nil
		}
	} else if !errors.As(err, &plain) {
		return r, err
	}
	return r, errors.Join(ErrTerminalRefused, err)
}
