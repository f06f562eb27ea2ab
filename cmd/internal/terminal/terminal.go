// Package terminal puts an inspection system's certificates and keys together,
// for every command that opens chips with them: a folder of certificates with
// keys in files beside them, or in a token.
package terminal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"limen/hw/keystore"
	"limen/hw/keystore/token"
	"limen/mrtd/cvc"
)

// Config says where certificates and keys are.
type Config struct {
	Folder string        // *.cvcert, and *.pem for keys in software
	Token  *token.Config // nil for none; its keys are labelled with their certificates' holder references
}

// System is an inspection system at hand. Close it.
type System struct {
	*cvc.InspectionSystem
	token *token.Token
}

// Open reads the folder and opens the token, whose PIN is asked for. at is the
// day of the inspections. It fails where no certificate of an inspection system
// has its key: such a terminal opens nothing.
func Open(ctx context.Context, cfg Config, pin keystore.Passphrase, at time.Time) (*System, error) {
	s, err := open(ctx, cfg, pin, at)
	if err != nil {
		return nil, fmt.Errorf("cannot use the inspection system's certificates and keys: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, cfg Config, pin keystore.Passphrase, at time.Time) (*System, error) {
	if err := guarded(cfg.Folder); err != nil {
		return nil, err
	}
	system, err := cvc.Load(os.DirFS(cfg.Folder), at)
	if err != nil {
		return nil, err
	}
	s := &System{InspectionSystem: system}
	if cfg.Token != nil {
		if s.token, err = token.Open(*cfg.Token, pin); err != nil {
			return nil, err
		}
		if err := s.fromToken(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if len(s.Keys) == 0 {
		return nil, errors.Join(fmt.Errorf("no key for any certificate in %s: put its *.pem there, or name the token that holds it", cfg.Folder), s.Close())
	}
	return s, nil
}

// fromToken takes the keys of those certificates for which there is none yet.
func (s *System) fromToken(ctx context.Context) error {
	for _, c := range s.Certificates {
		if c.Authorization.Role != cvc.Terminal || s.Keys[c.Holder] != nil {
			continue
		}
		signer, err := s.token.Signer(ctx, c.Holder)
		switch {
		case err == nil:
			s.Keys[c.Holder] = signer
		case !errors.Is(err, token.ErrNoKey):
			return err
		}
	}
	return nil
}

// Close closes the token.
func (s *System) Close() error {
	if s.token == nil {
		return nil
	}
	return s.token.Close()
}

// guarded refuses keys that others than their owner could read.
func guarded(folder string) error {
	names, err := filepath.Glob(filepath.Join(folder, "*.pem"))
	if err != nil {
		return err
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			return fmt.Errorf("%s has mode %04o, others may read the key: chmod 0600 %s, and consider the key known", name, mode, name)
		}
	}
	return nil
}
