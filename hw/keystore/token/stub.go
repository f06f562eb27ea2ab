//go:build !cgo

package token

import (
	"context"
	"crypto"
	"errors"

	"limen/hw/keystore"
)

// Token is never had in a build without cgo.
type Token struct{}

// Signer is never had in a build without cgo.
type Signer struct{}

var errNotBuilt = errors.New("tokens cannot be used: limen was built without cgo")

// Open always fails in a build without cgo.
func Open(Config, keystore.Passphrase) (*Token, error) { return nil, errNotBuilt }

// Close does nothing.
func (*Token) Close() error { return nil }

// Signer always fails.
func (*Token) Signer(context.Context, string) (*Signer, error) { return nil, errNotBuilt }

// Sign always fails.
func (*Signer) Sign(context.Context, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errNotBuilt
}

// Public always fails.
func (*Signer) Public(context.Context) (Public, error) { return Public{}, errNotBuilt }
