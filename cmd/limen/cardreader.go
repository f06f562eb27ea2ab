package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"limen/cmd/internal/cli"
	"limen/hw/pcsc"
	"limen/hw/pn532"
	"limen/hw/serialport"
	"limen/mrtd/apdu"
)

// cardReader is an open reader. next waits for a card, the same one again too.
type cardReader struct {
	name  string
	next  func(ctx context.Context, wait time.Duration) (apdu.Card, error)
	close func()
}

// openReader opens a reader by its name.
func openReader(con *cli.Console, name string) (*cardReader, error) {
	kind, rest, _ := strings.Cut(name, ":")
	switch {
	case kind == "pcsc":
		return openPCSC(con, rest)
	case kind == "pn532" && rest != "":
		return openPN532(con, rest)
	}
	return nil, cli.Usage(fmt.Errorf("--reader %q is none of pcsc, pcsc:NAME, pn532:TTY", name))
}

func openPCSC(con *cli.Console, name string) (*cardReader, error) {
	reader, err := pcsc.Open(con, name)
	if err != nil {
		return nil, err
	}
	return &cardReader{
		name: reader.Name(),
		next: func(ctx context.Context, wait time.Duration) (apdu.Card, error) {
			limit, stop := context.WithTimeout(ctx, wait)
			defer stop()
			card, err := reader.WaitCard(limit)
			switch {
			case errors.Is(err, context.DeadlineExceeded):
				return nil, fmt.Errorf("no chip came to %s within %v: lay the document on the reader", reader.Name(), wait)
			case err != nil:
				return nil, err
			}
			return card, nil
		},
		close: func() { reader.Close() },
	}, nil
}

func openPN532(con *cli.Console, tty string) (*cardReader, error) {
	port, err := serialport.Open(con, tty, serialport.Mode{Baud: 115200})
	if err != nil {
		return nil, err
	}
	reader, err := pn532.Open(con, port, pn532.Options{})
	if err != nil {
		return nil, errors.Join(err, port.Close())
	}
	return &cardReader{
		name: fmt.Sprintf("%s (%d baud)", reader.Firmware(), reader.Baud()),
		next: func(ctx context.Context, wait time.Duration) (apdu.Card, error) {
			target, err := reader.Poll(ctx, wait)
			switch {
			case errors.Is(err, pn532.ErrNoCard):
				return nil, fmt.Errorf("no chip came to the PN532 at %s within %v: lay the document on the reader", tty, wait)
			case err != nil:
				return nil, err
			}
			return target, nil
		},
		close: func() {
			closing, stop := context.WithTimeout(context.WithoutCancel(con), time.Second)
			defer stop()
			reader.Close(closing)
			port.Close()
		},
	}, nil
}
