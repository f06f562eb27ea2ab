package lds

import (
	"fmt"
	"log/slog"

	"limen/mrtd/ber"
	"limen/mrtd/trust"
)

// CardSecurity is EF.CardSecurity (Doc 9303-11, 9.2.11): what EF.CardAccess
// announces and more, the static keys of chip authentication mapping among it,
// signed by the document signer. Parsing verifies nothing: whether the signer
// is to be believed is for packages trust and authn to say, as with EF.SOD.
type CardSecurity struct {
	*trust.SignedData // the signature's side

	Infos SecurityInfos
}

// SecurityInfosType is the content type of EF.CardSecurity, id-SecurityObject
// (BSI TR-03110-3, A.1.2.5).
const SecurityInfosType = "0.4.0.127.0.7.3.2.1"

// maxCardSecurity bounds the file: the security infos, a signature and its certificates.
const maxCardSecurity = 256 << 10

// ParseCardSecurity reads the whole file. Bytes after the message are padding
// of the file and ignored, as in EF.CardAccess.
func ParseCardSecurity(b []byte) (*CardSecurity, error) {
	if len(b) > maxCardSecurity {
		return nil, fmt.Errorf("EF.CardSecurity: %d bytes are longer than %d", len(b), maxCardSecurity)
	}
	message, _, err := ber.Next(b)
	if err != nil {
		return nil, fmt.Errorf("EF.CardSecurity: %w", err)
	}
	signed, err := trust.ParseSignedData(message.Raw)
	if err != nil {
		return nil, fmt.Errorf("EF.CardSecurity: %w", err)
	}
	if signed.ContentType != SecurityInfosType {
		return nil, fmt.Errorf("EF.CardSecurity: content type %s where security infos (%s) belong", signed.ContentType, SecurityInfosType)
	}
	infos, err := ParseSecurityInfos(signed.Content)
	if err != nil {
		return nil, fmt.Errorf("EF.CardSecurity: %w", err)
	}
	return &CardSecurity{signed, infos}, nil
}

// String says how much there is. The keys are left out: they identify the chip.
func (c *CardSecurity) String() string {
	return fmt.Sprintf("[EF.CardSecurity of %d PACE variants and %d keys]", len(c.Infos.PACE), len(c.Infos.PublicKeys))
}

// GoString is String, for %#v.
func (c *CardSecurity) GoString() string { return c.String() }

// LogValue is String, for logs.
func (c *CardSecurity) LogValue() slog.Value { return slog.StringValue(c.String()) }
