// Package authn judges whether a chip's data is what its issuer signed:
// passive authentication (Doc 9303-11, 5.1), and the comparisons that belong
// to it, EF.COM with EF.SOD and DG1 with the printed MRZ. Of what a chip did
// with its keys it judges whether that makes it the issuer's chip and no copy
// (Doc 9303-11, 6).
//
// Everything here is a pure function of bytes, a trust store and a time. A
// check that fails is a verdict, not an error.
package authn

// Status is how a check ended. The zero value means not performed; it is
// never "passed".
type Status string

// The statuses.
const (
	NotPresent   Status = "not_present"
	NotPerformed Status = "not_performed"
	Inconclusive Status = "inconclusive"
	Failed       Status = "failed"
	Passed       Status = "passed"
)

// Code is a stable word for why a check ended as it did.
type Code string

// The codes of verdicts.
const (
	SODMalformed          Code = "sod_malformed"           // EF.SOD does not parse
	SODSignatureInvalid   Code = "sod_signature_invalid"   // EF.SOD was changed, or its signer did not sign it
	SignerMissing         Code = "signer_missing"          // neither EF.SOD nor the store has its signer's certificate
	SignerMalformed       Code = "signer_malformed"        // … or one that does not parse
	AlgorithmUnknown      Code = "algorithm_unknown"       // this version cannot judge the signature or hash
	CSCAUnknown           Code = "csca_unknown"            // no CSCA certificate in the store could have issued the signer's
	CSCASignatureInvalid  Code = "csca_signature_invalid"  // the CSCA the signer names did not sign its certificate
	CSCANotValid          Code = "csca_not_valid"          // the CSCA was not valid when the signer's certificate began
	SignerExpired         Code = "signer_expired"          // the signer's certificate had expired
	SignerNotYetValid     Code = "signer_not_yet_valid"    // … or not begun
	SignerKeyUsage        Code = "signer_key_usage"        // the certificate is not one for signing documents
	SignerRevoked         Code = "signer_revoked"          // the CSCA's list has the signer's certificate; the subject says why
	SignerDocumentType    Code = "signer_document_type"    // the signer signs other documents than this one; as a note: of its kind, but not this very code
	SigningTimeUnproven   Code = "signing_time_unproven"   // the signer expired before the document: it may have signed since
	CSCARevoked           Code = "csca_revoked"            // the CSCA's key is revoked
	TrustStale            Code = "trust_stale"             // the list that vouches for the CSCA, or its revocation list, is older than the policy allows
	IssuerCountryMismatch Code = "issuer_country_mismatch" // signer, CSCA and document are not of one state
	IssuerCountryUnknown  Code = "issuer_country_unknown"  // a state code that is not in the tables of Doc 9303-3
	DGHashMismatch        Code = "dg_hash_mismatch"        // the group is not the one that was signed
	DGHashMissing         Code = "dg_hash_missing"         // EF.SOD has no hash of the group
	DGNotRead             Code = "dg_not_read"             // EF.SOD has a hash of a group that was not read
	SODAbsent             Code = "sod_absent"              // there is no EF.SOD
	COMSODMismatch        Code = "com_sod_mismatch"        // EF.COM and EF.SOD list different groups
	COMAbsent             Code = "com_absent"              // there is no EF.COM
	COMMalformed          Code = "com_malformed"           // EF.COM does not parse
	MRZChipMismatch       Code = "mrz_chip_mismatch"       // DG1 does not say what is printed
	MRZUnreadable         Code = "mrz_unreadable"          // one of the two MRZs is none
)

// The codes of verdicts on whether the chip is the issuer's (Doc 9303-11, 6).
const (
	ActiveAuthenticationFailed      Code = "active_authentication_failed"      // what the chip signed does not verify: it has not the key of DG15
	ActiveAuthenticationDeclined    Code = "active_authentication_declined"    // the chip has a DG15 and does not sign
	ActiveAuthenticationHidden      Code = "active_authentication_hidden"      // EF.SOD lists DG15, the chip withholds it
	ActiveAuthenticationInterrupted Code = "active_authentication_interrupted" // the chip was lost before it signed
	ActiveAuthKeyMalformed          Code = "aa_key_malformed"                  // DG15 does not parse
	ActiveAuthChallengeMalformed    Code = "aa_challenge_malformed"            // the reader's own challenge was not of 8 bytes
	ChipAuthenticationFailed        Code = "chip_authentication_failed"        // the chip has not the keys that DG14's key would have given it
	ChipAuthenticationDeclined      Code = "chip_authentication_declined"      // the chip has a key in DG14 and does not use it
	ChipAuthenticationHidden        Code = "chip_authentication_hidden"        // EF.SOD lists DG14, the chip withholds it
	ChipAuthenticationInterrupted   Code = "chip_authentication_interrupted"   // the chip was lost before it answered under the new keys
	ChipAuthKeyMalformed            Code = "ca_key_malformed"                  // DG14 does not parse
	PACEHidden                      Code = "pace_hidden"                       // EF.CardAccess announces less of PACE than the signed DG14
	CardAccessUnconfirmed           Code = "card_access_unconfirmed"           // nobody signed what EF.CardAccess announces
	TerminalRefused                 Code = "terminal_refused"                  // the chip did not accept the inspection system
	ChipMappingFailed               Code = "chip_mapping_failed"               // PACE's chip authentication data does not fit the key of EF.CardSecurity
	ChipMappingDeclined             Code = "chip_mapping_declined"             // the chip announces PACE with chip authentication mapping and does not run it
	ChipMappingHidden               Code = "chip_mapping_hidden"               // DG14 lists PACE with chip authentication mapping, EF.CardAccess does not
	ChipMappingInterrupted          Code = "chip_mapping_interrupted"          // the chip was lost before its data could be judged
	ChipKeyNotAuthentic             Code = "chip_key_not_authentic"            // the chip's key, or that it has none, is nobody's word: its file or EF.SOD did not pass passive authentication
)

// The codes of notes: seen, without weight of their own.
const (
	HashAlgorithmWeak        Code = "hash_algorithm_weak"        // SHA-1 made a hash or signature
	SigningTimeAbsent        Code = "signing_time_absent"        // validity was judged at the time of the check
	SignerExpiredSince       Code = "signer_expired_since"       // valid when it signed, expired at the time of the check
	CSCAExpiredSince         Code = "csca_expired_since"         // the CSCA has expired and the signer has not: when it was certified cannot be proven
	SignerKeyPeriodExceeded  Code = "signer_key_period_exceeded" // signed outside its private key usage period
	SignerIdentifierMismatch Code = "signer_identifier_mismatch" // EF.SOD names a signer other than the one whose key verifies
	SignerKeyUsageAbsent     Code = "signer_key_usage_absent"    // the certificate does not say what it is for
	ActiveAuthHashUnstated   Code = "aa_hash_unstated"           // DG14 does not name the hash active authentication was signed with
	SignerFromStore          Code = "signer_from_store"          // EF.SOD does not carry its signer's certificate; the store has it
	CRLUnknown               Code = "crl_unknown"                // no revocation list of the CSCA is in the store
	CRLOverdue               Code = "crl_overdue"                // a newer revocation list must exist
	CRLSignatureInvalid      Code = "crl_signature_invalid"      // the CSCA's revocation list does not bear its signature
	CRLOfCountry             Code = "crl_of_country"             // revocation was looked up in a list of another name of the same country
	KnownDeviation           Code = "known_deviation"            // the state published this fault of such documents; the subject names it
)

// Verdict is how one check ended and why. Subject names what it speaks of
// ("DG2", "document_number") and never holds what a document said.
type Verdict struct {
	Status  Status
	Code    Code // "" on a check that passed
	Subject string
}

// String is "failed dg_hash_mismatch:DG2".
func (v Verdict) String() string {
	s := string(v.Status)
	if s == "" {
		s = string(NotPerformed)
	}
	if v.Code != "" {
		s += " " + string(v.Code)
	}
	if v.Subject != "" {
		s += ":" + v.Subject
	}
	return s
}

// Note is something seen that decides nothing by itself.
type Note struct {
	Code    Code
	Subject string
}
