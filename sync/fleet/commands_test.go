package fleet

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"limen/sync/command"
	"limen/sync/uplink"
)

// A command reaches a connected device at once, one that was away when it
// comes back; and the centre learns what became of each.
func TestCommandsReachDevices(t *testing.T) {
	s := newSite(t)
	key, err := PrepareReceiptKey(s.folder())
	if err != nil {
		t.Fatal(err)
	}
	d := s.newDevice("gate-1", 1, key)
	s.start(d.enrolled())
	signer, verifier := operations(t)
	order := func(what command.What, life time.Duration) {
		t.Helper()
		if _, err := s.records.Command(t.Context(), d.name, command.Command{What: what, By: "4711", Why: "a test"}, life, signer, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	order(command.Health, time.Millisecond) // expired before anybody hears of it
	order(command.Health, time.Hour)
	var taker *command.Taker
	u, err := uplink.New(uplink.Options{
		Broker: s.addr, Device: d.name, TLS: d.tls, Outbox: d.outbox, ReceiptTimeout: patience,
		Commanded: func(signed []byte) { taker.Take(context.Background(), signed) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var locked, asked atomic.Int64
	taker, err = command.New(command.Options{
		Path: filepath.Join(d.dir, "commands.json"), Device: d.name, Key: keyText(t, verifier), Centre: u, Every: time.Hour,
		Do: map[command.What]func(context.Context, command.Command) (string, error){
			command.Health: func(context.Context, command.Command) (string, error) { asked.Add(1); return "well", nil },
			command.Lock:   func(context.Context, command.Command) (string, error) { locked.Add(1); return "", nil },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	background(t, "uplink", u.Run)
	background(t, "commands", taker.Run)
	until(t, "what waited done", func() bool { return taker.Last() == 2 })
	order(command.Lock, time.Hour)
	until(t, "locked, without asking", func() bool { return locked.Load() == 1 })
	until(t, "all known at the centre", func() bool {
		v, err := s.records.Commands(t.Context(), d.name, 10)
		return err == nil && len(v) == 3 && v[0].Result == "done" && v[1].Result == "done" && v[1].Detail == "well" && v[2].Result == "expired"
	})
	if asked.Load() != 1 || locked.Load() != 1 {
		t.Errorf("asked %d times, locked %d times; want each once", asked.Load(), locked.Load())
	}
}
