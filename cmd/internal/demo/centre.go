package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"limen/device"
	"limen/hw/keystore"
	"limen/sync/desk"
	"limen/sync/fleet"
)

// openCentre starts limen-fleet's engine in this process, enrols the gate and
// returns how the gate reaches it.
func (s *Stage) openCentre(ctx context.Context) (device.UplinkConfig, error) {
	authority, err := fleet.NewAuthority(s.path("authority"))
	if err != nil {
		return device.UplinkConfig{}, err
	}
	server, err := authority.Server("127.0.0.1", "localhost")
	if err != nil {
		return device.UplinkConfig{}, err
	}
	client, err := authority.Device(gate)
	if err != nil {
		return device.UplinkConfig{}, err
	}
	keys, err := keystore.Create(s.path("keys"), nil, nil)
	if err != nil {
		return device.UplinkConfig{}, err
	}
	s.centre = fleet.Config{
		Dir: s.path("centre"), MQTT: "127.0.0.1:0", HTTP: "127.0.0.1:0",
		CA: authority.CAPath(), Certificate: server.Certificate, Key: server.Key,
		Devices: []fleet.Enrolled{{Name: gate, PublicKey: keys.Signer().PublicKey()}},
		Pages: func(c *fleet.Centre) (http.Handler, error) {
			d, err := desk.New(c, desk.Options{})
			if err != nil {
				return nil, err
			}
			return d.Handler(), nil
		},
	}
	if err := s.addUser(ctx); err != nil {
		return device.UplinkConfig{}, err
	}
	if err := s.StartCentre(ctx); err != nil {
		return device.UplinkConfig{}, err
	}
	operations, err := fleet.PrepareOperationsKey(s.centre.Dir)
	if err != nil {
		return device.UplinkConfig{}, err
	}
	return device.UplinkConfig{
		OperationsKey: operations,
		Broker:        "tls://" + s.Centre.MQTTAddr(), CA: authority.CAPath(), Certificate: client.Certificate, Key: client.Key,
		ReceiptKey: s.Centre.ReceiptKey(),
	}, nil
}

// User is the account the demo's centre has, in every role but technician.
const User = "demo"

// addUser makes the centre's one account, with a password of this run.
func (s *Stage) addUser(ctx context.Context) error {
	records, err := fleet.CreateRecords(s.centre.Dir)
	if err != nil {
		return err
	}
	s.Password = strings.ToLower(rand.Text()[:16])
	err = records.AddUser(ctx, User, s.Password, fleet.Roles{fleet.Operator, fleet.Supervisor, fleet.PrivacyOfficer}, time.Now())
	return errors.Join(err, records.Close())
}

// StartCentre starts the centre, at the address it had before. A broken-off
// stage ends it with everything else.
func (s *Stage) StartCentre(ctx context.Context) (err error) {
	if s.Centre, err = fleet.Open(s.centre); err != nil {
		return err
	}
	s.centre.MQTT = s.Centre.MQTTAddr()
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	s.StopCentre = func() { stop(); <-ended }
	s.run(ctx, "centre", func(ctx context.Context) error {
		defer close(ended)
		return s.Centre.Run(ctx)
	})
	return nil
}

// centreWait is how long the last entries may take to the centre.
const centreWait = 20 * time.Second

// AwaitCentre waits until the centre holds so many of the gate's entries, and
// returns how many it holds.
func (s *Stage) AwaitCentre(ctx context.Context, entries uint64) (int, error) {
	limit, stop := context.WithTimeout(ctx, centreWait)
	defer stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		stored, err := s.Centre.Stored(gate)
		if err != nil {
			return 0, fmt.Errorf("the centre cannot say what it holds: %w", err)
		}
		if stored >= entries {
			return int(stored), nil
		}
		select {
		case <-limit.Done():
			return int(stored), ctx.Err()
		case <-look.C:
		}
	}
}
