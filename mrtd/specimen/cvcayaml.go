package specimen

import (
	"encoding/hex"
	"fmt"

	"limen/mrtd/cvc"
	"limen/mrtd/trust"
)

// yamlVerifier is what an order says of terminals.
type yamlVerifier struct {
	Scheme  string `yaml:"scheme"`
	Curve   string `yaml:"curve"`
	Bits    int    `yaml:"bits"`
	Hash    string `yaml:"hash"`
	Links   int    `yaml:"links"`
	Foreign bool   `yaml:"foreign"`
	Rights  []int  `yaml:"rights"`
}

// verifier fills what the order leaves out with DefaultVerifier's.
func (d document) verifier(y *yamlVerifier, issuer Profile) (*VerifierProfile, error) {
	if y == nil {
		return nil, nil
	}
	p := DefaultVerifier(issuer.From)
	p.Country, p.Links, p.Foreign = issuer.Country, y.Links, y.Foreign
	var err error
	if p.Key, err = d.kind("$.cvca", yamlKey{Scheme: y.Scheme, Curve: y.Curve, Bits: y.Bits, Hash: y.Hash}, p.Key); err != nil {
		return nil, err
	}
	if _, known := cvc.AlgorithmOf(p.Key.Scheme, p.Key.Hash); !known {
		return nil, d.errorAt("$.cvca.hash", "RSA of terminals signs with SHA-1, SHA-256 or SHA-512")
	}
	if p.Key.Scheme != trust.ECDSA && p.Key.Bits > 4096 {
		return nil, d.errorAt("$.cvca.bits", "bits of a terminal's RSA key are 1024 to 4096 in steps of 16")
	}
	if p.Links < 0 || p.Links > maxLinks {
		return nil, d.errorAt("$.cvca.links", "links are 0 to %d", maxLinks)
	}
	if y.Rights != nil {
		p.Rights = 0
	}
	for _, group := range y.Rights {
		right := map[int]cvc.Rights{3: cvc.ReadDG3, 4: cvc.ReadDG4}[group]
		if right == 0 {
			return nil, d.errorAt("$.cvca.rights", "rights are those to groups 3 and 4")
		}
		p.Rights |= right
	}
	return &p, nil
}

// trustPoints reads the certificates of passport.yaml.
func (d document) trustPoints(list []string) ([][]byte, error) {
	var out [][]byte
	for i, s := range list {
		b, err := hex.DecodeString(s)
		if err == nil {
			_, err = cvc.Parse(b)
		}
		if err != nil {
			return nil, d.errorAt(fmt.Sprintf("$.cvca[%d]", i), "%w", err)
		}
		out = append(out, b)
	}
	return out, nil
}
