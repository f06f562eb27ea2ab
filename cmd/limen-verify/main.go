// Command limen-verify checks exported history entries. It is one file, uses
// nothing of limen and nothing but the standard library and
// golang.org/x/mod/sumdb, so that it can be read in one sitting by those who
// trust neither the device nor the centre.
//
//	limen-verify -device KEY [-witness KEY]... [-quorum N] FILE...
//
// A file is a C2SP tlog-proof (docs/design/bundle.md). It holds where
//
//	leaf = SHA-256("limen journal leaf v1\n" ‖ salt ‖ body)   is what the proof starts from,
//	the proof leads from there to the checkpoint's root       (RFC 6962, 2.1.1),
//	the device's key signed the checkpoint                    (C2SP signed-note, tlog-checkpoint),
//	and as many of the witnesses as asked for cosigned it     (C2SP tlog-cosignature).
//
// Exit codes: 0 every file holds; 1 one does not; 2 usage; 3 a file could not
// be read.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	maxBundle = 512 << 10 // bytes of a file
	maxProof  = 63        // hashes of a proof
	saltSize  = 32        // bytes
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// finding is what is printed of one file.
type finding struct {
	File  string `json:"file"`
	Holds bool   `json:"holds"`
	Why   string `json:"why,omitempty"`
	*Entry
}

func run(args []string, out, errOut io.Writer) int {
	var keys Keys
	flags := flag.NewFlagSet("limen-verify", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.Usage = func() {
		fmt.Fprintln(errOut, "usage: limen-verify -device KEY [-witness KEY]... [-quorum N] [-body] [-json] FILE...")
		flags.PrintDefaults()
	}
	flags.Func("device", "the device's `KEY` (name+hash+base64), or @FILE that holds it", func(s string) (err error) {
		if s, err = text(s); err == nil {
			keys.Device, err = note.NewVerifier(s)
		}
		return err
	})
	flags.Func("witness", "a witness's `KEY`, or @FILE; may be given again", func(s string) (err error) {
		var w *cosigner
		if s, err = text(s); err == nil {
			if w, err = parseWitness(s); err == nil {
				keys.Witnesses = append(keys.Witnesses, w)
			}
		}
		return err
	})
	quorum := flags.Int("quorum", -1, "how many of the witnesses must have cosigned (default all)")
	body := flags.Bool("body", false, "write the record (CBOR) of the one file that is given to standard output, and findings to standard error")
	asJSON := flags.Bool("json", false, "print findings as JSON lines")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	keys.Quorum = *quorum
	if *quorum < 0 {
		keys.Quorum = len(keys.Witnesses)
	}
	if keys.Device == nil || flags.NArg() == 0 || keys.Quorum > len(keys.Witnesses) || *body && flags.NArg() != 1 {
		flags.Usage()
		return 2
	}
	code := 0
	findings := out
	if *body {
		findings = errOut
	}
	for _, name := range flags.Args() {
		b, err := read(name)
		if err != nil {
			fmt.Fprintln(errOut, err)
			code = 3
			continue
		}
		e, err := Check(b, keys)
		f := finding{File: name, Holds: err == nil, Entry: e}
		if err != nil {
			f.Why, f.Entry, code = err.Error(), nil, max(code, 1)
		}
		f.print(findings, *asJSON)
		if *body && err == nil {
			out.Write(e.Body)
		}
	}
	return code
}

func (f finding) print(out io.Writer, asJSON bool) {
	switch {
	case asJSON:
		json.NewEncoder(out).Encode(f)
	case !f.Holds:
		fmt.Fprintf(out, "DOES NOT HOLD  %s: %s\n", f.File, f.Why)
	default:
		fmt.Fprintf(out, "holds  %s: entry %d of %s, among the first %d", f.File, f.Index, f.Origin, f.Size)
		for _, c := range f.Cosigned {
			fmt.Fprintf(out, "; %s saw it by %s", c.Witness, c.At.Format(time.RFC3339))
		}
		fmt.Fprintln(out)
	}
}

// text is s, or what the file holds that s names after an @.
func text(s string) (string, error) {
	name, file := strings.CutPrefix(s, "@")
	if !file {
		return s, nil
	}
	b, err := read(name)
	return strings.TrimSpace(string(b)), err
}

func read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxBundle+1))
	if err == nil && len(b) > maxBundle {
		err = fmt.Errorf("%s is over %d bytes: no bundle is", name, maxBundle)
	}
	return b, err
}

// Keys are whom the reader trusts.
type Keys struct {
	Device    note.Verifier
	Witnesses []*cosigner
	Quorum    int // how many of Witnesses must have cosigned
}

// Entry is what a bundle that holds says.
type Entry struct {
	Origin   string        `json:"origin"` // whose journal
	Index    uint64        `json:"index"`  // which entry
	Size     uint64        `json:"size"`   // of the tree it was proven in
	Root     tlog.Hash     `json:"root"`
	Cosigned []cosignature `json:"cosigned,omitempty"`
	Body     []byte        `json:"body"` // the record, deterministic CBOR
}

type cosignature struct {
	Witness string    `json:"witness"`
	At      time.Time `json:"at"`
}

// Check checks a bundle. An error says what of it does not hold.
func Check(b []byte, keys Keys) (*Entry, error) {
	p, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("it is no bundle: %w", err)
	}
	verifiers := []note.Verifier{keys.Device}
	for _, w := range keys.Witnesses {
		verifiers = append(verifiers, w)
	}
	n, err := note.Open(p.checkpoint, note.VerifierList(verifiers...))
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &invalid):
		return nil, fmt.Errorf("the signature of %s on the checkpoint does not verify", invalid.Name)
	case err != nil:
		return nil, fmt.Errorf("the checkpoint: %w", err)
	}
	e := &Entry{Index: p.index, Body: p.body}
	if err := e.checkpoint(n.Text); err != nil {
		return nil, fmt.Errorf("the checkpoint: %w", err)
	}
	if err := e.signatures(n.Sigs, keys); err != nil {
		return nil, err
	}
	if e.Index >= e.Size {
		return nil, fmt.Errorf("the checkpoint covers %d entries and this is entry %d", e.Size, e.Index)
	}
	leaf := sha256.Sum256(append(append([]byte("limen journal leaf v1\n"), p.salt...), p.body...))
	if err := tlog.CheckRecord(p.proof, int64(e.Size), e.Root, int64(e.Index), tlog.RecordHash(leaf[:])); err != nil {
		return nil, errors.New("the proof does not lead from this record, as this entry, to the root that was signed: record, salt, index or proof was changed")
	}
	return e, nil
}

// proof is a bundle taken apart.
type proof struct {
	salt, body []byte
	index      uint64
	proof      tlog.RecordProof
	checkpoint []byte
}

// parse reads C2SP tlog-proof, and each number and hash in its one form only.
func parse(b []byte) (*proof, error) {
	if len(b) > maxBundle {
		return nil, fmt.Errorf("it has over %d bytes", maxBundle)
	}
	p := &proof{}
	next := func() (string, error) {
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		if !ok {
			return "", errors.New("it ends within a line")
		}
		b = rest
		return string(line), nil
	}
	line, err := next()
	if err != nil || line != "c2sp.org/tlog-proof@v1" {
		return nil, errors.New("its first line is not c2sp.org/tlog-proof@v1")
	}
	if line, err = next(); err != nil {
		return nil, err
	}
	encoded, ok := strings.CutPrefix(line, "extra ")
	extra, err := decode(encoded)
	content, mine := bytes.CutPrefix(extra, []byte("limen entry v1\n"))
	if !ok || err != nil || !mine || len(content) <= saltSize {
		return nil, errors.New("its second line does not hold salt and record")
	}
	p.salt, p.body = content[:saltSize], content[saltSize:]
	if line, err = next(); err != nil {
		return nil, err
	}
	digits, ok := strings.CutPrefix(line, "index ")
	if p.index, err = number(digits); !ok || err != nil {
		return nil, errors.New("its third line is no index")
	}
	for {
		if line, err = next(); err != nil {
			return nil, err
		}
		if line == "" {
			break
		}
		h, err := decode(line)
		if err != nil || len(h) != tlog.HashSize || len(p.proof) == maxProof {
			return nil, fmt.Errorf("line %d of its proof is no hash, or one too many", len(p.proof)+1)
		}
		p.proof = append(p.proof, tlog.Hash(h))
	}
	p.checkpoint = b
	return p, nil
}

// decode reads base64 in its one form: unused bits are zero.
func decode(s string) ([]byte, error) { return base64.StdEncoding.Strict().DecodeString(s) }

func number(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err == nil && strconv.FormatUint(n, 10) != s {
		err = errors.New("written in another form")
	}
	return n, err
}

// checkpoint reads the note text (C2SP tlog-checkpoint): origin, size, root.
func (e *Entry) checkpoint(text string) error {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 {
		return errors.New("it has fewer than three lines")
	}
	size, err := number(lines[1])
	if err != nil {
		return errors.New("its second line is no size")
	}
	root, err := decode(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return errors.New("its third line is no root")
	}
	e.Origin, e.Size, e.Root = lines[0], size, tlog.Hash(root)
	return nil
}

// signatures tells whose they are that verified.
func (e *Entry) signatures(list []note.Signature, keys Keys) error {
	signed := false
	for _, s := range list {
		b, err := decode(s.Base64)
		if err != nil {
			return fmt.Errorf("the signature of %s is written in another form than base64's one", s.Name)
		}
		if s.Name == keys.Device.Name() && s.Hash == keys.Device.KeyHash() {
			signed = true
			continue
		}
		e.Cosigned = append(e.Cosigned, cosignature{s.Name, time.Unix(int64(binary.BigEndian.Uint64(b[4:])), 0).UTC()})
	}
	switch {
	case !signed:
		return fmt.Errorf("the device, %s, did not sign the checkpoint with the key that was given", keys.Device.Name())
	case e.Origin != keys.Device.Name():
		return fmt.Errorf("the checkpoint is of %s, and the key of %s", e.Origin, keys.Device.Name())
	case len(e.Cosigned) < keys.Quorum:
		return fmt.Errorf("%d of the %d witnesses given cosigned the checkpoint; %d must have", len(e.Cosigned), len(keys.Witnesses), keys.Quorum)
	}
	return nil
}

// cosigner checks one witness's cosignatures (C2SP tlog-cosignature, the
// Ed25519 kind); it is a note.Verifier.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

// cosignatureType tells a witness's key from a log's, in its first byte.
const cosignatureType = 0x04

func parseWitness(s string) (*cosigner, error) {
	name, rest, _ := strings.Cut(s, "+")
	hash, encoded, _ := strings.Cut(rest, "+")
	b, err := decode(encoded)
	if err != nil || len(b) != 1+ed25519.PublicKeySize || b[0] != cosignatureType {
		return nil, errors.New("it is no witness's key: name+hash+base64 of type 4")
	}
	sum := sha256.Sum256(append([]byte(name+"\n"), b...))
	if hash != fmt.Sprintf("%x", sum[:4]) {
		return nil, errors.New("the name and the hash of the witness's key do not belong together")
	}
	return &cosigner{name, binary.BigEndian.Uint32(sum[:]), b[1:]}, nil
}

func (w *cosigner) Name() string    { return w.name }
func (w *cosigner) KeyHash() uint32 { return w.hash }

func (w *cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(signature)
	message := append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", at), text...)
	return at < 1<<63 && ed25519.Verify(w.key, message, signature[8:])
}
