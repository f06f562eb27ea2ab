package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"limen/cmd/internal/cli"
	"limen/mrtd/authn"
	"limen/mrtd/lds"
)

type chipVerify struct {
	SOD   string            `name:"sod" help:"EF.SOD." required:"" placeholder:"FILE"`
	DG    map[string]string `name:"dg" mapsep:"none" help:"A data group, as 2=FILE; the flag once a group." placeholder:"N=FILE"`
	Trust string            `help:"Folder of the trust store; without it the chain is not judged." placeholder:"DIR"`
	At    string            `help:"Judge as of this day; today when left out." placeholder:"2026-01-31"`
	JSON  bool              `name:"json" help:"Print the result as JSON."`
}

// verifyResult is what chip verify prints.
type verifyResult struct {
	Signature string            `json:"signature"`
	Chain     string            `json:"chain"`
	Signer    *party            `json:"signer,omitempty"`
	CSCA      *party            `json:"csca,omitempty"`
	TrustDate string            `json:"trust_date,omitempty"` // of the list or import that vouches for the CSCA
	CRLDate   string            `json:"crl_date,omitempty"`   // of the revocation list that was looked into
	Hash      string            `json:"hash,omitempty"`
	Groups    map[string]string `json:"groups"`
	Reasons   []string          `json:"reasons"`
	Notes     []string          `json:"notes"`
}

// Run judges files; exit code 1 when a check fails.
func (c *chipVerify) Run(con *cli.Console) error {
	at, err := dayOf("--at", c.At)
	if err != nil {
		return err
	}
	groups, err := c.groups()
	if err != nil {
		return err
	}
	sod, err := readChipFile(c.SOD)
	if err != nil {
		return err
	}
	store, err := openTrust(c.Trust)
	if err != nil {
		return err
	}
	var f findings
	r := f.authenticate(sod, groups, store, at)
	if groups[1] != nil {
		f.judgeDG1(groups[1], nil, r.Signer, at)
	}
	if c.JSON {
		err = con.PrintJSON(resultOf(r, f))
	} else {
		row(con, "signer", partyOf(r.Signer).String())
		row(con, "CSCA", partyOf(r.CSCA).String())
		f.print(con)
	}
	if err != nil {
		return err
	}
	return f.exit()
}

func resultOf(r authn.Result, f findings) verifyResult {
	out := verifyResult{
		Signature: string(r.Signature.Status), Chain: string(r.Chain.Status), Signer: partyOf(r.Signer), CSCA: partyOf(r.CSCA), Hash: r.HashAlgorithm,
		Groups: map[string]string{}, Reasons: append([]string{}, f.reasons...), Notes: append([]string{}, f.notes...),
	}
	if !r.TrustDate.IsZero() {
		out.TrustDate = r.TrustDate.Format(time.DateOnly)
	}
	if !r.CRLDate.IsZero() {
		out.CRLDate = r.CRLDate.Format(time.DateOnly)
	}
	for n, v := range r.Groups {
		out.Groups[strconv.Itoa(n)] = string(v.Status)
	}
	return out
}

// groups reads the data groups named.
func (c *chipVerify) groups() (map[int][]byte, error) {
	groups := map[int][]byte{}
	for number, file := range c.DG {
		n, err := strconv.Atoi(strings.TrimPrefix(strings.ToUpper(number), "DG"))
		if _, ok := lds.FileOfGroup(n); err != nil || !ok {
			return nil, cli.Usage(fmt.Errorf("--dg %s=%s: %q is no data group, 1 to 16", number, file, number))
		}
		if groups[n], err = readChipFile(file); err != nil {
			return nil, err
		}
		if len(groups[n]) == 0 {
			return nil, fmt.Errorf("%s is empty", file)
		}
	}
	return groups, nil
}

// maxChipFile is beyond what any chip holds.
const maxChipFile = 16 << 20

func readChipFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxChipFile {
		err = fmt.Errorf("%s has %d bytes, more than any chip's file", path, info.Size())
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read a chip's file: %w", err)
	}
	return os.ReadFile(path)
}
