package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"limen"
	"limen/device"
	"limen/device/lookup"
	"limen/hw/keystore"
	orders "limen/sync/command"
	"limen/sync/fleet"
	"limen/sync/history"
)

// The appliance takes from the centre a stop list, which its lookup then holds,
// refuses a policy it cannot run, tells how it is, and ends with its keys
// destroyed when it is locked. All of that is in its journal, and known at the centre.
func TestApplianceRunsWhatTheCentreSends(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	authority, err := fleet.NewAuthority(at("authority"))
	must(err)
	server, err := authority.Server("127.0.0.1")
	must(err)
	client, err := authority.Device("gate-1")
	must(err)
	keys, err := keystore.Create(at("keys"), nil, nil)
	must(err)
	operations, err := fleet.PrepareOperationsKey(at("centre"))
	must(err)
	signer, _, err := fleet.OpenOperationsKey(fleet.OperationsKeyPath(at("centre")))
	must(err)
	centre, err := fleet.Open(fleet.Config{Dir: at("centre"), MQTT: "127.0.0.1:0", CA: authority.CAPath(), Certificate: server.Certificate, Key: server.Key,
		Devices: []fleet.Enrolled{{Name: "gate-1", PublicKey: keys.Signer().PublicKey()}}})
	must(err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- centre.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	records, err := fleet.OpenRecords(at("centre"))
	must(err)
	defer records.Close()

	c := device.Defaults()
	c.Site, c.Device, c.Store, c.Keys, c.Socket, c.Sets, c.Trust = "north", "gate-1", at("store"), at("keys"), "", at("sets"), at("trust")
	c.Console.Listen = "127.0.0.1:0"
	c.Lookups = []device.LookupConfig{{Name: "stop_list", Set: "stop"}}
	c.Uplink = device.UplinkConfig{Broker: "tls://" + centre.MQTTAddr(), CA: authority.CAPath(), Certificate: client.Certificate, Key: client.Key, ReceiptKey: centre.ReceiptKey(), OperationsKey: operations}
	must(c.Validate())
	list, err := lookup.Compile(t.Context(), strings.NewReader(fmt.Sprintf("as_of,%s\nissuer,number,kind\nUTO,L898902C3,stop_list\nend,1\n", time.Now().UTC().Format(time.RFC3339))), stopHash(keys))
	must(err)
	for name, content := range map[string][]byte{"stop": list, "policy": []byte("name: broken\nno_such_key: 1\n")} {
		m, err := records.Publish(t.Context(), name, content, []string{"site:north"}, time.Hour, signer, time.Now())
		must(err)
		must(records.RollOut(t.Context(), name, m.Number, []string{"north"}, time.Now()))
	}
	a, err := assembleFrom("", c, slog.New(slog.DiscardHandler), nil)
	must(err)
	ran := make(chan error, 1)
	go func() { ran <- a.run(ctx) }()
	within := func(what string, is func() bool) {
		t.Helper()
		look := time.NewTicker(10 * time.Millisecond)
		defer look.Stop()
		for limit := time.After(60 * time.Second); !is(); {
			select {
			case <-look.C:
			case err := <-ran:
				t.Fatalf("the appliance ended before %s: %v", what, err)
			case <-limit:
				t.Fatalf("not within a minute: %s", what)
			}
		}
	}
	order := func(what orders.What) {
		t.Helper()
		_, err := records.Command(t.Context(), "gate-1", orders.Command{What: what, By: "4711", Why: "a test"}, time.Hour, signer, time.Now())
		must(err)
	}
	within("the line stands", func() bool {
		return a.taker.Last() == 0 && a.uplink.State().Phase == "connected"
	})
	order(orders.FetchSets)
	order(orders.Health)
	hit := func() bool {
		answer, err := a.stops[0].list.Ask(t.Context(), limen.LookupQuery{Issuer: "UTO", Number: "L898902C3"})
		return err == nil && answer.Hit
	}
	within("the stop list is matched", hit)
	notice := func(what, subject, says string) func() bool {
		return func() bool {
			shown, err := a.history.Show(-1, 50)
			return err == nil && slices.ContainsFunc(shown, func(s history.Shown) bool {
				n := s.Record.Notice
				return n != nil && n.What == what && n.Subject == subject && strings.Contains(n.Says, says)
			})
		}
	}
	within("what was taken and refused recorded", func() bool {
		return notice("set_taken", "stop 1", "")() && notice("set_refused", "policy 1", "unfit")() && notice("command_done", "health 2", "done, ordered by 4711: a test")()
	})
	within("it known at the centre", func() bool {
		sets, err := records.Sets(t.Context(), "")
		return err == nil && len(sets) == 2 && len(sets[0].Refused) == 1 && sets[0].Refused[0].Why == "unfit" && len(sets[1].Runs) == 1
	})
	order(orders.Lock)
	select {
	case err := <-ran:
		if !errors.Is(err, errRevoked) {
			t.Errorf("the appliance ended with %v, want %v", err, errRevoked)
		}
	case <-time.After(60 * time.Second):
		t.Fatal("a locked appliance goes on")
	}
	if _, err := keystore.Open(at("keys"), nil); err == nil {
		t.Error("the keys of a locked appliance can be opened")
	}
	if _, err := os.Stat(filepath.Join(at("keys"), "keys")); !errors.Is(err, fs.ErrNotExist) && err == nil {
		t.Error("the key file is still there")
	}
	commands, err := records.Commands(t.Context(), "gate-1", 10)
	if err != nil || len(commands) != 3 || slices.ContainsFunc(commands, func(v fleet.CommandView) bool { return v.Result != "done" }) {
		t.Errorf("the centre knows %+v, %v; want three commands done", commands, err)
	}
}
