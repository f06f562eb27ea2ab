package main

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"limen"
	"limen/cmd/internal/cli"
	"limen/mrtd/authn"
	"limen/mrtd/seal"
	"limen/mrtd/trust"
)

type sealCommand struct {
	Verify sealVerify `cmd:"" help:"Judge a seal by the bytes of its bar code."`
}

type sealVerify struct {
	File    string   `arg:"" help:"The bytes of the 2D bar code, as a scanner gives them: a seal of Doc 9303-13, or the JSON of one for non-constrained environments."`
	Signer  []string `help:"Certificate of a signer of seals, which a seal does not carry; the flag once a certificate." placeholder:"FILE"`
	Trust   string   `help:"Folder of the trust store; without it the chain is not judged." placeholder:"DIR"`
	Against []string `name:"mrz" sep:"none" help:"The printed MRZ, to hold the seal against." placeholder:"LINES"`
	At      string   `help:"Judge as of this day; today when left out." placeholder:"2026-01-31"`
	JSON    bool     `name:"json" help:"Print the result as JSON."`
}

// sealResult is what seal verify prints: nothing the seal says of anyone.
type sealResult struct {
	Kind      string      `json:"kind"`
	Country   string      `json:"country"`
	Signature string      `json:"signature"`
	Chain     string      `json:"chain"`
	Format    string      `json:"format"`
	MRZ       string      `json:"mrz,omitempty"`
	Features  []seal.Name `json:"features"`
	Signer    *party      `json:"signer,omitempty"`
	TrustDate string      `json:"trust_date,omitempty"`
	Reasons   []string    `json:"reasons"`
	Notes     []string    `json:"notes"`
}

// maxSeal is beyond what any bar code holds.
const maxSeal = 64 << 10

// Run judges a seal; exit code 1 when a check fails.
func (c *sealVerify) Run(con *cli.Console) error {
	at, err := dayOf("--at", c.At)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(c.File)
	if err == nil && len(b) > maxSeal {
		err = fmt.Errorf("%s has %d bytes, more than any bar code", c.File, len(b))
	}
	if err != nil {
		return fmt.Errorf("cannot read the seal: %w", err)
	}
	store, err := openTrust(c.Trust)
	if err != nil {
		return err
	}
	out, err := c.judge(b, store, at)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if c.JSON {
		if err := con.PrintJSON(out); err != nil {
			return err
		}
	} else {
		out.print(con)
	}
	if len(out.Reasons) > 0 {
		return cli.No
	}
	return nil
}

func (c *sealVerify) judge(b []byte, store *trust.Store, at time.Time) (sealResult, error) {
	out := sealResult{Features: []seal.Name{}, Reasons: []string{}, Notes: []string{}}
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		n, err := seal.ParseNC(b)
		if err != nil {
			return out, err
		}
		out.Kind, out.Country = n.Type, n.Country
		out.take(seal.VerifyNC(n, store, at), store)
		return out, nil
	}
	s, err := seal.Parse(b)
	if err != nil {
		return out, err
	}
	var signers []*trust.Certificate
	for _, name := range c.Signer {
		der, err := os.ReadFile(name)
		if err != nil {
			return out, fmt.Errorf("cannot read a signer's certificate: %w", err)
		}
		more, err := trust.ParseCertificates(der)
		if err != nil {
			return out, fmt.Errorf("%s: %w", name, err)
		}
		signers = append(signers, more...)
	}
	out.Kind, out.Country, out.Features = string(s.Kind()), s.Country, s.Names()
	out.take(seal.Verify(s, signers, store, at), store)
	if lines := linesOf(c.Against); lines != nil {
		v := seal.CompareMRZ(lines, s)
		out.MRZ = string(v.Status)
		out.blame(v)
	}
	return out, nil
}

// take fills the verdicts in.
func (r *sealResult) take(found seal.Result, store *trust.Store) {
	if store == nil && found.Signer.Subject != "" {
		found.Chain = authn.Verdict{Status: authn.NotPerformed}
		r.Notes = append(r.Notes, trustNotGiven)
	}
	r.Signature, r.Chain, r.Format = string(found.Signature.Status), string(found.Chain.Status), string(found.Format.Status)
	r.Signer = partyOf(found.Signer)
	if !found.TrustDate.IsZero() {
		r.TrustDate = found.TrustDate.Format(time.DateOnly)
	}
	for _, v := range []authn.Verdict{found.Signature, found.Chain, found.Format} {
		r.blame(v)
	}
	for _, n := range found.Notes {
		r.Notes = append(r.Notes, reasonOf(authn.Verdict{Code: n.Code, Subject: n.Subject}))
	}
}

func (r *sealResult) blame(v authn.Verdict) {
	if v.Code != "" && (v.Status == authn.Failed || v.Status == authn.Inconclusive) {
		r.Reasons = append(r.Reasons, reasonOf(v))
	}
}

func (r *sealResult) print(con *cli.Console) {
	row(con, "seal", fmt.Sprintf("%s of %s, %d features", words(r.Kind), r.Country, len(r.Features)))
	row(con, "signer", r.Signer.String())
	row(con, "signature", words(r.Signature))
	row(con, "chain", words(r.Chain))
	row(con, "format", words(r.Format))
	if r.MRZ != "" {
		row(con, "mrz", words(r.MRZ))
	}
	answer(con, r.Reasons, r.Notes)
}

// reasonOf is a verdict's code and subject as results write them.
func reasonOf(v authn.Verdict) string {
	return limen.Reason{Code: limen.ReasonCode(v.Code), Subject: v.Subject}.String()
}
