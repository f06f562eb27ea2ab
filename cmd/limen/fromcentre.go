package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"limen"
	"limen/device"
	"limen/device/lookup"
	"limen/hw/keystore"
	"limen/mrtd/trust"
	orders "limen/sync/command"
	"limen/sync/history"
	"limen/sync/index"
	"limen/sync/set"
	"limen/sync/uplink"
)

// fromCentre is what the centre sends the appliance: sets and commands.
type fromCentre struct {
	configPath string // of limen.yaml; empty where there is no file
	stops      []stopSet
	taker      *orders.Taker // nil without an operations key
	sets       *set.Client
	region     *index.Client // nil without a centre
	revoked    chan struct{}
}

// stopSet is a list and the set it comes as.
type stopSet struct {
	set  string
	list *lookup.StopList
}

// errRevoked ends an appliance whose keys were destroyed by order.
var errRevoked = errors.New("the centre has revoked this device and its keys are destroyed: enrol it anew, under a new name")

// openFromCentre begins with the sets that are here.
func (a *assembly) openFromCentre() (err error) {
	a.revoked = make(chan struct{})
	key := a.cfg.Uplink.OperationsKey
	if key == "" || a.cfg.Uplink.Broker == "" {
		return nil
	}
	if err := os.MkdirAll(a.cfg.Sets, 0o700); err != nil {
		return fmt.Errorf("cannot make the folder of sets: %w", err)
	}
	a.taker, err = orders.New(orders.Options{
		Path: filepath.Join(a.cfg.Sets, "commands.json"), Device: a.cfg.Device, Key: key, Log: a.log,
		Do: map[orders.What]func(context.Context, orders.Command) (string, error){
			orders.Lock: a.doLock, orders.FetchSets: a.doFetchSets, orders.Erase: a.doErase, orders.Health: a.doHealth,
		},
		Refused: func(no orders.Refusal) {
			a.note("command_refused", fmt.Sprintf("command %d", no.Number), fmt.Sprintf("%s, %d times: %s", no.Why, no.Times, no.Detail))
		},
		Done: a.commanded,
	})
	if err != nil {
		return fmt.Errorf("commands cannot be taken (uplink.operations_key): %w", err)
	}
	apply := map[string]func(set.Manifest, []byte) error{"policy": a.applyPolicy, "trust": a.applyTrust}
	if a.configPath != "" {
		apply["config"] = a.applyConfig
	}
	for _, s := range a.stops {
		apply[s.set] = a.applyStops(s.set)
	}
	store, err := set.OpenStore(set.Options{
		Dir: a.cfg.Sets, Site: a.cfg.Site, Device: a.cfg.Device, Keys: a.taker, Apply: apply,
		Refused: func(no set.Refusal) {
			a.note("set_refused", fmt.Sprintf("%s %d", no.Name, no.Number), string(no.Why)+": "+no.Detail)
		},
		Taken: func(m set.Manifest) {
			says := ""
			if m.Repeats > 0 {
				says = fmt.Sprintf("number %d again", m.Repeats)
			}
			a.note("set_taken", fmt.Sprintf("%s %d", m.Name, m.Number), says)
		},
	})
	if store == nil {
		return err
	}
	if err != nil { // the gate goes on without, and fetches them anew
		a.log.Error("sets of the centre are not run", "error", err)
	}
	a.sets = set.NewClient(store, nil, a.log)
	return nil
}

// note records what came from the centre. A journal that is full says so elsewhere.
func (a *assembly) note(what, subject, says string) {
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	if err := a.history.Notice(ctx, limen.Notice{What: what, Subject: subject, Says: says}); err != nil {
		a.log.Error("not recorded", "what", what, "subject", subject, "error", err)
	}
}

func (a *assembly) commanded(c orders.Command, result string) {
	a.note("command_done", fmt.Sprintf("%s %d", c.What, c.Number), fmt.Sprintf("%s, ordered by %s: %s", result, c.By, c.Why))
	if c.What == orders.Lock && result == "done" {
		select {
		case <-a.revoked:
		default:
			close(a.revoked)
		}
	}
}

// awaitRevocation ends the appliance once the centre was told, or cannot be.
func (a *assembly) awaitRevocation(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-a.revoked:
	}
	telling, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	a.taker.Fetch(telling) // best effort: the keys are gone either way
	return errRevoked
}

func (a *assembly) doLock(context.Context, orders.Command) (string, error) {
	return "", keystore.NewVault(a.cfg.Keys, keystore.VaultOptions{}).Revoke()
}

func (a *assembly) doFetchSets(context.Context, orders.Command) (string, error) {
	a.sets.Look()
	return "", nil
}

func (a *assembly) doErase(ctx context.Context, c orders.Command) (string, error) {
	var s history.Selection
	for _, t := range c.Traces { // their sizes are the command's to check
		s.Traces = append(s.Traces, limen.Trace{Key: [4]byte(t), Hash: [32]byte(t[4:])})
	}
	e, err := a.history.Erase(ctx, s, history.Asker{Who: c.By, Why: c.Why})
	return fmt.Sprintf("%d entries", e.Entries), err
}

func (a *assembly) doHealth(context.Context, orders.Command) (string, error) {
	var out []string
	for _, s := range a.appliance.States() {
		out = append(out, s.Name+" "+string(s.Health))
	}
	return strings.Join(out, ", "), nil
}

func (a *assembly) applyPolicy(m set.Manifest, content []byte) error {
	p, err := device.ParsePolicy(fmt.Sprintf("set policy %d", m.Number), content)
	if err != nil {
		return err
	}
	if err := a.appliance.SetPolicy(p); err != nil {
		return err
	}
	a.policyMu.Lock()
	a.policy = p
	a.policyMu.Unlock()
	return nil
}

// applyTrust imports a list into the store on disk and uses that from now on.
// What earlier lists brought stays, as with `limen trust import`.
func (a *assembly) applyTrust(m set.Manifest, content []byte) error {
	store, err := trust.Open(a.cfg.Trust)
	if err != nil {
		return err
	}
	if _, err := store.ImportFrom(fmt.Sprintf("centre-%d", m.Number), bytes.NewReader(content), trust.Vouching{}, time.Now()); err != nil {
		return err
	}
	a.appliance.SetTrust(store)
	return nil
}

func (a *assembly) applyStops(name string) func(set.Manifest, []byte) error {
	return func(_ set.Manifest, content []byte) error {
		for _, s := range a.stops {
			if s.set == name {
				if err := s.list.Load(slices.Clone(content)); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// applyConfig puts a configuration in the file's place; it counts from the next
// start. A device is given no other name, place or centre that way.
func (a *assembly) applyConfig(m set.Manifest, content []byte) error {
	c, err := device.ParseConfig(fmt.Sprintf("set config %d", m.Number), content)
	if err != nil {
		return err
	}
	if c.Site != a.cfg.Site || c.Device != a.cfg.Device || c.Uplink != a.cfg.Uplink || c.Store != a.cfg.Store || c.Keys != a.cfg.Keys || c.Sets != a.cfg.Sets {
		return errors.New("site, device, uplink, store, keys and sets are changed at the device, not by a set")
	}
	if have, err := os.ReadFile(a.configPath); err == nil && bytes.Equal(have, content) {
		return nil
	}
	next := a.configPath + ".new"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return err
	}
	return os.Rename(next, a.configPath)
}

// command takes what came as a command. Paho's reader does not wait for it.
func (a *assembly) command(sealed []byte) {
	if a.taker == nil {
		return
	}
	if err := a.taker.Take(context.Background(), sealed); err != nil {
		a.log.Warn("command not done", "error", err)
	}
}

// regionPath is where the region's index lies.
func regionPath(cfg device.Config) string { return filepath.Join(cfg.Store, "region") }

// openRegion opens the index of what other devices of the region saw.
func (a *assembly) openRegion(storeKey []byte) error {
	if a.cfg.Uplink.Broker == "" {
		return nil
	}
	x, err := index.Open(regionPath(a.cfg), storeKey, nil)
	if err != nil {
		return fmt.Errorf("cannot open the region's index: %w", err)
	}
	a.closers = append(a.closers, x.Close)
	a.region = &index.Client{Index: x, Site: a.cfg.Site, Device: a.cfg.Device, Every: time.Minute, Patience: 30 * time.Second, Log: a.log}
	return nil
}

// online asks the centre where a document was checked.
func (a *assembly) online(ctx context.Context, about []limen.Trace, since time.Time) ([]limen.Earlier, time.Time, error) {
	if a.uplink == nil {
		return nil, time.Time{}, uplink.ErrAway
	}
	return a.region.Online(ctx, about, since)
}
