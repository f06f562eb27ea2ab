package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"limen/capture/portrait"
	"limen/cmd/internal/cli"
	"limen/device"
	"limen/hw/keystore"
	"limen/hw/pcsc"
	"limen/hw/pn532"
	"limen/hw/serialport"
	"limen/matcher/catalog"
	"limen/mrtd/trust"
)

type doctorCommand struct {
	Config string `help:"Configuration file." default:"limen.yaml" placeholder:"FILE"`
	JSON   bool   `name:"json" help:"Print the result as JSON."`
}

// finding is what the doctor found out about one thing.
type finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Run looks at each configured thing once; exit code 1 when one does not work.
func (c *doctorCommand) Run(con *cli.Console) error {
	cfg, err := device.LoadConfig(c.Config)
	if err != nil {
		return cli.Usage(err)
	}
	var findings []finding
	look := func(name string, try func(context.Context) (string, error)) {
		ctx, stop := context.WithTimeout(con, 5*time.Second)
		defer stop()
		detail, err := try(ctx)
		if err != nil {
			detail = err.Error()
		}
		findings = append(findings, finding{name, err == nil, detail})
	}
	look("policy", func(context.Context) (string, error) {
		p, err := device.LoadPolicy(cfg.Policy)
		return p.Name, err
	})
	if cfg.MRZReader.Port != "" {
		look("MRZ reader", func(ctx context.Context) (string, error) {
			return lookAtPort(ctx, cfg.MRZReader.Port, cfg.MRZReader.Baud)
		})
	}
	switch cfg.ChipReader.Kind {
	case "pn532":
		look("chip reader", func(ctx context.Context) (string, error) { return lookAtPN532(ctx, cfg.ChipReader.Port) })
	case "pcsc":
		look("chip reader", func(ctx context.Context) (string, error) {
			r, err := pcsc.Open(ctx, cfg.ChipReader.Name)
			if err != nil {
				return "", err
			}
			return r.Name(), r.Close()
		})
	}
	if cfg.Gate.Doors != "none" {
		look("gate", cfg.Gate.Look)
	}
	for _, m := range cfg.Models.All() {
		look("model "+m, func(context.Context) (string, error) { return lookAtActiveModel(cfg, m) })
	}
	look("portrait decoder", func(ctx context.Context) (string, error) { return lookAtDecoder(ctx, cfg.PortraitProgram) })
	look("trust store", func(context.Context) (string, error) {
		s, err := trust.Open(cfg.Trust)
		if err == nil && s.Len() == 0 {
			err = fmt.Errorf("no CSCA certificate in %s: import master lists with `limen trust import`", cfg.Trust)
		}
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d CSCA certificates of %d states", s.Len(), len(s.Countries())), nil
	})
	look("store", func(context.Context) (string, error) { return cfg.Store, writable(cfg.Store) })
	look("device key", func(context.Context) (string, error) { return lookAtKeys(cfg) })
	look("witness keys", func(context.Context) (string, error) { return lookAtNeighborKeys(cfg) })
	return c.print(con, findings)
}

func (c *doctorCommand) print(con *cli.Console, findings []finding) (err error) {
	if c.JSON {
		err = con.PrintJSON(findings)
	}
	ill := false
	for _, f := range findings {
		ill = ill || !f.OK
		if c.JSON {
			continue
		}
		word := "ok  "
		if !f.OK {
			word = "FAIL"
		}
		con.Printf("%s  %-18s %s\n", word, f.Name, f.Detail)
	}
	if err == nil && ill {
		return cli.No
	}
	return err
}

// lookAtActiveModel tells whether a model is there and may judge by the policy.
// Spoof models are not needed: without one a check is not performed.
func lookAtActiveModel(cfg device.Config, name string) (string, error) {
	path, m, err := catalog.Find(name)
	if m.Kind == catalog.Spoof && errors.Is(err, catalog.ErrNotFound) {
		return "not installed, so no network looks for presentation attacks: " + m.HowToGet(), nil
	}
	if err != nil {
		return "", err
	}
	detail := fmt.Sprintf("%s grade, %s", m.Grade, path)
	if m.Grade == catalog.Demo && !cfg.AcceptDemoModels {
		detail += "; refers everyone while accept_demo_models is false: `limen models use` an operational one"
	}
	if m.Kind != catalog.Recogniser {
		return detail, nil
	}
	policy, err := device.LoadPolicy(cfg.Policy)
	if err != nil {
		return "", err
	}
	t, err := m.ThresholdFor(policy.Face.FMR)
	if err == nil && t.Published {
		detail += "; its threshold is published and was not calibrated with limen"
	}
	return detail, err
}

func lookAtPort(ctx context.Context, path string, baud int) (string, error) {
	port, err := serialport.Open(ctx, path, serialport.Mode{Baud: baud})
	if err != nil {
		return "", err
	}
	return path, port.Close()
}

func lookAtPN532(ctx context.Context, path string) (string, error) {
	port, err := serialport.Open(ctx, path, serialport.Mode{Baud: 115200})
	if err != nil {
		return "", err
	}
	defer port.Close()
	reader, err := pn532.Open(ctx, port, pn532.Options{})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s on %s at %d baud", reader.Firmware(), path, reader.Baud()), reader.Close(ctx)
}

// lookAtDecoder asks the decoder for a picture that is none: the right
// refusal shows that it runs and is sealed.
func lookAtDecoder(ctx context.Context, path string) (string, error) {
	_, _, err := (&portrait.Decoder{Path: path}).Decode(ctx, []byte("no picture"))
	if errors.Is(err, portrait.ErrUnreadable) {
		return "runs, sealed off", nil
	}
	return "", err
}

// lookAtKeys tells the device's public key, by which a centre enrols it.
func lookAtKeys(cfg device.Config) (string, error) {
	keys, err := keystore.OpenSealed(cfg.Keys, sealOf(cfg))
	if errors.Is(err, fs.ErrNotExist) {
		return "none yet: the first start makes it in " + cfg.Keys, writable(cfg.Keys)
	}
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(keys.Signer().PublicKey()) + " (limen-fleet enrol --key)", nil
}

// lookAtNeighborKeys tells what neighbors configure to cosign for this
// appliance, and to take its cosignatures.
func lookAtNeighborKeys(cfg device.Config) (string, error) {
	keys, err := keystore.OpenSealed(cfg.Keys, sealOf(cfg))
	if errors.Is(err, fs.ErrNotExist) {
		return "none yet: they are made with the device key", nil
	}
	if err != nil {
		return "", err
	}
	log, cosigner, err := neighborKeys(cfg.Device, keys.Signer())
	return fmt.Sprintf("%s (neighbors: witness.neighbors), %s (neighbors: witness.ask, key)", log, cosigner), err
}

// writable tells whether a folder can be written to, or be made.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
