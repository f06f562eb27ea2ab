package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"limen/cmd/internal/cli"
	"limen/device"
	"limen/hw/keystore"
)

type keysCommand struct {
	Show   keysShow   `cmd:"" help:"Names of the fleet keys, the current one first. They tell nothing of the keys."`
	Export keysExport `cmd:"" help:"Write the current fleet key to a file, for the other devices of the fleet."`
	Rotate keysRotate `cmd:"" help:"Take a new fleet key into use; documents are found under the earlier ones too."`
	Retire keysRetire `cmd:"" help:"End the overlap: documents are found under the current fleet key alone."`
	Seal   keysSeal   `cmd:"" help:"Seal the keys anew: in the TPM that the configuration names, to the machine as it started, or in a file where it names none."`
}

// keysOf says whose keys.
type keysOf struct {
	Config string `help:"Configuration file of the appliance." default:"limen.yaml" placeholder:"FILE"`
	JSON   bool   `name:"json" help:"Print the result as JSON."`
}

// place is the folder of the keys, and what they are sealed with.
func (k keysOf) place() (string, keystore.Seal, error) {
	cfg, err := device.LoadConfig(k.Config)
	return cfg.Keys, sealOf(cfg), cli.Usage(err)
}

func (k keysOf) print(con *cli.Console, keys *keystore.Keystore, then string) error {
	var names []string
	for _, id := range keys.FleetKeyIDs() {
		names = append(names, fmt.Sprintf("%x", id[:]))
	}
	if k.JSON {
		return con.PrintJSON(map[string]any{"fleet_keys": names})
	}
	for i, name := range names {
		con.Printf("%s%s\n", name, map[bool]string{true: "  current", false: "  overlaps"}[i == 0])
	}
	if then != "" {
		con.Printf("%s\n", then)
	}
	return nil
}

type keysShow struct{ keysOf }

// Run names the keys.
func (c *keysShow) Run(con *cli.Console) error {
	dir, seal, err := c.place()
	if err != nil {
		return err
	}
	keys, err := keystore.OpenSealed(dir, seal)
	if err != nil {
		return err
	}
	return c.print(con, keys, "")
}

type keysExport struct {
	keysOf
	File string `arg:"" help:"The file to write; it must not be there."`
}

// Run writes the key for its owner's eyes only.
func (c *keysExport) Run(con *cli.Console) error {
	dir, seal, err := c.place()
	if err != nil {
		return err
	}
	keys, err := keystore.OpenSealed(dir, seal)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.File, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return cli.Usage(fmt.Errorf("%s is there already: name another file", c.File))
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(keys.FleetKey().FleetText())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	con.Printf("who has %s can tell which documents the fleet's histories know: bring it to the other devices by hand, take it into use there with `limen keys rotate --with FILE`, and destroy it\n", c.File)
	return nil
}

type keysRotate struct {
	keysOf
	With string `help:"The fleet's key, as another device exported it; a new one when left out." placeholder:"FILE"`
	Keep int    `help:"How many earlier keys overlap with it, at most 2. Let the overlap last as long as records are kept." default:"1"`
}

const restart = "restart the appliance: it goes on under the keys it has open until then"

// Run rotates.
func (c *keysRotate) Run(con *cli.Console) error {
	dir, seal, err := c.place()
	if err != nil {
		return err
	}
	var fleet *keystore.Key
	if c.With != "" {
		b, err := os.ReadFile(c.With)
		if err != nil {
			return err
		}
		key, err := keystore.ParseFleet(string(b))
		if err != nil {
			return cli.Usage(err)
		}
		fleet = &key
	}
	keys, err := keystore.RotateSealed(dir, fleet, c.Keep, seal)
	if err != nil {
		return err
	}
	return c.print(con, keys, restart)
}

type keysRetire struct{ keysOf }

// Run ends the overlap.
func (c *keysRetire) Run(con *cli.Console) error {
	dir, seal, err := c.place()
	if err != nil {
		return err
	}
	keys, err := keystore.RetireSealed(dir, seal)
	if err != nil {
		return err
	}
	return c.print(con, keys, restart+"; what was mapped under the others is forgotten then")
}

type keysSeal struct {
	keysOf
	From string `help:"The TPM that seals them now, where it is not the one that the configuration names." placeholder:"DEVICE"`
}

// Run seals the keys anew. Where a passphrase is over them it stays over them.
func (c *keysSeal) Run(con *cli.Console) error {
	dir, to, err := c.place()
	if err != nil {
		return err
	}
	from := to
	if c.From != "" {
		from.TPM = &keystore.TPM{Path: c.From}
	}
	if err := keystore.Reseal(dir, from, to); err != nil {
		return err
	}
	keys, err := keystore.OpenSealed(dir, to)
	if err != nil {
		return err
	}
	where := "in their file, as LIMEN_PASSPHRASE has it"
	if to.TPM != nil {
		where = "in the TPM at " + to.TPM.Path
	}
	return c.print(con, keys, "sealed "+where+": a copy of the file made before opens as it did, so destroy copies")
}
