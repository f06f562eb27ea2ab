//go:build !cgo

package pcsc

import "context"

// Reader is never had in a build without cgo.
type Reader struct{}

// Card is never had in a build without cgo.
type Card struct{}

func notBuilt(doing string) error { return &Error{Reason: NotBuilt, Doing: doing} }

// List always fails in a build without cgo.
func List(context.Context) ([]string, error) { return nil, notBuilt("list the readers") }

// Open always fails in a build without cgo.
func Open(context.Context, string) (*Reader, error) { return nil, notBuilt("open the PC/SC reader") }

// Name is empty.
func (*Reader) Name() string { return "" }

// Close does nothing.
func (*Reader) Close() error { return nil }

// WaitCard always fails.
func (*Reader) WaitCard(context.Context) (*Card, error) { return nil, notBuilt("wait for a card") }

// ATR is empty.
func (*Card) ATR() []byte { return nil }

// Limits are nothing.
func (*Card) Limits() (command, response int) { return 0, 0 }

// Transmit always fails.
func (*Card) Transmit(context.Context, []byte) ([]byte, error) {
	return nil, notBuilt("exchange an APDU with the card")
}

// Present is always false.
func (*Card) Present(context.Context) (bool, error) { return false, notBuilt("look for the card") }

// Close does nothing.
func (*Card) Close(context.Context) error { return nil }
