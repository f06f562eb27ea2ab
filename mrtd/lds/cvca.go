package lds

import (
	"errors"
	"fmt"

	"limen/mrtd/ber"
)

// EFCVCA is where a chip with terminal authentication names the keys it trusts,
// unless its TerminalAuthenticationInfo gives another place (BSI TR-03110-3,
// A.7.2.4). It is a list of objects without one around them.
var EFCVCA = File{Name: "EF.CVCA", FID: 0x011C, SFI: 0x1C}

// CVCA is EF.CVCA: the certification authority references of the country
// verifying CA keys from which a certificate chain may start.
type CVCA struct {
	Current  string
	Previous string // "" where the chip trusts one key only
}

const (
	// CVCALen is the length of the file, filled up with zeros (table 16).
	CVCALen = 36

	tagAuthorityReference ber.Tag = 0x42
	maxAuthorityReference int     = 16
)

// References lists the references, the most recent first.
func (c CVCA) References() []string {
	if c.Previous == "" {
		return []string{c.Current}
	}
	return []string{c.Current, c.Previous}
}

// ParseCVCA reads the whole file. Its length is not held against it: files
// longer or shorter than 36 bytes are as plain.
func ParseCVCA(b []byte) (CVCA, error) {
	var found []string
	for len(b) > 0 && b[0] != 0 {
		t, rest, err := ber.Next(b)
		if err != nil {
			return CVCA{}, fmt.Errorf("EF.CVCA: %w", err)
		}
		if t.Tag != tagAuthorityReference || len(t.Value) == 0 || len(t.Value) > maxAuthorityReference {
			return CVCA{}, fmt.Errorf("EF.CVCA: object %X of %d bytes is no reference of a certification authority", t.Tag, len(t.Value))
		}
		if len(found) == 2 {
			return CVCA{}, errors.New("EF.CVCA: more than two references")
		}
		found, b = append(found, string(t.Value)), rest
	}
	for _, c := range b {
		if c != 0 {
			return CVCA{}, errors.New("EF.CVCA: something other than zeros after the references")
		}
	}
	switch len(found) {
	case 0:
		return CVCA{}, errors.New("EF.CVCA: no reference of a certification authority")
	case 1:
		return CVCA{Current: found[0]}, nil
	}
	return CVCA{found[0], found[1]}, nil
}

// EncodeCVCA writes the file; references longer than 16 characters do not fit it.
func EncodeCVCA(c CVCA) ([]byte, error) {
	var out []byte
	for _, r := range c.References() {
		out = append(out, ber.Encode(tagAuthorityReference, []byte(r))...)
	}
	if len(out) < CVCALen {
		out = append(out, make([]byte, CVCALen-len(out))...)
	}
	back, err := ParseCVCA(out)
	if err == nil && back != c {
		err = errors.New("EF.CVCA: a reference does not survive its encoding")
	}
	return out, err
}

// TerminalAuthenticationInfo says that the chip asks for terminal
// authentication, in which version, and where EF.CVCA lies (BSI TR-03110-3, A.1.1.3).
type TerminalAuthenticationInfo struct {
	Version int
	FID     uint16 // 0 where the info leaves EF.CVCA in its default place
	SFI     byte   // 0 where FID is given without one: the file must be selected
}

// EFCVCA is where this chip's EF.CVCA lies. In the absence of an info that
// says otherwise it is the default.
func (s SecurityInfos) EFCVCA() File {
	for _, info := range s.TermAuth {
		if info.FID != 0 {
			return File{Name: EFCVCA.Name, FID: info.FID, SFI: info.SFI}
		}
	}
	return EFCVCA
}

// terminalAuthOf reads what follows the protocol: version and optional FileID.
func terminalAuthOf(rest []ber.TLV) (TerminalAuthenticationInfo, error) {
	if len(rest) == 0 {
		return TerminalAuthenticationInfo{}, errUnknownInfo
	}
	version, err := smallInt(rest[0])
	if err != nil || len(rest) == 1 {
		return TerminalAuthenticationInfo{Version: version}, err
	}
	parts, err := rest[1].Children()
	if err != nil {
		return TerminalAuthenticationInfo{}, err
	}
	if rest[1].Tag != ber.Sequence || len(parts) == 0 || len(parts) > 2 || parts[0].Tag != ber.OctetString || len(parts[0].Value) != 2 {
		return TerminalAuthenticationInfo{}, errUnknownInfo
	}
	info := TerminalAuthenticationInfo{Version: version, FID: uint16(parts[0].Value[0])<<8 | uint16(parts[0].Value[1])}
	if len(parts) == 2 {
		sfi := parts[1].Value
		if parts[1].Tag != ber.OctetString || len(sfi) != 1 || sfi[0] == 0 || sfi[0] > 30 {
			return TerminalAuthenticationInfo{}, errUnknownInfo
		}
		info.SFI = sfi[0]
	}
	return info, nil
}
