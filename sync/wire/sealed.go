package wire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// MaxSealed bounds a sealed statement, so that several fit one reply.
const MaxSealed = 2 << 10

// Seal signs a statement as a C2SP signed note of two lines: head, which
// separates it from whatever else the key signs, and base64 of v's
// deterministic CBOR.
func Seal(head string, v any, key note.Signer) ([]byte, error) {
	b, err := encoding.Marshal(v)
	if err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: head + "\n" + base64.StdEncoding.EncodeToString(b) + "\n"}, key)
	if err == nil && len(signed) > MaxSealed {
		return nil, fmt.Errorf("a statement of %d bytes is over the limit of %d: name less in it", len(signed), MaxSealed)
	}
	return signed, err
}

// ErrSignature means that a statement is not signed by a key that counts.
var ErrSignature = errors.New("not signed by a key that counts here")

// Unseal reads a statement after its signature by one of keys; ErrSignature
// when there is none.
func Unseal(head string, signed []byte, keys note.Verifiers, into any) error {
	if len(signed) > MaxSealed {
		return fmt.Errorf("a statement of %d bytes is over the limit of %d", len(signed), MaxSealed)
	}
	n, err := note.Open(signed, keys)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrSignature, err)
	}
	return readSealed(head, n.Text, into)
}

// Unsealed reads a statement whose signature is for others to check.
func Unsealed(head string, signed []byte, into any) error {
	text, _, ok := strings.Cut(string(signed), "\n\n")
	if !ok || len(signed) > MaxSealed {
		return errors.New("the statement is no signed note within the limits")
	}
	return readSealed(head, text+"\n", into)
}

func readSealed(head, text string, into any) error {
	lines := strings.Split(text, "\n")
	if len(lines) != 3 || lines[0] != head || lines[2] != "" {
		return fmt.Errorf("the statement is not %q and one line of base64", head)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(lines[1])
	if err != nil {
		return fmt.Errorf("the statement's second line is no base64: %w", err)
	}
	if err := decoding.Unmarshal(b, into); err != nil {
		return fmt.Errorf("cannot read the statement: %w", err)
	}
	return nil
}
