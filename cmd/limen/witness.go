package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"limen/cmd/internal/cli"
	"limen/device"
	"limen/sync/journal"
	"limen/sync/wire"
	"limen/sync/witness"
)

// witnessing is what an appliance does about cosignatures: it cosigns its
// neighbors' checkpoints and has its own cosigned.
type witnessing struct {
	witness   *witness.Witness // nil: it cosigns nobody's
	listener  net.Listener
	secured   *tls.Config
	collector *witness.Collector           // nil: it asks nobody
	centre    *journal.CosignatureVerifier // nil: the centre is no witness here
}

// witnessKeys are the keys of the configured witnesses.
func witnessKeys(c device.WitnessConfig) ([]*journal.CosignatureVerifier, error) {
	var out []*journal.CosignatureVerifier
	for i, a := range c.Ask {
		v, err := journal.ParseCosignatureKey(a.Key)
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("witness.ask[%d].key: %w", i, err))
		}
		for _, other := range out {
			if other.Name() == v.Name() {
				return nil, cli.Usage(fmt.Errorf("witness.ask[%d].key: %s is there twice", i, v.Name()))
			}
		}
		out = append(out, v)
	}
	return out, nil
}

func (a *assembly) openWitness() error {
	c := a.cfg.Witness
	keys, err := witnessKeys(c)
	if err != nil {
		return err
	}
	a.history.Witnessed(keys, c.Quorum)
	client, err := witnessClient(c.CA)
	if err != nil {
		return err
	}
	var peers []witness.Peer
	for i, ask := range c.Ask {
		if ask.URL == "" {
			a.witnessing.centre = keys[i]
			continue
		}
		peers = append(peers, witness.Peer{URL: ask.URL, Key: keys[i], HTTP: client})
	}
	if len(peers) > 0 {
		a.witnessing.collector, err = witness.NewCollector(witness.CollectOptions{Journal: a.journal, Peers: peers, OnState: a.witnessState, Log: a.log})
		if err != nil {
			return err
		}
	}
	if c.Listen == "" {
		return nil
	}
	return a.openNeighborhood(c)
}

// openNeighborhood listens for the neighbors whose checkpoints are cosigned.
func (a *assembly) openNeighborhood(c device.WitnessConfig) error {
	var logs []note.Verifier
	for i, text := range c.Neighbors {
		v, err := note.NewVerifier(text)
		if err != nil {
			return cli.Usage(fmt.Errorf("witness.neighbors[%d]: %w: copy the key whole, as `limen doctor` on the neighbor prints it", i, err))
		}
		logs = append(logs, v)
	}
	dir := c.Store
	if dir == "" {
		dir = filepath.Join(filepath.Dir(filepath.Clean(a.cfg.Store)), "witness") // not inside: whoever sets the store back must not set this back with it
	}
	var err error
	if c.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return fmt.Errorf("cannot load the witness's certificate (witness.certificate, witness.key): %w", err)
		}
		a.witnessing.secured = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}}
	}
	if a.witnessing.witness, err = witness.Open(witness.Options{Dir: dir, Name: wire.Origin(a.cfg.Device), Key: a.keys.Signer(), Logs: logs, Log: a.log}); err != nil {
		return err
	}
	a.closers = append(a.closers, a.witnessing.witness.Close)
	if a.witnessing.listener, err = net.Listen("tcp", c.Listen); err != nil {
		return fmt.Errorf("cannot listen for neighbors' checkpoints (witness.listen): %w", err)
	}
	a.closers = append(a.closers, func() error {
		if err := a.witnessing.listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

// witnessClient asks witnesses; certificates are checked against ca where given.
func witnessClient(ca string) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil // a neighbor is on the site's own network
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("cannot read the witnesses' CA (witness.ca): %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, cli.Usage(fmt.Errorf("witness.ca: %s holds no certificate", ca))
		}
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	}
	// A redirect would take a checkpoint to somebody who was not named.
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

func (a *assembly) witnessState(s witness.PeerState) {
	if errors.Is(s.Err, witness.ErrForked) || errors.Is(s.Err, witness.ErrRolledBack) {
		a.log.Error("a witness contradicts this history", "witness", s.Name, "error", s.Err)
	}
}

// cosigned keeps the centre's cosignature, where it is a witness here.
func (a *assembly) cosigned(size uint64, lines []byte) {
	if a.witnessing.centre == nil {
		return
	}
	if err := witness.Keep(context.Background(), a.journal, size, lines, a.witnessing.centre); err != nil {
		a.log.Warn("the center's cosignature was not kept", "size", size, "error", err)
	}
}

// neighborKeys are what neighbors configure of this appliance: the key of its
// journal, and the key it cosigns with.
func neighborKeys(name string, key journal.Signer) (log, cosigner string, err error) {
	if log, err = note.NewEd25519VerifierKey(wire.Origin(name), key.PublicKey()); err != nil {
		return "", "", err
	}
	v, err := journal.NewCosignatureVerifier(wire.Origin(name), key.PublicKey())
	if err != nil {
		return "", "", err
	}
	return log, v.String(), nil
}
