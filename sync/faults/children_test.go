package faults

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/sync/fleet"
	"limen/sync/journal"
	"limen/sync/outbox"
	"limen/sync/uplink"
	"limen/sync/wire"
)

// agentConfig is what an appliance's process needs.
type agentConfig struct {
	Store, Broker, CA string
	Files             fleet.Files
	ReceiptKey        string
	Name              string
	Seed, Life        uint64 // of the run; how often it was started before
	Appending         bool
}

type agentKey ed25519.PrivateKey

func keyOf(seed uint64) agentKey {
	sum := sha256.Sum256(fmt.Append(nil, "limen faults ", seed))
	return agentKey(ed25519.NewKeyFromSeed(sum[:]))
}

func (k agentKey) Sign(m []byte) ([]byte, error) {
	return ed25519.Sign(ed25519.PrivateKey(k), m), nil
}

func (k agentKey) PublicKey() []byte { return ed25519.PrivateKey(k).Public().(ed25519.PublicKey) }

func openJournal(store, name string, seed uint64) (*journal.Journal, error) {
	return journal.Open(filepath.Join(store, "journal"), journal.Options{Key: make([]byte, 32), Name: wire.Origin(name), Signer: keyOf(seed), Reserve: 1 << 20})
}

func openOutbox(store, name string, j *journal.Journal, receiptKey string) (*outbox.Outbox, error) {
	v, err := note.NewVerifier(receiptKey)
	if err != nil {
		return nil, err
	}
	return outbox.Open(outbox.Options{Journal: j, Device: name, Centre: v, Path: filepath.Join(store, "receipt")})
}

// beAgent appends inspections, says each that the journal acknowledged and
// how far receipts reach, and carries all to the centre, until it is killed.
//
//	A index sha256    the journal's word
//	R entries         the centre's
//	Q entries         it appends no more: a line on its input asked for that
func beAgent(config string) error {
	var c agentConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	j, err := openJournal(c.Store, c.Name, c.Seed)
	if err != nil {
		return err
	}
	o, err := openOutbox(c.Store, c.Name, j, c.ReceiptKey)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.Files.Certificate, c.Files.Key)
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(c.CA)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	u, err := uplink.New(uplink.Options{
		Broker: c.Broker, Device: c.Name, TLS: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool}, Outbox: o, Software: "faults",
		ConnectTimeout: 2 * time.Second, ReceiptTimeout: 250 * time.Millisecond, RefusedPause: 100 * time.Millisecond,
		BackoffMin: 10 * time.Millisecond, BackoffMax: 50 * time.Millisecond, MaxEntries: 32,
	})
	if err != nil {
		return err
	}
	var ended atomic.Bool
	var appending sync.WaitGroup
	failed := make(chan error, 3)
	if c.Appending {
		for worker := range 3 {
			appending.Go(func() {
				if err := appendInspections(j, c, worker, &ended); err != nil {
					failed <- err
				}
			})
		}
	}
	go func() {
		bufio.NewScanner(os.Stdin).Scan()
		ended.Store(true)
		appending.Wait()
		fmt.Printf("Q %d\n", j.Size())
	}()
	go func() {
		for said := uint64(0); ; time.Sleep(2 * time.Millisecond) {
			if at := o.Position(); at > said {
				said = at
				fmt.Printf("R %d\n", at)
			}
		}
	}()
	go func() { failed <- u.Run(context.Background()) }()
	return <-failed
}

// appendInspections appends bodies that are each different from all others.
func appendInspections(j *journal.Journal, c agentConfig, worker int, ended *atomic.Bool) error {
	lots := rand.New(rand.NewPCG(c.Seed, c.Life<<8|uint64(worker)))
	for n := 0; !ended.Load(); n++ {
		body := fmt.Appendf(nil, "inspection of run %d, life %d, lane %d, number %d ", c.Seed, c.Life, worker, n)
		body = append(body, make([]byte, lots.IntN(900))...)
		r, err := j.Append(context.Background(), body)
		switch {
		case errors.Is(err, journal.ErrFull):
			time.Sleep(10 * time.Millisecond)
			continue
		case err != nil:
			return err
		}
		fmt.Printf("A %d %x\n", r.Index, sha256.Sum256(body)) // one write: whole lines only
		time.Sleep(time.Duration(lots.IntN(4000)) * time.Microsecond)
	}
	return nil
}

// beCentre runs a centre, or the part of it that is its role.
func beCentre(config string) error {
	var c centreConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	centre, err := fleet.Open(fleet.Config{
		Role: c.Role, Dir: c.Dir, Database: c.Database, ReceiptKey: c.ReceiptKey, MQTT: c.MQTT, Queue: c.Queue,
		CA: c.CA, Certificate: c.Files.Certificate, Key: c.Files.Key, Devices: c.Devices,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return centre.Run(context.Background())
}

type centreConfig struct {
	Role                    fleet.Role
	Dir, Database, MQTT, CA string
	ReceiptKey              string
	Files                   fleet.Files
	Queue                   fleet.Queue
	Devices                 []fleet.Enrolled
}

// inspected is what a device's store says of itself, to one who opens it.
type inspected struct {
	Error   string // it does not open, or does not verify: it was noticed
	Entries []string
}

// beInspector opens a device's store and prints what it finds.
func beInspector(config string) error {
	var c agentConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	var found inspected
	if err := found.read(c); err != nil {
		found.Error = err.Error()
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func (f *inspected) read(c agentConfig) error {
	j, err := openJournal(c.Store, c.Name, c.Seed)
	if err != nil {
		return err
	}
	defer j.Close()
	if _, err := openOutbox(c.Store, c.Name, j, c.ReceiptKey); err != nil {
		return err
	}
	for i := range j.Size() {
		e, err := j.Entry(i)
		if err != nil {
			return err
		}
		f.Entries = append(f.Entries, fmt.Sprintf("%x", sha256.Sum256(e.Body)))
	}
	v, err := j.Verify(context.Background(), journal.Check{})
	if err == nil && v.Fault != nil {
		err = errors.New(v.Fault.String())
	}
	return err
}
