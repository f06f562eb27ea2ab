package access

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"limen/mrtd/lds"
)

// Protocols of chip authentication (9.2.7): the arc's next number is the kind
// of key agreement, the last the cipher.
const (
	oidChipAuth = "0.4.0.127.0.7.2.2.3."
	kindDH      = "1."
	kindECDH    = "2."
	oidPACECAM  = "0.4.0.127.0.7.2.2.4.6."
)

// ChipAuthVariant is one way to run chip authentication that chip and reader share.
type ChipAuthVariant struct {
	OID       string // "0.4.0.127.0.7.2.2.3.2.2" is id-CA-ECDH-AES-CBC-CMAC-128
	Cipher    Cipher
	Version   int  // as stated; version 1 is what runs
	KeyID     int  // of the chip's key; -1 where the infos name none
	Ambiguous bool // the chip has several keys: it must be told which
	// Guessed says that the infos have a key and no ChipAuthenticationInfo: 3DES
	// is what such chips run, French passports among them.
	Guessed bool
	Key     lds.ChipAuthenticationPublicKeyInfo
}

// ChipAuthCipher tells which cipher a chip authentication protocol uses and
// whether its keys are on a curve; false for what is no such protocol.
func ChipAuthCipher(oid string) (c Cipher, ecdh, ok bool) {
	tail, ok := strings.CutPrefix(oid, oidChipAuth)
	if !ok || len(tail) != 3 || tail[2] < '1' || tail[2] > '4' || tail[:2] != kindDH && tail[:2] != kindECDH {
		return 0, false, false
	}
	return Cipher(tail[2] - '0'), tail[:2] == kindECDH, true
}

// ChipAuthVariants lists the variants of DG14 or EF.CardSecurity that run here,
// best first: AES before 3DES, longer keys before shorter, ECDH before DH,
// otherwise as the chip lists them. Infos that state another version than 1 come
// last: some chips state 2 and run 1. Curves with a cofactor are left out, as
// for PACE, and so are keys of which only PACE's chip authentication mapping speaks.
func ChipAuthVariants(infos lds.SecurityInfos) []ChipAuthVariant {
	var out []ChipAuthVariant
	add := func(v ChipAuthVariant) {
		v.Ambiguous = len(infos.PublicKeys) > 1
		for i, had := range out {
			if had.OID == v.OID && had.KeyID == v.KeyID && bytes.Equal(had.Key.Raw, v.Key.Raw) {
				if v.Version == 1 { // announced once for each version
					out[i].Version = 1
				}
				return
			}
		}
		out = append(out, v)
	}
	keys := usableKeys(infos)
	for _, info := range infos.ChipAuth {
		cipher, ecdh, ok := ChipAuthCipher(info.OID)
		for _, key := range keys {
			if !ok || ecdh != (key.Curve != nil) || info.KeyID >= 0 && key.KeyID >= 0 && info.KeyID != key.KeyID {
				continue
			}
			add(ChipAuthVariant{OID: info.OID, Cipher: cipher, Version: info.Version, KeyID: max(info.KeyID, key.KeyID), Key: key})
		}
	}
	if len(infos.ChipAuth) == 0 {
		for _, key := range keys {
			kind := kindDH
			if key.Curve != nil {
				kind = kindECDH
			}
			add(ChipAuthVariant{OID: oidChipAuth + kind + "1", Cipher: TripleDES, Version: 1, KeyID: key.KeyID, Guessed: true, Key: key})
		}
	}
	slices.SortStableFunc(out, func(a, b ChipAuthVariant) int {
		switch {
		case a.Version == 1 && b.Version != 1:
			return -1
		case a.Version != 1 && b.Version == 1:
			return 1
		}
		return cmp.Or(int(b.Cipher-a.Cipher), strings.Compare(b.OID, a.OID))
	})
	return out
}

// usableKeys are the static keys chip authentication can agree with. Where no
// info names a protocol, a key that PACE's mapping names is the mapping's.
func usableKeys(infos lds.SecurityInfos) []lds.ChipAuthenticationPublicKeyInfo {
	var out []lds.ChipAuthenticationPublicKeyInfo
	for _, key := range infos.PublicKeys {
		mapping := slices.ContainsFunc(infos.PACE, func(p lds.PACEInfo) bool {
			return strings.HasPrefix(p.OID, oidPACECAM) && p.ParameterID == key.KeyID
		})
		switch {
		case key.Curve == nil && key.Group == nil, key.Curve != nil && key.Curve.H != 1:
		case mapping && len(infos.ChipAuth) == 0:
		default:
			out = append(out, key)
		}
	}
	return out
}
