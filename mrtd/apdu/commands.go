package apdu

import "limen/mrtd/ber"

// Constructors of the commands that reading a travel document takes
// (Doc 9303-10, 3.6; Doc 9303-11, 4.3.4 and 4.4.4).

// Application identifier of the eMRTD application (Doc 9303-10, 3.6.1).
var eMRTD = [7]byte{0xA0, 0x00, 0x00, 0x02, 0x47, 0x10, 0x01}

// EMRTD returns the application identifier of the eMRTD application.
func EMRTD() []byte { return append([]byte(nil), eMRTD[:]...) }

// SelectMF selects the master file and asks for no file information.
func SelectMF() Command {
	return Command{INS: 0xA4, P1: 0x00, P2: 0x0C, Data: []byte{0x3F, 0x00}}
}

// SelectApplication selects an application by its identifier.
func SelectApplication(aid []byte) Command {
	return Command{INS: 0xA4, P1: 0x04, P2: 0x0C, Data: aid}
}

// SelectFile selects an elementary file of the current application.
func SelectFile(fid uint16) Command {
	return Command{INS: 0xA4, P1: 0x02, P2: 0x0C, Data: []byte{byte(fid >> 8), byte(fid)}}
}

// ReadBinarySFI reads from the start of the file with that short identifier,
// which becomes the current file.
func ReadBinarySFI(sfi byte, le int) Command {
	return Command{INS: 0xB0, P1: 0x80 | sfi, Le: le}
}

// MaxShortOffset is the last offset the even READ BINARY can name.
const MaxShortOffset = 0x7FFF

// ReadBinary reads le bytes of the current file from offset. Beyond
// MaxShortOffset it becomes the odd instruction, whose offset travels in
// DO'54' and whose response is wrapped in DO'53': see BinaryData.
func ReadBinary(offset, le int) Command {
	if offset <= MaxShortOffset {
		return Command{INS: 0xB0, P1: byte(offset >> 8), P2: byte(offset), Le: le}
	}
	at := []byte{byte(offset >> 8), byte(offset)}
	if offset > 0xFFFF {
		at = append([]byte{byte(offset >> 16)}, at...)
	}
	return Command{INS: 0xB1, Data: ber.Encode(0x54, at), Le: le}
}

// BinaryData returns what a READ BINARY read: the response data of the even
// instruction, the value of DO'53' of the odd one.
func BinaryData(c Command, data []byte) ([]byte, error) {
	if c.INS&1 == 0 || len(data) == 0 {
		return data, nil
	}
	t, err := ber.Parse(data, 0x53)
	if err != nil {
		return nil, err
	}
	return t.Value, nil
}

// GetChallenge asks for n random bytes.
func GetChallenge(n int) Command { return Command{INS: 0x84, Le: n} }

// ExternalAuthenticate proves knowledge of a key and asks for the chip's proof
// (mutual authenticate function).
func ExternalAuthenticate(cryptogram []byte, le int) Command {
	return Command{INS: 0x82, Data: cryptogram, Le: le}
}

// InternalAuthenticate asks the chip to sign a challenge.
func InternalAuthenticate(challenge []byte, le int) Command {
	return Command{INS: 0x88, Data: challenge, Le: le}
}

// MSE is MANAGE SECURITY ENVIRONMENT; P1 P2 C1A4 sets the template for PACE,
// 41A4 that for chip authentication with AES, 41A6 that with 3DES, 81B6 and 81A4
// those for terminal authentication.
func MSE(p1, p2 byte, data []byte) Command {
	return Command{INS: 0x22, P1: p1, P2: p2, Data: data}
}

// GeneralAuthenticate carries one step's dynamic authentication data, wrapped
// in DO'7C'; more says that further steps follow, as command chaining.
func GeneralAuthenticate(more bool, do []byte) Command {
	c := Command{INS: 0x86, Data: ber.Encode(0x7C, do), Le: 256}
	if more {
		c.CLA = 0x10
	}
	return c
}

// Name returns the name of the command's instruction, for errors.
func (c Command) Name() string {
	switch c.INS {
	case 0xA4:
		return "SELECT"
	case 0xB0, 0xB1:
		return "READ BINARY"
	case 0x84:
		return "GET CHALLENGE"
	case 0x82:
		return "EXTERNAL AUTHENTICATE"
	case 0x88:
		return "INTERNAL AUTHENTICATE"
	case 0x22:
		switch c.P2 {
		case 0xA6:
			return "MSE:SET KAT"
		case 0xB6:
			return "MSE:SET DST"
		}
		return "MSE:SET AT"
	case 0x2A:
		return "PSO:VERIFY CERTIFICATE"
	case 0x86:
		return "GENERAL AUTHENTICATE"
	case 0xC0:
		return "GET RESPONSE"
	}
	return "an unnamed command"
}

// Check returns nil for success and a *StatusError otherwise.
func (r Response) Check(c Command) error {
	if r.SW == Success {
		return nil
	}
	return &StatusError{Command: c.Name(), SW: r.SW}
}
