package pn532

import (
	"errors"
	"fmt"
	"time"
)

// Command codes, UM0701-02 chapter 7.
const (
	cmdDiagnose            = 0x00
	cmdGetFirmwareVersion  = 0x02
	cmdSetSerialBaudRate   = 0x10
	cmdSetParameters       = 0x12
	cmdSAMConfiguration    = 0x14
	cmdRFConfiguration     = 0x32
	cmdInDataExchange      = 0x40
	cmdInListPassiveTarget = 0x4A
	cmdInPSL               = 0x4E
	cmdInRelease           = 0x52
)

func commandName(code byte) string {
	switch code {
	case cmdDiagnose:
		return "Diagnose"
	case cmdGetFirmwareVersion:
		return "GetFirmwareVersion"
	case cmdSetSerialBaudRate:
		return "SetSerialBaudRate"
	case cmdSetParameters:
		return "SetParameters"
	case cmdSAMConfiguration:
		return "SAMConfiguration"
	case cmdRFConfiguration:
		return "RFConfiguration"
	case cmdInDataExchange:
		return "InDataExchange"
	case cmdInListPassiveTarget:
		return "InListPassiveTarget"
	case cmdInPSL:
		return "InPSL"
	case cmdInRelease:
		return "InRelease"
	}
	return fmt.Sprintf("command %02X", code)
}

// errSyntax is the chip's error frame (UM0701-02, 6.2.1.5).
var errSyntax = errors.New("the PN532 rejects the command as malformed: its firmware is not the 1.6 this driver is for")

// TimeoutError: the chip acknowledged a command and then gave no response. The
// command was aborted. It says nothing of the card: that one is asked for apart.
type TimeoutError struct {
	Command byte
	After   time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("the PN532 gave no response to %s within %v", commandName(e.Command), e.After)
}

// Timeout is true, as with the errors of package net.
func (e *TimeoutError) Timeout() bool { return true }

// StatusError is a response whose status byte is not zero (UM0701-02, 7.1).
type StatusError struct {
	Command byte
	Status  byte // bits 0 to 5
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: %s (status %02X)", commandName(e.Command), statusText(e.Status), e.Status)
}

// Timeout tells whether the card, not the chip, was too slow or silent.
func (e *StatusError) Timeout() bool { return e.Status == statusTimeout }

// CardGone tells whether the status alone says that the card is no longer the
// one that was selected. A card that left in silence shows as a timeout:
// Transmit then looks whether it is there, and returns a GoneError if not.
func (e *StatusError) CardGone() bool {
	switch e.Status {
	case 0x29, 0x2A, 0x2B:
		return true
	}
	return false
}

// radio tells whether the status is a fault in the air, as a card makes that is being taken away.
func (e *StatusError) radio() bool {
	switch e.Status {
	case statusTimeout, 0x02, 0x03, 0x04, 0x05, 0x06, 0x08, 0x0B, 0x13:
		return true
	}
	return false
}

const statusTimeout = 0x01

func statusText(s byte) string {
	switch s {
	case statusTimeout:
		return "the card has not answered"
	case 0x02:
		return "CRC error in the air"
	case 0x03:
		return "parity error in the air"
	case 0x04:
		return "wrong bit count during anticollision"
	case 0x05:
		return "framing error in the air"
	case 0x06:
		return "bit collision: more than one card in the field"
	case 0x07:
		return "communication buffer too small"
	case 0x08:
		return "radio buffer overflow"
	case 0x0A:
		return "the field was not switched on in time"
	case 0x0B:
		return "radio protocol error"
	case 0x0D:
		return "the chip is too hot and switched its antenna off"
	case 0x0E:
		return "internal buffer overflow"
	case 0x10:
		return "invalid parameter"
	case 0x13:
		return "the card's data do not follow ISO 14443-4"
	case 0x27:
		return "not acceptable now: no such card is selected"
	case 0x29:
		return "the card was released"
	case 0x2A:
		return "another card is in the field"
	case 0x2B:
		return "the card has disappeared"
	case 0x2D:
		return "overcurrent"
	}
	return "the chip reports an error"
}

// GoneError: the card is no longer in the field, or is no longer the one selected.
type GoneError struct{ Cause error }

func (e *GoneError) Error() string { return "the card has left the field: " + e.Cause.Error() }

// Unwrap is what showed it.
func (e *GoneError) Unwrap() error { return e.Cause }

// CardGone is true.
func (e *GoneError) CardGone() bool { return true }

// isSilence tells an absent chip, at this rate, from a broken line.
func isSilence(err error) bool {
	var t *TimeoutError
	return errors.Is(err, errSilence) || errors.As(err, &t) || errors.Is(err, errSyntax)
}
