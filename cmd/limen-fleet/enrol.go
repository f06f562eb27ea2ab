package main

import (
	"cmp"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"limen/cmd/internal/cli"
	"limen/sync/fleet"
	"limen/sync/wire"
)

type enrolCommand struct {
	where
	Device string `arg:"" help:"The device's name: a-z, 0-9 and hyphens."`
	Key    string `required:"" help:"Its public key (Ed25519, 32 bytes), as the device prints it." placeholder:"BASE64"`
	Out    string `required:"" help:"Folder for what is carried to the device: its certificate and key, the authority's certificate." placeholder:"DIR"`
	JSON   bool   `name:"json" help:"Print the result as JSON."`
}

// enrolled is what a device's configuration needs.
type enrolled struct {
	Device      string `json:"device"`
	CA          string `json:"ca"`
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	ReceiptKey  string `json:"receipt_key"`
	WitnessKey  string `json:"witness_key"`

	OperationsKey string `json:"operations_key"`
}

// Run enrols a device, also while the centre runs.
func (c *enrolCommand) Run(con *cli.Console) error {
	public, err := base64.StdEncoding.DecodeString(c.Key)
	if err != nil || len(public) != ed25519.PublicKeySize {
		return cli.Exit(cli.ExitUsage, fmt.Errorf("--key is no base64 of %d bytes: copy the device's public key whole", ed25519.PublicKeySize))
	}
	if err := wire.CheckIdentifier(c.Device); err != nil {
		return cli.Exit(cli.ExitUsage, err)
	}
	s, err := c.settings()
	if err != nil {
		return err
	}
	open := fleet.CreateRecords
	if s.Database != "" { // others may run on it: never migrated from here
		open = fleet.OpenRecords
	}
	records, err := open(cmp.Or(s.Database, s.Dir))
	if err != nil {
		return err
	}
	err = records.Enrol(con, c.Device, public, time.Now())
	if err := errors.Join(err, records.Close()); err != nil {
		return err
	}
	e := enrolled{Device: c.Device, CA: filepath.Join(c.Out, "centre-ca.pem")}
	keys := s.Dir
	if s.ReceiptKey == "" {
		e.ReceiptKey, err = fleet.PrepareReceiptKey(keys)
	} else { // the workers' own: another would make the device refuse their receipts
		keys = filepath.Dir(s.ReceiptKey)
		e.ReceiptKey, err = fleet.ReceiptKeyIn(s.ReceiptKey)
	}
	if err != nil {
		return err
	}
	if e.WitnessKey, err = fleet.PrepareWitnessKey(keys); err != nil {
		return err
	}
	if e.OperationsKey, err = fleet.PrepareOperationsKey(s.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Out, 0o700); err != nil {
		return fmt.Errorf("cannot make %s: %w", c.Out, err)
	}
	if err := c.certify(s, &e); err != nil {
		return err
	}
	if c.JSON {
		return con.PrintJSON(e)
	}
	con.Printf("%s is enrolled. Carry %s to it; its limen.yaml:\n\nuplink:\n  broker: tls://HOST:8883\n  ca: %s\n  certificate: %s\n  key: %s\n  receipt_key: %s\n  operations_key: %s\nwitness:\n  ask:\n    - key: %s\n  quorum: 1\n",
		c.Device, c.Out, e.CA, e.Certificate, e.Key, e.ReceiptKey, e.OperationsKey, e.WitnessKey)
	return nil
}

func (c *enrolCommand) certify(s settings, e *enrolled) error {
	a, err := authority(s.Dir)
	if err != nil {
		return err
	}
	files, err := a.DeviceIn(c.Out, c.Device)
	if err != nil {
		return err
	}
	e.Certificate, e.Key = files.Certificate, files.Key
	b, err := os.ReadFile(a.CAPath())
	if err == nil {
		err = os.WriteFile(e.CA, b, 0o600)
	}
	return err
}
