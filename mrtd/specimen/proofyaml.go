package specimen

import (
	"fmt"
	"math/big"
	"slices"

	"limen/mrtd/access"
	"limen/mrtd/chipsim"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
)

// yamlActive is a key of active authentication: as an order asks for it, and
// with its numbers as passport.yaml keeps it.
type yamlActive struct {
	Scheme   string `yaml:"scheme"`
	Curve    string `yaml:"curve,omitempty"`
	Explicit bool   `yaml:"explicit,omitempty"`
	Bits     int    `yaml:"bits,omitempty"`
	Hash     string `yaml:"hash"`
	Modulus  string `yaml:"modulus,omitempty"`
	Private  string `yaml:"private,omitempty"`
}

// yamlChipAuth is a key of chip authentication with one of its protocols.
type yamlChipAuth struct {
	Cipher      string `yaml:"cipher"`
	Curve       string `yaml:"curve,omitempty"`
	Group       string `yaml:"group,omitempty"`
	KeyID       *int   `yaml:"key_id,omitempty"`
	Unannounced bool   `yaml:"unannounced,omitempty"`
	Private     string `yaml:"private,omitempty"`
}

func (y yamlChipAuth) id() int {
	if y.KeyID == nil {
		return -1
	}
	return *y.KeyID
}

const hashNames = "SHA-1, SHA-224, SHA-256, SHA-384, SHA-512"

// active reads what an order says of active authentication.
func (d document) active(y *yamlActive) (*ActiveAuth, error) {
	if y == nil {
		return nil, nil
	}
	out := &ActiveAuth{Explicit: y.Explicit, Hash: hashes[y.Hash]}
	switch {
	case out.Hash == 0:
		return nil, d.errorAt("$.active.hash", "hash is none of %s", hashNames)
	case y.Modulus != "" || y.Private != "":
		return nil, d.errorAt("$.active", "an order names no numbers of a key")
	case y.Scheme == "ecdsa":
		if _, err := parameterID(y.Curve); err != nil {
			return nil, d.errorAt("$.active.curve", "%v", err)
		}
		out.Curve = y.Curve
	case y.Scheme != "rsa":
		return nil, d.errorAt("$.active.scheme", "scheme is neither rsa nor ecdsa")
	case y.Bits < 1024 || y.Bits > 4096 || y.Bits%16 != 0:
		return nil, d.errorAt("$.active.bits", "bits of an RSA key are 1024 to 4096 in steps of 16")
	default:
		out.Bits = y.Bits
	}
	return out, nil
}

// chipAuth reads what an order says of chip authentication.
func (d document) chipAuth(list []yamlChipAuth) ([]ChipAuth, error) {
	var out []ChipAuth
	for i, y := range list {
		c, err := d.chipAuthKey(fmt.Sprintf("$.chip_auth[%d]", i), y)
		if err != nil {
			return nil, err
		}
		if y.Private != "" {
			return nil, d.errorAt("$.chip_auth", "an order names no numbers of a key")
		}
		out = append(out, c)
	}
	return out, nil
}

func (d document) chipAuthKey(path string, y yamlChipAuth) (ChipAuth, error) {
	out := ChipAuth{Cipher: cipherNamed(y.Cipher), Curve: y.Curve, Group: y.Group, KeyID: y.id(), Unannounced: y.Unannounced}
	switch {
	case out.Cipher == 0:
		return out, d.errorAt(path+".cipher", "cipher is none of 3DES, AES-128, AES-192, AES-256")
	case (y.Curve == "") == (y.Group == ""):
		return out, d.errorAt(path, "name either a curve or a group")
	case y.Group != "" && dh.ByName(y.Group) == nil:
		return out, d.errorAt(path+".group", "group %q is not known; RFC 5114 2048/256 is", y.Group)
	case y.KeyID != nil && *y.KeyID < 0:
		return out, d.errorAt(path+".key_id", "a key's identifier is not negative; leave it out for none")
	}
	if y.Curve != "" {
		if _, err := parameterID(y.Curve); err != nil {
			return out, d.errorAt(path+".curve", "%v", err)
		}
	}
	return out, nil
}

func cipherNamed(name string) access.Cipher {
	for c := access.TripleDES; c <= access.AES256; c++ {
		if c.String() == name {
			return c
		}
	}
	return 0
}

// saveProofs writes the chip's private keys, which are a specimen's.
func saveProofs(p chipsim.Passport, y *yamlPassport) error {
	if k := p.ActiveAuth; k != nil {
		y.Active = &yamlActive{Scheme: "rsa", Hash: k.Hash.String(), Private: k.Private.Text(16)}
		switch {
		case k.Curve == nil:
			y.Active.Modulus = k.Modulus.Text(16)
		case k.Curve.Name == "":
			return fmt.Errorf("the curve of active authentication has no name")
		default:
			y.Active.Scheme, y.Active.Curve = "ecdsa", k.Curve.Name
		}
	}
	for _, a := range p.ChipAuth {
		for _, oid := range a.OIDs {
			cipher, _, ok := access.ChipAuthCipher(oid)
			if !ok {
				return fmt.Errorf("chip authentication %s has no name", oid)
			}
			k := yamlChipAuth{Cipher: cipher.String(), Private: a.Key.Private.Text(16)}
			if a.Key.Curve != nil {
				k.Curve = a.Key.Curve.Name
			} else {
				k.Group = a.Key.Group.Name
			}
			if k.Curve+k.Group == "" {
				return fmt.Errorf("the parameters of chip authentication %s have no name", oid)
			}
			if id := a.Key.KeyID; id >= 0 {
				k.KeyID = &id
			}
			y.ChipAuth = append(y.ChipAuth, k)
		}
	}
	return nil
}

// loadProofs reads the private keys of passport.yaml.
func (d document) loadProofs(y yamlPassport, p *chipsim.Passport) error {
	if y.Active != nil {
		key, err := y.Active.key()
		if err != nil {
			return d.errorAt("$.active", "%w", err)
		}
		p.ActiveAuth = key
	}
	for i, k := range y.ChipAuth {
		path := fmt.Sprintf("$.chip_auth[%d]", i)
		c, err := d.chipAuthKey(path, k)
		if err != nil {
			return err
		}
		key := chipsim.ChipKey{KeyID: c.KeyID, Curve: ec.ByName(c.Curve), Group: dh.ByName(c.Group)}
		order := new(big.Int)
		if key.Curve != nil {
			order = key.Curve.N
		} else {
			order = key.Group.Q
		}
		if key.Private, err = number(k.Private, order); err != nil {
			return d.errorAt(path+".private", "%w", err)
		}
		same := func(a chipsim.ChipAuth) bool {
			return a.Key.KeyID == key.KeyID && a.Key.Curve == key.Curve && a.Key.Group == key.Group && a.Key.Private.Cmp(key.Private) == 0
		}
		if j := slices.IndexFunc(p.ChipAuth, same); j >= 0 {
			p.ChipAuth[j].OIDs = append(p.ChipAuth[j].OIDs, c.oid())
			continue
		}
		p.ChipAuth = append(p.ChipAuth, chipsim.ChipAuth{OIDs: []string{c.oid()}, Key: key})
	}
	return nil
}

func (y yamlActive) key() (*chipsim.ActiveKey, error) {
	out := &chipsim.ActiveKey{Hash: hashes[y.Hash]}
	if out.Hash == 0 {
		return nil, fmt.Errorf("hash is none of %s", hashNames)
	}
	var err error
	switch y.Scheme {
	case "ecdsa":
		if out.Curve = ec.ByName(y.Curve); out.Curve == nil {
			return nil, fmt.Errorf("curve %q is not known; brainpoolP256r1 and P-256 are", y.Curve)
		}
		out.Private, err = number(y.Private, out.Curve.N)
	case "rsa":
		if out.Modulus, err = number(y.Modulus, new(big.Int).Lsh(big.NewInt(1), 8192)); err != nil {
			return nil, err
		}
		if out.Modulus.BitLen() < 1024 || out.Modulus.Bit(0) == 0 {
			return nil, fmt.Errorf("an RSA modulus of %d bits", out.Modulus.BitLen())
		}
		out.Private, err = number(y.Private, out.Modulus)
	default:
		return nil, fmt.Errorf("scheme is neither rsa nor ecdsa")
	}
	return out, err
}

// number reads a hexadecimal number from 1 up to below a limit. Its error holds
// nothing of it.
func number(s string, limit *big.Int) (*big.Int, error) {
	n, ok := new(big.Int), len(s) <= 4096
	if ok {
		n, ok = n.SetString(s, 16)
	}
	if !ok || n.Sign() <= 0 || n.Cmp(limit) >= 0 {
		return nil, fmt.Errorf("a key's number is not hexadecimal, zero or out of range")
	}
	return n, nil
}
