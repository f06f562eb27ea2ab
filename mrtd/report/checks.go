package report

import (
	"slices"
	"strings"

	"limen/mrtd/authn"
)

// Check names one check. The names are stable; those of the guideline's
// elements are in the table below.
type Check string

// The checks a caller names. The others are found in Report.Checks by the
// names of the table.
const (
	PassiveAuthentication  Check = "passive_authentication" // the sum: see Of
	ActiveAuthentication   Check = "active_authentication"
	ChipAuthentication     Check = "chip_authentication"
	ChipAuthMapping        Check = "pace_chip_authentication_mapping"
	TerminalAuthentication Check = "terminal_authentication"
	Revocation             Check = "revocation"
	DefectList             Check = "defect_list"
	MRZAndDG1              Check = "mrz_dg1"
	CardAccess             Check = "card_access" // EF.CardAccess announces what DG14 does
	DateOfExpiry           Check = "date_of_expiry"

	Application         Check = "application"
	BAC                 Check = "bac"
	PACE                Check = "pace"
	PlainAccess         Check = "plain_access"
	FileAvailability    Check = "file_availability" // one part a file
	SODHashList         Check = "sod_hash_list"
	SODSignatureSection Check = "sod_signature_section"
	SODSigner           Check = "sod_signer_certificate"
	SODDigest           Check = "sod_digest"
	SODSignature        Check = "sod_signature"
	SignerSignature     Check = "signer_signature"
	SignerValidity      Check = "signer_validity"
	CountryValidity     Check = "csca_validity"
	SignerTrusted       Check = "signer_trusted"
	CountryInSigner     Check = "signer_subject_issuer" // both names of the signer's certificate are of one state
	CountryInDG1        Check = "signer_subject_dg1"    // and of the state in DG1
	COMAndSOD           Check = "com_sod"
	GroupIntegrity      Check = "data_group_integrity" // one part a group

	// Whether a file parses, for all that the guideline looks at in it. They are
	// taken in Input.Verdicts and never stand in a report themselves.
	EFCOM Check = "ef_com"
	DG2   Check = "dg2"
)

// Outcome is a result in the guideline's words (TR-03135-1, 3.6.2).
type Outcome string

// The outcomes. An empty Outcome means that the check was not made, and that
// its element is not written.
const (
	Successful   Outcome = "successful"
	NotSuccess   Outcome = "failed"
	Undecided    Outcome = "undetermined"
	NotSupported Outcome = "not supported" // the document does not have the feature
	Aborted      Outcome = "aborted"       // an error ended the check: says nothing of the document
)

// severity is the order in which one outcome outweighs others (TR-03135-1, 3.8).
var severity = []Outcome{NotSuccess, Aborted, Undecided, Successful, NotSupported}

// aggregate joins the outcomes of partial checks: element is that of the
// check they are parts of. It is empty where there are none.
func aggregate(element string, parts []Outcome) Outcome {
	order := severity
	switch element {
	case "AccessProtocolsCheck": // table 5.83: one way in is enough, and none is a failure
		order = []Outcome{Successful, Aborted, NotSuccess, NotSupported, Undecided}
	case "AuthenticityCheck": // table 5.102: one proof is enough
		order = []Outcome{Successful, NotSuccess, Aborted, Undecided, NotSupported}
	}
	for _, o := range order {
		if slices.Contains(parts, o) {
			if element == "AccessProtocolsCheck" && o == NotSupported {
				return NotSuccess
			}
			return o
		}
	}
	return ""
}

// row is a check, where its element lies below Checks, behind the prefix of
// its namespace, and the clause of TR-03135-1, version 5.0.1.
type row struct {
	check  Check
	path   string // empty where the guideline publishes no element
	clause string
}

const (
	syntax  = "dce/MandatoryFilesCheck/SyntaxCheck/"
	signer  = "dce/IssuerCertificatesCheck/SecurityFileCheck:EF.SOD/"
	country = "dce/IssuingCountryCheck/SignerCertificateCheck:EF.SOD/"
)

// checks are the guideline's, in the order of its tables 5.3, 5.4, 5.24, 5.29,
// 5.80 and 5.131, and last those that it describes without an element. Optical
// checks and those of seals are one row each: they are not of the chip.
var checks = []row{
	{Application, "dce/SelectableApplicationsCheck/SelectableApplicationCheck", "5.8.2.1"},
	{BAC, "dce/AccessProtocolsCheck/BacCheck", "5.8.3.1"},
	{PACE, "dce/AccessProtocolsCheck/PaceCheck", "5.8.3.2"},
	{PlainAccess, "dce/AccessProtocolsCheck/PlainCheck", "5.8.3.3"},
	{FileAvailability, "dce/MandatoryFilesCheck/AvailabilityCheck/FileAvailabilityCheck", "5.8.4.1.1"},
	{SODHashList, syntax + "EfSodCheck/DataGroupHashListCheck", "5.8.4.2.1"},
	{SODSignatureSection, syntax + "EfSodCheck/SignatureSectionCheck", "5.8.4.2.1"},
	{SODSigner, syntax + "EfSodCheck/DocumentSignerCertificateCheck", "5.8.4.2.1"},
	{"com_lds_version", syntax + "EfComCheck/LdsVersionCheck", "5.8.4.2.2"},
	{"com_unicode_version", syntax + "EfComCheck/UnicodeVersionCheck", "5.8.4.2.2"},
	{"com_group_list", syntax + "EfComCheck/DataGroupListCheck", "5.8.4.2.2"},
	{"dg1_length", syntax + "Dg1Check/LengthCheck", "5.6.1.2.1"},
	{"dg1_composite_check_digit", syntax + "Dg1Check/CheckDigitCompositeCheck", "5.6.1.2.2"},
	{"dg1_document_number_check_digit", syntax + "Dg1Check/CheckDigitDocumentNumberCheck", "5.6.1.2.3"},
	{"dg1_date_of_expiry_check_digit", syntax + "Dg1Check/CheckDigitDateOfExpiryCheck", "5.6.1.2.4"},
	{"dg1_date_of_birth_check_digit", syntax + "Dg1Check/CheckDigitDateOfBirthCheck", "5.6.1.2.5"},
	{"dg1_optional_data_check_digit", syntax + "Dg1Check/CheckDigitOptionalDataCheck", "5.6.1.2.6"},
	{"dg1_issuer_nationality", syntax + "Dg1Check/IssuerVsNationalityCheck", "5.6.1.2.7"},
	{"dg1_document_type", syntax + "Dg1Check/DocumentTypeCheck", "5.6.1.2.8"},
	{"dg1_issuer", syntax + "Dg1Check/IssuerCheck", "5.6.1.2.9"},
	{"dg1_nationality", syntax + "Dg1Check/NationalityCheck", "5.6.1.2.10"},
	{"dg1_date_of_birth", syntax + "Dg1Check/DateOfBirthCheck", "5.6.1.2.11"},
	{"dg1_date_of_expiry", syntax + "Dg1Check/DateOfExpiryCheck", "5.6.1.2.12"},
	{"dg1_sex", syntax + "Dg1Check/SexCheck", "5.6.1.2.13"},
	{"dg1_document_number", syntax + "Dg1Check/DocumentNumberCheck", "5.6.1.2.14"},
	{"dg1_surname", syntax + "Dg1Check/SurnameCheck", "5.6.1.2.15"},
	{"dg1_given_name", syntax + "Dg1Check/GivenNameCheck", "5.6.1.2.16"},
	{"dg1_issuer_listed", syntax + "Dg1Check/IssuerIcaoIncludedCheck", "5.6.1.2.17"},
	{"dg1_nationality_listed", syntax + "Dg1Check/NationalityIcaoIncludedCheck", "5.6.1.2.18"},
	{"dg2_header", syntax + "Dg2Check/BiometricHeaderCheck", "5.8.4.2.4.1"},
	{"dg2_image", syntax + "Dg2Check/ImageCheck", "5.8.4.2.4.2"},
	{ActiveAuthentication, "dce/AuthenticityCheck/ActiveAuthCheck", "5.8.5.1"},
	{ChipAuthentication, "dce/AuthenticityCheck/ChipAuthCheck", "5.8.5.2"},
	{ChipAuthMapping, "dce/AuthenticityCheck/PaceChipAuthMappingCheck", "5.8.5.3"},
	{SODDigest, "dce/SignatureCheck/SecurityFileCheck:EF.SOD/DigestCheck", "5.8.6.1.1"},
	{SODSignature, "dce/SignatureCheck/SecurityFileCheck:EF.SOD/SignatureValueCheck", "5.8.6.1.2"},
	{SignerSignature, signer + "SignerSignatureCheck", "5.6.3.2.1"},
	{SignerValidity, signer + "SignerValidityPeriodCheck", "5.6.3.2.2"},
	{CountryValidity, signer + "CountrySignerValidityPeriodCheck", "5.6.3.2.3"},
	{SignerTrusted, signer + "SignerTrustedCheck", "5.6.3.2.4"},
	{"signer_not_self_signed", signer + "SignerNotSelfSignedCheck", "5.6.3.2.5"},
	{"signer_subject", signer + "SignerSubjectDnCheck", "5.6.3.2.6"},
	{"signer_issuer", signer + "SignerIssuerDnCheck", "5.6.3.2.7"},
	{COMAndSOD, "dce/IntegrityCheck/EfSodVsEfComCheck", "5.8.8.1"},
	{GroupIntegrity, "dce/IntegrityCheck/DataGroupsIntegrityCheck/DataGroupIntegrityCheck", "5.8.8.2.1"},
	{"signer_issuer_dg1", country + "SignerIssuerDnVsMrzDataCheck", "5.6.2.2.1"},
	{CountryInDG1, country + "SignerSubjectDnVsMrzDataCheck", "5.6.2.2.2"},
	{CountryInSigner, country + "SignerSubjectDnVsIssuerDnCheck", "5.6.2.2.3"},
	{DateOfExpiry, "dcc/DateOfExpiryCheck", "5.10.2"},
	{"mrz_signer_expiry", "dcc/MrzVsSignerExpiryCheck", "5.10.3"},
	{MRZAndDG1, "dcc/MrzVsDg1Check", "5.10.4"},
	{"mrz_seal", "dcc/MrzVsSealCheck", "5.10.5"},
	{"viz_seal", "dcc/VizVsSealCheck", "5.10.6"},
	{"dg2_viz_portrait", "dcc/Dg2VsVizFacialImageCheck", "5.10.7"},
	{"viz_seal_number", "dcc/VizVsSealPassportNumberCheck", "5.10.8"},
	{"chip_presence", "dcc/ChipPresenceCheck", "5.10.9"},
	{"optical", "dc/OpticalChecks", "5.7.1"},
	{"seal", "dc/SealChecks", "5.9.1"},
	{TerminalAuthentication, "", "5.8.11"},
	{Revocation, "", "5.12.2.1"},
	{DefectList, "", "5.12"},
	{CardAccess, "", "5.8.3.2"},
	{PassiveAuthentication, "", "5.8.10.2"},
}

// Order lists the checks as the guideline does.
func Order() []Check {
	out := make([]Check, len(checks))
	for i, row := range checks {
		out[i] = row.check
	}
	return out
}

// spread are the checks that a verdict on a whole file speaks for.
var spread = map[Check][]Check{
	EFCOM: {"com_lds_version", "com_unicode_version", "com_group_list"},
	DG2:   {"dg2_header", "dg2_image"},
}

// evaluatory are checks that are told and not counted (TR-03135-2, 4.4.15).
func evaluatory(c Check) bool { return c == CountryValidity }

// codes of this package, for checks nobody judged.
const (
	notMade    authn.Code = "not_made"    // no verdict was given
	fileUnread authn.Code = "file_unread" // neither read nor said to be absent
	fileAbsent authn.Code = "file_absent"
	noGroup    authn.Code = "no_group_read"
)

// statusOf tells an end in the words of the report and in the guideline's. A
// check that was not performed has an outcome only where an error ended it.
func statusOf(v authn.Verdict, broken authn.Code) (Status, Outcome) {
	aborted := v.Code != "" && (v.Code == broken || v.Code == fileUnread || strings.HasSuffix(string(v.Code), "_interrupted"))
	switch {
	case v.Status == authn.Passed:
		return Passed, Successful
	case v.Status == authn.Failed:
		return Failed, NotSuccess
	case v.Status == authn.NotPresent:
		return NotPerformed, NotSupported
	case v.Status == authn.Inconclusive && aborted:
		return Undetermined, Aborted
	case v.Status == authn.Inconclusive:
		return Undetermined, Undecided
	case aborted:
		return NotPerformed, Aborted
	}
	return NotPerformed, ""
}
