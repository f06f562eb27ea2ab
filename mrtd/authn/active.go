package authn

import (
	"crypto"
	"slices"

	"limen/mrtd/ec"
	"limen/mrtd/lds"
	"limen/mrtd/trust"
)

// challengeLen is that of RND.IFD (Doc 9303-11, 6.1.2.1). A shorter challenge
// could have been guessed, and its signature kept.
const challengeLen = 8

// Active judges a signature of active authentication (Doc 9303-11, 6.1) over
// the challenge that the reader drew for this very chip: dg15 holds the key,
// dg14, which may be nil, names the hash of a key on an elliptic curve. Both are
// whole files. It says nothing about whose key it is: ActiveAuthentication does.
func Active(dg15, dg14, challenge, signature []byte) (Verdict, []Note) {
	key, err := lds.ParseDG15(dg15)
	switch {
	case err != nil:
		return Verdict{Inconclusive, ActiveAuthKeyMalformed, groupName(15)}, nil
	case len(challenge) != challengeLen:
		return Verdict{Status: Inconclusive, Code: ActiveAuthChallengeMalformed}, nil
	case key.Curve != nil:
		return activeECDSA(key, statedHash(dg14), challenge, signature)
	case key.Modulus != nil && key.Modulus.BitLen()%8 == 0:
		hash, ok := verify9796(key, challenge, signature)
		if !ok {
			return Verdict{Status: Failed, Code: ActiveAuthenticationFailed}, nil
		}
		return Verdict{Status: Passed}, weakHash(hash)
	}
	return Verdict{Inconclusive, AlgorithmUnknown, groupName(15)}, nil
}

// activeECDSA takes the signature as r || s or SEQUENCE { r, s }, and with any
// hash: DG14 should name it, and where it does not, or names another, what
// verifies is as good a proof. Whoever has not the key can make no signature
// over this challenge for any of them.
func activeECDSA(key *trust.PublicKey, stated crypto.Hash, challenge, signature []byte) (Verdict, []Note) {
	hashes := []crypto.Hash{usualHash(key.Curve), crypto.SHA256, crypto.SHA1, crypto.SHA224, crypto.SHA384, crypto.SHA512}
	if stated != 0 {
		hashes = slices.Insert(hashes, 0, stated)
	}
	for i, hash := range hashes {
		if slices.Contains(hashes[:i], hash) {
			continue
		}
		if trust.Verify(key, trust.Algorithm{Scheme: trust.ECDSA, Hash: hash}, 0, challenge, signature) != nil {
			continue
		}
		notes := weakHash(hash)
		if hash != stated {
			notes = append(notes, Note{ActiveAuthHashUnstated, hash.String()})
		}
		return Verdict{Status: Passed}, notes
	}
	return Verdict{Status: Failed, Code: ActiveAuthenticationFailed}, nil
}

// statedHash is that of DG14's ActiveAuthenticationInfo, zero where none is known.
func statedHash(dg14 []byte) crypto.Hash {
	infos, err := lds.ParseDG14(dg14)
	if err != nil {
		return 0
	}
	for _, info := range infos.ActiveAuth {
		if hash := trust.HashByOID(info.Algorithm); hash != 0 {
			return hash
		}
	}
	return 0
}

// usualHash has the length of the curve's order, as issuers choose it.
func usualHash(c *ec.Curve) crypto.Hash {
	switch bits := c.N.BitLen(); {
	case bits <= 224:
		return crypto.SHA224
	case bits <= 320:
		return crypto.SHA256
	case bits <= 384:
		return crypto.SHA384
	}
	return crypto.SHA512
}

func weakHash(hash crypto.Hash) []Note {
	if hash != crypto.SHA1 {
		return nil
	}
	return []Note{{HashAlgorithmWeak, "active_authentication"}}
}
