package seal

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"time"
	"unicode/utf8"

	"limen/mrtd/authn"
	"limen/mrtd/ec"
	"limen/mrtd/trust"
)

// NC is a seal for non-constrained environments taken apart (ICAO TR VDS-NC):
// JSON of a header, a message, and a signature with its signer's certificate.
// It prints as redacted.
type NC struct {
	Type        string          // "icao.test", "icao.vacc"
	Version     int             // of the type
	Country     string          // issuing, three letters
	Message     json.RawMessage // as it was signed: in canonical form
	Algorithm   string          // "ES256"
	Certificate *trust.Certificate
	Signature   []byte // r and s, each as long as the key

	signed []byte // data in canonical form
}

const maxNC = 32 << 10 // a code of that many octets no printer makes

// ncHashes are the hashes of the algorithms a seal may name (RFC 7518, 3.1).
var ncHashes = map[string]crypto.Hash{"ES256": crypto.SHA256, "ES384": crypto.SHA384, "ES512": crypto.SHA512}

// ncTypes are the document types in a signer's certificate by a seal's type.
var ncTypes = map[string]string{"icao.test": "NT", "icao.vacc": "NV"}

type ncHeader struct {
	Type    string `json:"t"`
	Version int    `json:"v"`
	Country string `json:"is"`
}

// ParseNC takes a seal apart and verifies nothing. What is returned is read
// from the form that was signed, so that a member that is there twice cannot
// be shown as one thing and verified as another.
func ParseNC(b []byte) (*NC, error) {
	n, err := parseNC(b)
	if err != nil {
		return nil, fmt.Errorf("seal for non-constrained environments: %w", err)
	}
	return n, nil
}

func parseNC(b []byte) (*NC, error) {
	if len(b) > maxNC {
		return nil, fmt.Errorf("%d bytes are longer than %d", len(b), maxNC)
	}
	if !utf8.Valid(b) {
		return nil, errors.New("it is no UTF-8")
	}
	var whole struct {
		Data any `json:"data"`
		Sig  struct {
			Algorithm   string `json:"alg"`
			Certificate string `json:"cer"`
			Value       string `json:"sigvl"`
		} `json:"sig"`
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&whole); err != nil {
		return nil, errors.New("it is no JSON, or not of data and signature")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more follows its JSON")
	}
	n := &NC{Algorithm: whole.Sig.Algorithm}
	var err error
	if n.signed, err = appendCanonical(nil, whole.Data, 0); err != nil {
		return nil, err
	}
	if err := n.setData(); err != nil {
		return nil, err
	}
	der, err := base64url(whole.Sig.Certificate)
	if err != nil {
		return nil, errors.New("its certificate is no base64url")
	}
	if n.Certificate, err = trust.ParseCertificate(der); err != nil {
		return nil, err
	}
	if n.Signature, err = base64url(whole.Sig.Value); err != nil || len(n.Signature) == 0 {
		return nil, errors.New("its signature is no base64url")
	}
	return n, nil
}

func (n *NC) setData() error {
	var data struct {
		Header  ncHeader        `json:"hdr"`
		Message json.RawMessage `json:"msg"`
	}
	if err := json.Unmarshal(n.signed, &data); err != nil {
		return errors.New("its data is not a header and a message")
	}
	h := data.Header
	if h.Type == "" || len(h.Country) != 3 || strings.Trim(h.Country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ<") != "" || len(data.Message) == 0 {
		return errors.New("its header lacks type or issuing state, or it has no message")
	}
	n.Type, n.Version, n.Country, n.Message = h.Type, h.Version, h.Country, data.Message
	return nil
}

// base64url reads RFC 4648, 5, with or without padding, as both are found.
func base64url(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}

// VerifyNC judges a seal by the certificate it carries, as Verify does a seal
// that does not. It states no day of signature, so the certificate must be
// valid at the time of the check.
func VerifyNC(n *NC, store *trust.Store, at time.Time) Result {
	r := Result{Format: authn.Verdict{Status: authn.Passed}}
	c := claim{state: n.Country, usages: unconstrainedUsages}
	if c.code = ncTypes[n.Type]; c.code == "" {
		r.Format = authn.Verdict{Status: authn.Inconclusive, Code: KindUnknown}
	}
	hash := ncHashes[n.Algorithm]
	r.Signature = authn.Verdict{Status: authn.Inconclusive, Code: authn.AlgorithmUnknown}
	algorithm := ""
	if hash != 0 && n.Certificate.Key.Curve != nil {
		r.Signature = verifyRaw(n.Certificate.Key, hash, n.signed, n.Signature)
		algorithm = trust.Algorithm{Scheme: trust.ECDSA, Hash: hash}.String()
	}
	r.Signer = party(n.Certificate, algorithm)
	r.judgeChain(c, n.Certificate, store, at)
	return r
}

// EncodeNC writes a seal around a message, any JSON object, and has its data
// signed. certificate is the signer's, DER; the algorithm is the one for the
// key's length.
func EncodeNC(kind string, version int, country string, message json.RawMessage, certificate []byte, curve *ec.Curve, sign func(digest []byte) (r, s *big.Int, err error)) ([]byte, error) {
	var value any
	d := json.NewDecoder(bytes.NewReader(message))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, fmt.Errorf("cannot encode the seal: its message: %w", err)
	}
	data, err := appendCanonical(nil, map[string]any{
		"hdr": map[string]any{"t": kind, "v": json.Number(fmt.Sprint(version)), "is": country}, "msg": value,
	}, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the seal: %w", err)
	}
	for name, hash := range ncHashes {
		if hash != HashFor(curve) {
			continue
		}
		h := hash.New()
		h.Write(data)
		r, s, err := sign(h.Sum(nil))
		if err != nil {
			return nil, fmt.Errorf("cannot sign the seal: %w", err)
		}
		n := orderOctets(curve)
		if r.BitLen() > 8*n || s.BitLen() > 8*n {
			return nil, errors.New("cannot sign the seal: signature is longer than the key")
		}
		signature := append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
		encoded := base64.URLEncoding.EncodeToString
		return fmt.Appendf(nil, `{"data":%s,"sig":{"alg":%q,"cer":%q,"sigvl":%q}}`, data, name, encoded(certificate), encoded(signature)), nil
	}
	return nil, errors.New("cannot encode the seal: no algorithm belongs to a key of that length")
}

// String tells the type, where it is known, and the state, nothing of the bearer.
func (n NC) String() string {
	kind := n.Type
	if ncTypes[kind] == "" {
		kind = "of unknown type"
	}
	return fmt.Sprintf("[seal %s of %s redacted]", kind, n.Country)
}

// Format writes String for every verb.
func (n NC) Format(f fmt.State, _ rune) { io.WriteString(f, n.String()) }

// LogValue is String, for logs.
func (n NC) LogValue() slog.Value { return slog.StringValue(n.String()) }

// MarshalText writes String, so that no encoder prints the message.
func (n NC) MarshalText() ([]byte, error) { return []byte(n.String()), nil }
