package witness

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"limen/sync/journal"
)

// Peer is a witness that is asked.
type Peer struct {
	URL  string // submission prefix, http or https
	Key  *journal.CosignatureVerifier
	HTTP *http.Client // http.DefaultClient when nil
}

// CheckURL says why s is no witness's address.
func CheckURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%.80q is no address of a witness, such as https://gate-2.example:8430", s)
	}
	return nil
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 10

// Ask asks for a cosignature and returns the checkpoint with it. Other lines
// of the answer are left out. An error is a *Refusal, or there was no answer.
func (p Peer) Ask(ctx context.Context, r Request) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(p.URL, "/")+path, bytes.NewReader(r.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	client := p.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("no answer from witness %s: %w", p.Key.Name(), err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("no whole answer from witness %s: %w", p.Key.Name(), err)
	}
	if len(b) > maxAnswer {
		return nil, fmt.Errorf("the answer of witness %s is over %d bytes", p.Key.Name(), maxAnswer)
	}
	switch response.StatusCode {
	case http.StatusOK:
		return Cosigned(r.Checkpoint, b, p.Key)
	case http.StatusConflict:
		digits := strings.TrimSuffix(string(b), "\n")
		size, err := strconv.ParseUint(digits, 10, 63)
		if err != nil {
			return nil, fmt.Errorf("witness %s says there is a conflict and not with which size", p.Key.Name())
		}
		return nil, &Refusal{response.StatusCode, size, fmt.Sprintf("witness %s cosigned size %d last", p.Key.Name(), size)}
	}
	return nil, refuse(response.StatusCode, "witness %s answers %s", p.Key.Name(), response.Status)
}

// Cosigned is a checkpoint with the one line among lines that is key's
// cosignature on it.
func Cosigned(checkpoint, lines []byte, key *journal.CosignatureVerifier) ([]byte, error) {
	cut := bytes.LastIndex(checkpoint, []byte("\n\n"))
	if cut < 0 {
		return nil, errors.New("the checkpoint is no signed note")
	}
	for line := range bytes.Lines(lines) {
		encoded, own := bytes.CutPrefix(line, []byte("— "+key.Name()+" "))
		if !own || !bytes.HasSuffix(line, []byte("\n")) {
			continue
		}
		b, err := base64.StdEncoding.Strict().DecodeString(string(encoded[:len(encoded)-1]))
		if err == nil && len(b) > 4 && binary.BigEndian.Uint32(b) == key.KeyHash() && key.Verify(checkpoint[:cut+1], b[4:]) {
			return append(bytes.Clone(checkpoint), line...), nil
		}
	}
	return nil, fmt.Errorf("%w (%s)", ErrNotCosigned, key.Name())
}

// Keep keeps the cosignature that a witness added of itself to the checkpoint
// of size entries, as the centre does with its receipts.
func Keep(ctx context.Context, j *journal.Journal, size uint64, lines []byte, key *journal.CosignatureVerifier) error {
	checkpoint, err := j.CheckpointAt(ctx, size)
	if err != nil {
		return err
	}
	whole, err := Cosigned(checkpoint, lines, key)
	if err != nil {
		return err
	}
	return j.AddCosignatures(ctx, whole)
}

// ErrNotCosigned means that an answer holds no cosignature of the witness that
// was asked.
var ErrNotCosigned = errors.New("the answer holds no cosignature of the witness on this checkpoint: compare its key with the configured one")
