package chipsim

import (
	"fmt"
	"io"
	"log/slog"

	"limen/mrtd/dh"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

// Passport is what a software passport is made of: its files as they lie on
// the chip and the protocols that open them. Card serves it.
type Passport struct {
	// Files by path: 0x3F00011C EF.CardAccess (in the master file), and in the
	// eMRTD application 0x011E EF.COM, 0x011D EF.SOD and 0x0101 DG1 to 0x0110
	// DG16. Each value is the whole file, outer tag included.
	Files map[lds.Path][]byte
	// MRZ is the printed machine readable zone, lines joined by "\n", from
	// which the BAC keys and the PACE password are derived.
	MRZ string
	// CAN is the card access number, six digits; empty where none is printed.
	CAN string
	// BAC tells whether basic access control opens the chip.
	BAC bool
	// PACE lists the PACE variants the chip bears, as EF.CardAccess announces
	// them; none where the chip has no PACE.
	PACE []PACE
	// CAM are the static keys that PACE with chip authentication mapping proves,
	// one a curve; EF.CardSecurity has the public halves.
	CAM []ChipKey
	// CARs are certification authority references sent at the end of PACE, two
	// at most, the most recent first (Doc 9303-11, 4.4.5.5).
	CARs []string
	// ChipAuth lists the static keys of chip authentication, as DG14 announces them.
	ChipAuth []ChipAuth
	// ActiveAuth is the key of active authentication, whose public half DG15
	// holds; nil where the chip has none.
	ActiveAuth *ActiveKey
	// CVCA are the certificates of the country verifying authority's keys from
	// which a terminal's may start, two at most. A chip that has any keeps DG3 and
	// DG4 for terminals with the right to them, and names the keys in EF.CVCA.
	CVCA [][]byte
}

const redacted = "passport (redacted)"

// Format prints none of the passport's content, whatever the verb.
func (Passport) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue redacts the passport in logs.
func (Passport) LogValue() slog.Value { return slog.StringValue(redacted) }

// PACE is one variant: its protocol (Doc 9303-11, 9.2.3) and domain parameters
// (9.5): those of a standardized number, or Curve or Group spelled out under a
// number of their own, 32 or more.
type PACE struct {
	OID         string // "0.4.0.127.0.7.2.2.4.2.4" is ECDH-GM-AES-CBC-CMAC-256
	ParameterID int    // 13 is brainpoolP256r1
	Curve       *ec.Curve
	Group       *dh.Group
}
