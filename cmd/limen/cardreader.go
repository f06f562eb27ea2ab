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

// openReader opens a reader by its name and waits for a card. The caller calls
// done when it needs the card no more.
func openReader(con *cli.Console, name string, wait time.Duration) (card apdu.Card, done func(), err error) {
	kind, rest, _ := strings.Cut(name, ":")
	switch {
	case kind == "pcsc":
		return openPCSC(con, rest, wait)
	case kind == "pn532" && rest != "":
		return openPN532(con, rest, wait)
	}
	return nil, nil, cli.Usage(fmt.Errorf("--reader %q is none of pcsc, pcsc:NAME, pn532:TTY", name))
}

func openPCSC(con *cli.Console, name string, wait time.Duration) (apdu.Card, func(), error) {
	reader, err := pcsc.Open(con, name)
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(con.Errors, "waiting for a document on %s\n", reader.Name())
	limit, stop := context.WithTimeout(con, wait)
	defer stop()
	card, err := reader.WaitCard(limit)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no chip came to %s within %v: lay the document on the reader", reader.Name(), wait)
		}
		return nil, nil, errors.Join(err, reader.Close())
	}
	return card, func() {
		card.Close(context.WithoutCancel(con))
		reader.Close()
	}, nil
}

func openPN532(con *cli.Console, tty string, wait time.Duration) (apdu.Card, func(), error) {
	port, err := serialport.Open(con, tty, serialport.Mode{Baud: 115200})
	if err != nil {
		return nil, nil, err
	}
	reader, err := pn532.Open(con, port, pn532.Options{})
	if err != nil {
		return nil, nil, errors.Join(err, port.Close())
	}
	done := func() {
		closing, stop := context.WithTimeout(context.WithoutCancel(con), time.Second)
		defer stop()
		reader.Close(closing)
		port.Close()
	}
	fmt.Fprintf(con.Errors, "waiting for a document on %s (%d baud)\n", reader.Firmware(), reader.Baud())
	target, err := reader.Poll(con, wait)
	if err != nil {
		done()
		if errors.Is(err, pn532.ErrNoCard) {
			err = fmt.Errorf("no chip came to the PN532 at %s within %v: lay the document on the reader", tty, wait)
		}
		return nil, nil, err
	}
	return target, done, nil
}
