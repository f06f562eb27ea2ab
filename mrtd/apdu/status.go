package apdu

import "fmt"

// StatusWord is SW1 SW2 (ISO/IEC 7816-4, 5.6).
type StatusWord uint16

// Status words that travel documents answer.
const (
	Success              StatusWord = 0x9000
	EndOfFile            StatusWord = 0x6282
	AuthenticationFailed StatusWord = 0x6300
	MemoryFailure        StatusWord = 0x6581
	WrongLength          StatusWord = 0x6700
	ChannelUnsupported   StatusWord = 0x6881
	SMUnsupported        StatusWord = 0x6882
	LastCommandExpected  StatusWord = 0x6883
	ChainingUnsupported  StatusWord = 0x6884
	SecurityStatus       StatusWord = 0x6982
	MethodBlocked        StatusWord = 0x6983
	ConditionsOfUse      StatusWord = 0x6985
	CommandNotAllowed    StatusWord = 0x6986
	SMObjectsMissing     StatusWord = 0x6987
	SMObjectsIncorrect   StatusWord = 0x6988
	WrongData            StatusWord = 0x6A80
	FunctionUnsupported  StatusWord = 0x6A81
	FileNotFound         StatusWord = 0x6A82
	WrongP1P2            StatusWord = 0x6A86
	ReferenceNotFound    StatusWord = 0x6A88
	WrongOffset          StatusWord = 0x6B00
	WrongINS             StatusWord = 0x6D00
	WrongCLA             StatusWord = 0x6E00
	NoDiagnosis          StatusWord = 0x6F00
)

func meanings() map[StatusWord]string {
	return map[StatusWord]string{
		Success:              "success",
		EndOfFile:            "end of file before all bytes were read",
		AuthenticationFailed: "authentication failed",
		MemoryFailure:        "memory failure",
		WrongLength:          "wrong length",
		ChannelUnsupported:   "logical channel not supported",
		SMUnsupported:        "secure messaging not supported",
		LastCommandExpected:  "last command of the chain expected",
		ChainingUnsupported:  "command chaining not supported",
		SecurityStatus:       "security status not satisfied",
		MethodBlocked:        "authentication method blocked",
		ConditionsOfUse:      "conditions of use not satisfied",
		CommandNotAllowed:    "command not allowed, no current file",
		SMObjectsMissing:     "secure messaging objects missing",
		SMObjectsIncorrect:   "secure messaging objects incorrect",
		WrongData:            "incorrect parameters in the command data",
		FunctionUnsupported:  "function not supported",
		FileNotFound:         "file or application not found",
		WrongP1P2:            "incorrect parameters P1 P2",
		ReferenceNotFound:    "referenced data not found",
		WrongOffset:          "offset outside the file",
		WrongINS:             "instruction not supported",
		WrongCLA:             "class not supported",
		NoDiagnosis:          "no precise diagnosis",
	}
}

// Remaining returns how many further bytes a 61xx offers, 256 for 6100.
func (s StatusWord) Remaining() (int, bool) {
	return orMax(int(s&0xFF), 256), s>>8 == 0x61
}

// CorrectLe returns the Le that a 6Cxx asks for, 256 for 6C00.
func (s StatusWord) CorrectLe() (int, bool) {
	return orMax(int(s&0xFF), 256), s>>8 == 0x6C
}

// Refused tells whether the chip says that what it was shown was wrong: 6300
// and its kin 63Cx, which count the tries left.
func (s StatusWord) Refused() bool { return s == AuthenticationFailed || s&0xFFF0 == 0x63C0 }

// String returns the word in hexadecimal with its meaning.
func (s StatusWord) String() string {
	meaning, known := meanings()[s]
	switch {
	case known:
	case s>>8 == 0x61:
		meaning = "more bytes available"
	case s>>8 == 0x6C:
		meaning = "wrong Le"
	case s&0xFFF0 == 0x63C0:
		meaning = fmt.Sprintf("authentication failed, %d tries left", s&0xF)
	default:
		meaning = "status not assigned"
	}
	return fmt.Sprintf("%04X %s", uint16(s), meaning)
}

// StatusError is a command the chip declined.
type StatusError struct {
	Command string // "READ BINARY"
	SW      StatusWord
}

// Error names the command and what the chip said.
func (e *StatusError) Error() string {
	return fmt.Sprintf("chip answered %s to %s", e.SW, e.Command)
}
