package trust

import (
	"crypto"
	_ "crypto/sha1"   // linked in for crypto.SHA1: documents of before 2010 carry it
	_ "crypto/sha256" // linked in for crypto.SHA224 and crypto.SHA256
	_ "crypto/sha512" // linked in for crypto.SHA384 and crypto.SHA512
	"fmt"

	"limen/mrtd/ber"
)

// Scheme is how a signature is made.
type Scheme string

// The schemes of Doc 9303-12, 4.4. The zero Scheme is none that is known here.
const (
	RSAPKCS1 Scheme = "RSA PKCS#1 v1.5"
	RSAPSS   Scheme = "RSA-PSS"
	ECDSA    Scheme = "ECDSA"
)

// Algorithm is a parsed AlgorithmIdentifier of a signature.
type Algorithm struct {
	OID    string
	Scheme Scheme // "" where the identifier is not known
	// Hash is zero where the identifier leaves it to the message's digest
	// algorithm, as rsaEncryption does in CMS (RFC 3370, 3.2).
	Hash crypto.Hash
	// MGF is the hash of the mask generation function of RSA-PSS. The salt's
	// length is not kept: the padding tells it.
	MGF crypto.Hash
}

// String names scheme and hash: "ECDSA SHA-256".
func (a Algorithm) String() string {
	switch {
	case a.Scheme == "":
		return "unknown algorithm " + a.OID
	case a.Hash == 0:
		return string(a.Scheme)
	case a.Scheme == RSAPSS && a.MGF != a.Hash:
		return fmt.Sprintf("%s %s MGF1 %s", a.Scheme, a.Hash, a.MGF)
	}
	return string(a.Scheme) + " " + a.Hash.String()
}

// Object identifiers of keys (RFC 3279, 4055, 5480).
const (
	oidRSA        = "1.2.840.113549.1.1.1"
	oidPSS        = "1.2.840.113549.1.1.10"
	oidMGF1       = "1.2.840.113549.1.1.8"
	oidECKey      = "1.2.840.10045.2.1"
	oidECDH       = "1.3.132.1.12" // id-ecDH: seen on keys that sign all the same
	oidPrimeField = "1.2.840.10045.1.1"
)

var hashes = []struct {
	oid  string
	hash crypto.Hash
}{
	{"1.3.14.3.2.26", crypto.SHA1},
	{"2.16.840.1.101.3.4.2.4", crypto.SHA224},
	{"2.16.840.1.101.3.4.2.1", crypto.SHA256},
	{"2.16.840.1.101.3.4.2.2", crypto.SHA384},
	{"2.16.840.1.101.3.4.2.3", crypto.SHA512},
}

// HashByOID returns a hash of Doc 9303-12, 4.4.4 by its identifier, or zero.
// A signature's identifier in the place of its hash's is understood, as some
// issuers write sha256WithRSAEncryption for the digest algorithm.
func HashByOID(oid string) crypto.Hash {
	for _, h := range hashes {
		if h.oid == oid {
			return h.hash
		}
	}
	for _, s := range signatures {
		if s.oid == oid {
			return s.hash
		}
	}
	return 0
}

// HashOID is the identifier of a hash, or "".
func HashOID(hash crypto.Hash) string {
	for _, h := range hashes {
		if h.hash == hash {
			return h.oid
		}
	}
	return ""
}

var signatures = []struct {
	oid    string
	scheme Scheme
	hash   crypto.Hash
}{
	{oidRSA, RSAPKCS1, 0},
	{"1.2.840.113549.1.1.5", RSAPKCS1, crypto.SHA1},
	{"1.3.14.3.2.29", RSAPKCS1, crypto.SHA1}, // the older OIW identifier
	{"1.2.840.113549.1.1.14", RSAPKCS1, crypto.SHA224},
	{"1.2.840.113549.1.1.11", RSAPKCS1, crypto.SHA256},
	{"1.2.840.113549.1.1.12", RSAPKCS1, crypto.SHA384},
	{"1.2.840.113549.1.1.13", RSAPKCS1, crypto.SHA512},
	{oidECKey, ECDSA, 0}, // the key's identifier in the place of the signature's
	{"1.2.840.10045.4.1", ECDSA, crypto.SHA1},
	{"1.2.840.10045.4.3.1", ECDSA, crypto.SHA224},
	{"1.2.840.10045.4.3.2", ECDSA, crypto.SHA256},
	{"1.2.840.10045.4.3.3", ECDSA, crypto.SHA384},
	{"1.2.840.10045.4.3.4", ECDSA, crypto.SHA512},
	// BSI TR-03111, 5.2.1: r and s concatenated. Verify tells them apart by form.
	{"0.4.0.127.0.7.1.1.4.1.1", ECDSA, crypto.SHA1},
	{"0.4.0.127.0.7.1.1.4.1.2", ECDSA, crypto.SHA224},
	{"0.4.0.127.0.7.1.1.4.1.3", ECDSA, crypto.SHA256},
	{"0.4.0.127.0.7.1.1.4.1.4", ECDSA, crypto.SHA384},
	{"0.4.0.127.0.7.1.1.4.1.5", ECDSA, crypto.SHA512},
}

// SignatureOID is the identifier that names scheme and hash together, or "".
// RSA-PSS has one identifier for all hashes.
func SignatureOID(scheme Scheme, hash crypto.Hash) string {
	if scheme == RSAPSS {
		return oidPSS
	}
	for _, s := range signatures {
		if s.scheme == scheme && s.hash == hash {
			return s.oid
		}
	}
	return ""
}

// parseAlgorithm reads the AlgorithmIdentifier of a signature. An identifier
// that is not known is no error here: the certificate can still be listed.
func parseAlgorithm(t ber.TLV) (Algorithm, error) {
	oid, parameters, err := identifier(t)
	if err != nil {
		return Algorithm{}, err
	}
	if oid == oidPSS {
		return parsePSS(parameters)
	}
	for _, s := range signatures {
		if s.oid == oid {
			return Algorithm{OID: oid, Scheme: s.scheme, Hash: s.hash}, nil
		}
	}
	return Algorithm{OID: oid}, nil
}

// maxAlgorithm is more than an AlgorithmIdentifier or the parameters of RSA-PSS have fields.
const maxAlgorithm = 8

// identifier splits an AlgorithmIdentifier; absent and NULL parameters are a zero TLV.
func identifier(t ber.TLV) (string, ber.TLV, error) {
	if t.Tag != ber.Sequence {
		return "", ber.TLV{}, fmt.Errorf("tag %X where an algorithm identifier belongs", t.Tag)
	}
	parts, err := t.AtMost(maxAlgorithm)
	if err != nil {
		return "", ber.TLV{}, err
	}
	if len(parts) == 0 {
		return "", ber.TLV{}, fmt.Errorf("empty algorithm identifier")
	}
	oid, err := parts[0].OID()
	if err != nil {
		return "", ber.TLV{}, err
	}
	if len(parts) < 2 || parts[1].Tag == ber.Null {
		return oid, ber.TLV{}, nil
	}
	return oid, parts[1], nil
}

// parsePSS reads RSASSA-PSS-params (RFC 4055, 3.1), whose defaults are SHA-1.
// Where the parameters are absent altogether the hash is left open: signers
// that omit them mean the message's digest algorithm, not SHA-1.
func parsePSS(parameters ber.TLV) (Algorithm, error) {
	a := Algorithm{OID: oidPSS, Scheme: RSAPSS}
	if parameters.Tag == 0 {
		return a, nil
	}
	a.Hash, a.MGF = crypto.SHA1, crypto.SHA1
	fields, err := parameters.AtMost(maxAlgorithm)
	if err != nil {
		return Algorithm{}, fmt.Errorf("RSA-PSS parameters: %w", err)
	}
	for _, f := range fields {
		if f.Tag != 0xA0 && f.Tag != 0xA1 {
			continue // salt length and trailer field
		}
		inner, _, err := ber.Next(f.Value)
		if err != nil {
			return Algorithm{}, fmt.Errorf("RSA-PSS parameters: %w", err)
		}
		oid, of, err := identifier(inner)
		if err != nil {
			return Algorithm{}, fmt.Errorf("RSA-PSS parameters: %w", err)
		}
		if f.Tag == 0xA0 {
			if a.Hash = HashByOID(oid); a.Hash == 0 {
				return Algorithm{OID: oidPSS}, nil
			}
			continue
		}
		if oid == oidMGF1 && of.Tag != 0 {
			if oid, _, err = identifier(of); err != nil {
				return Algorithm{}, fmt.Errorf("RSA-PSS parameters: %w", err)
			}
		}
		if a.MGF = HashByOID(oid); a.MGF == 0 {
			return Algorithm{OID: oidPSS}, nil
		}
	}
	return a, nil
}
