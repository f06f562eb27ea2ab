package lds

import (
	"fmt"

	"limen/mrtd/ber"
	"limen/mrtd/trust"
)

// oidActiveAuth is id-icao-mrtd-security-aaProtocolObject (Doc 9303-11, 9.2.4).
const oidActiveAuth = "2.23.136.1.1.5"

// ActiveAuthenticationInfo names the signature algorithm of an active
// authentication key on an elliptic curve (9.2.4).
type ActiveAuthenticationInfo struct {
	Version   int
	Algorithm string // "0.4.0.127.0.7.1.1.4.1.3" is ecdsa-plain-SHA256 (BSI TR-03111, 5.2.1)
}

// ParseDG14 reads the whole file, tag 6E: the security infos of EF.CardAccess
// again, and those of the protocols that prove the chip genuine (Doc 9303-10,
// 4.7.14; Doc 9303-11, 9.2.11). What follows the set is ignored.
func ParseDG14(b []byte) (SecurityInfos, error) {
	file, err := ber.Parse(b, groupTags[14])
	if err != nil {
		return SecurityInfos{}, fmt.Errorf("DG14: %w", err)
	}
	set, _, err := ber.Next(file.Value)
	if err != nil {
		return SecurityInfos{}, fmt.Errorf("DG14: %w", err)
	}
	infos, err := ParseSecurityInfos(set.Raw)
	if err != nil {
		return SecurityInfos{}, fmt.Errorf("DG14: %w", err)
	}
	return infos, nil
}

// ParseDG15 reads the whole file, tag 6F: the public key of active
// authentication (Doc 9303-11, 6.1.5). A kind of key that is not known is no error.
func ParseDG15(b []byte) (*trust.PublicKey, error) {
	file, err := ber.Parse(b, groupTags[15])
	if err != nil {
		return nil, fmt.Errorf("DG15: %w", err)
	}
	key, err := trust.ParsePublicKey(file.Value)
	if err != nil {
		return nil, fmt.Errorf("DG15: %w", err)
	}
	return key, nil
}

// addActiveAuth files an ActiveAuthenticationInfo.
func (s *SecurityInfos) addActiveAuth(rest []ber.TLV) error {
	if len(rest) < 2 {
		return errUnknownInfo
	}
	version, err := smallInt(rest[0])
	if err != nil {
		return err
	}
	algorithm, err := rest[1].OID()
	if err != nil {
		return err
	}
	s.ActiveAuth = append(s.ActiveAuth, ActiveAuthenticationInfo{version, algorithm})
	return nil
}
