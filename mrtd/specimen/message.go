package specimen

import (
	"bytes"
	"math/big"
	"slices"
	"time"

	"limen/mrtd/ber"
	"limen/mrtd/trust"
)

// signMessage makes CMS signed data over content (RFC 5652, 5; Doc 9303-10,
// 4.6.2.2). A zero time leaves the signing time out.
func signMessage(contentType string, content []byte, k *key, signer []byte, at time.Time, others ...[]byte) ([]byte, error) {
	c, err := trust.ParseCertificate(signer)
	if err != nil {
		return nil, err
	}
	h := k.kind.Hash.New()
	h.Write(content)
	attribute := func(oid string, value []byte) []byte {
		return ber.Encode(ber.Sequence, ber.EncodeOID(oid), ber.Encode(ber.Set, value))
	}
	attributes := [][]byte{
		attribute("1.2.840.113549.1.9.3", ber.EncodeOID(contentType)),
		attribute("1.2.840.113549.1.9.4", ber.Encode(ber.OctetString, h.Sum(nil))),
	}
	if !at.IsZero() {
		attributes = append(attributes, attribute("1.2.840.113549.1.9.5", encodeTime(at)))
	}
	slices.SortFunc(attributes, bytes.Compare) // DER: what is signed is the sorted set
	signature, err := k.sign(ber.Encode(ber.Set, attributes...))
	if err != nil {
		return nil, err
	}
	digest := hashIdentifier(k.kind.Hash)
	info := ber.Encode(ber.Sequence,
		ber.EncodeInt(big.NewInt(1)),
		ber.Encode(ber.Sequence, c.Issuer.Raw, ber.EncodeInt(c.Serial)),
		digest,
		ber.Encode(0xA0, attributes...),
		k.algorithm(),
		ber.Encode(ber.OctetString, signature))
	data := ber.Encode(ber.Sequence,
		ber.EncodeInt(big.NewInt(3)),
		ber.Encode(ber.Set, digest),
		ber.Encode(ber.Sequence, ber.EncodeOID(contentType), ber.Encode(0xA0, ber.Encode(ber.OctetString, content))),
		ber.Encode(0xA0, append([][]byte{signer}, others...)...),
		ber.Encode(ber.Set, info))
	return ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.113549.1.7.2"), ber.Encode(0xA0, data)), nil
}
