package specimen

import (
	"bytes"
	"math/big"
	"slices"
	"time"

	"limen/mrtd/ber"
	"limen/mrtd/trust"
)

// message is CMS signed data to be made (RFC 5652, 5; Doc 9303-10, 4.6.2.2).
type message struct {
	contentType string
	content     []byte
	key         *key
	signer      []byte    // the certificate of key
	at          time.Time // zero leaves the signing time out
	others      [][]byte  // certificates carried besides the signer's
	bare        bool      // the signer's certificate is not carried
	byKeyID     bool      // the signer is named by its key's identifier
}

func (m message) sign() ([]byte, error) {
	c, err := trust.ParseCertificate(m.signer)
	if err != nil {
		return nil, err
	}
	h := m.key.kind.Hash.New()
	h.Write(m.content)
	attribute := func(oid string, value []byte) []byte {
		return ber.Encode(ber.Sequence, ber.EncodeOID(oid), ber.Encode(ber.Set, value))
	}
	attributes := [][]byte{
		attribute("1.2.840.113549.1.9.3", ber.EncodeOID(m.contentType)),
		attribute("1.2.840.113549.1.9.4", ber.Encode(ber.OctetString, h.Sum(nil))),
	}
	if !m.at.IsZero() {
		attributes = append(attributes, attribute("1.2.840.113549.1.9.5", encodeTime(m.at)))
	}
	slices.SortFunc(attributes, bytes.Compare) // DER: what is signed is the sorted set
	signature, err := m.key.sign(ber.Encode(ber.Set, attributes...))
	if err != nil {
		return nil, err
	}
	version, name := int64(1), ber.Encode(ber.Sequence, c.Issuer.Raw, ber.EncodeInt(c.Serial))
	if m.byKeyID {
		version, name = 3, ber.Encode(0x80, c.SubjectKeyID)
	}
	certificates := m.others
	if !m.bare {
		certificates = append([][]byte{m.signer}, m.others...)
	}
	var carried []byte
	if len(certificates) > 0 {
		carried = ber.Encode(0xA0, certificates...)
	}
	digest := hashIdentifier(m.key.kind.Hash)
	info := ber.Encode(ber.Sequence,
		ber.EncodeInt(big.NewInt(version)),
		name,
		digest,
		ber.Encode(0xA0, attributes...),
		m.key.algorithm(),
		ber.Encode(ber.OctetString, signature))
	data := ber.Encode(ber.Sequence,
		ber.EncodeInt(big.NewInt(3)),
		ber.Encode(ber.Set, digest),
		ber.Encode(ber.Sequence, ber.EncodeOID(m.contentType), ber.Encode(0xA0, ber.Encode(ber.OctetString, m.content))),
		carried,
		ber.Encode(ber.Set, info))
	return ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.113549.1.7.2"), ber.Encode(0xA0, data)), nil
}
