package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// receiptHead is the first line of every receipt: the centre's key signs
// nothing else that begins so.
const receiptHead = "limen receipt v1"

// Receipt says that the centre's database holds the first Size entries of a
// device's journal, whose root is Root. The centre signs it, as a C2SP
// signed note, after the database committed and never before.
type Receipt struct {
	Device string
	Size   uint64
	Root   [hashSize]byte
}

// Text is the note text: head, device, size, base64 root, a line each.
func (r Receipt) Text() string {
	return fmt.Sprintf("%s\n%s\n%d\n%s\n", receiptHead, r.Device, r.Size, base64.StdEncoding.EncodeToString(r.Root[:]))
}

// Sign signs the receipt as the centre.
func (r Receipt) Sign(centre note.Signer) ([]byte, error) {
	return note.Sign(&note.Note{Text: r.Text()}, centre)
}

// ParseReceipt reads a note text.
func ParseReceipt(text string) (Receipt, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 5 || lines[0] != receiptHead || lines[4] != "" {
		return Receipt{}, errors.New("not a receipt: it has four lines, head, device, size and root")
	}
	if err := CheckIdentifier(lines[1]); err != nil {
		return Receipt{}, fmt.Errorf("receipt: %w", err)
	}
	size, err := strconv.ParseUint(lines[2], 10, 63)
	if err != nil || strconv.FormatUint(size, 10) != lines[2] {
		return Receipt{}, errors.New("receipt: its third line is no tree size")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[3])
	if err != nil || len(root) != hashSize {
		return Receipt{}, fmt.Errorf("receipt: its fourth line is no base64 hash of %d bytes", hashSize)
	}
	return Receipt{Device: lines[1], Size: size, Root: [hashSize]byte(root)}, nil
}

// OpenReceipt checks a signed receipt against the centre's receipt key.
func OpenReceipt(signed []byte, centre note.Verifier) (Receipt, error) {
	if len(signed) > maxNote {
		return Receipt{}, fmt.Errorf("receipt of %d bytes is over the limit of %d", len(signed), maxNote)
	}
	n, err := note.Open(signed, note.VerifierList(centre))
	if err != nil {
		return Receipt{}, fmt.Errorf("the receipt is not signed by %s: %w", centre.Name(), err)
	}
	return ParseReceipt(n.Text)
}

// forgottenHead begins the centre's word that it has erased.
const forgottenHead = "limen forgotten v1"

func forgottenText(device string, tombstones [][]byte) string {
	h := sha256.New()
	for _, t := range tombstones {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(t))))
		h.Write(t)
	}
	return fmt.Sprintf("%s\n%s\n%s\n", forgottenHead, device, base64.StdEncoding.EncodeToString(h.Sum(nil)))
}

// SignForgotten is the centre's word that what a device's tombstones name, in
// this order, is erased at the centre. It is signed after the database committed.
func SignForgotten(device string, tombstones [][]byte, centre note.Signer) ([]byte, error) {
	return note.Sign(&note.Note{Text: forgottenText(device, tombstones)}, centre)
}

// CheckForgotten checks that signed is the centre's word about just these tombstones.
func CheckForgotten(signed []byte, device string, tombstones [][]byte, centre note.Verifier) error {
	n, err := note.Open(signed, note.VerifierList(centre))
	if err != nil {
		return fmt.Errorf("the word about tombstones is not signed by %s: %w", centre.Name(), err)
	}
	if n.Text != forgottenText(device, tombstones) {
		return errors.New("the centre's word is about other tombstones")
	}
	return nil
}
