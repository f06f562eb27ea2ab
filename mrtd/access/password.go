package access

import (
	"crypto/sha1"
	"fmt"
	"io"
	"log/slog"
)

// Password is what PACE proves knowledge of (4.4, table 14). It prints as redacted.
type Password struct {
	reference byte // DO'83' of MSE:Set AT
	encoded   Key
}

// MRZPassword is the password of document number, date of birth and date of
// expiry, each with its check digit, as for BAC.
func MRZPassword(mrzInformation string) Password {
	h := sha1.Sum([]byte(mrzInformation))
	return Password{1, h[:]}
}

// CANPassword is the password of the card access number.
func CANPassword(can string) Password { return Password{2, Key(can)} }

// Format prints which password it is and none of its content.
func (p Password) Format(f fmt.State, _ rune) { io.WriteString(f, p.Name()+" (redacted)") }

// LogValue redacts the password in logs.
func (p Password) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(p)) }

// Name is "MRZ" or "CAN".
func (p Password) Name() string {
	if p.reference == 2 {
		return "CAN"
	}
	return "MRZ"
}

// Key derives the key that encrypts the nonce, K_pi (9.7.3).
func (p Password) Key(c Cipher) Key { return c.Derive(p.encoded, forPassword) }

// NonceSuite encrypts and decrypts PACE's nonce under the password.
func (p Password) NonceSuite(c Cipher) (*Suite, error) {
	key := p.Key(c)
	return NewSuite(c, key, key)
}
