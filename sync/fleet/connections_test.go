package fleet

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"limen/internal/repotest"
	"limen/sync/wire"
)

var crowdSize = flag.Int("devices", 1000, "how many devices BenchmarkConnections connects")

// asCrowd is set in a child process that is to be many devices.
const asCrowd = "LIMEN_TEST_CROWD"

type crowdConfig struct {
	Addr, Authority string
	Devices         int
}

// beCrowd connects many devices, each with a certificate of its own, a
// subscription to its receipts, a birth and a last will, and connects again
// whatever is lost. It says how many are connected whenever all are.
func beCrowd(config string) error {
	var c crowdConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	if err := moreFiles(); err != nil {
		return err
	}
	a, err := OpenAuthority(c.Authority)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // one for all: making them is not what is measured
	if err != nil {
		return err
	}
	var connected atomic.Int64
	turn := make(chan struct{}, 64) // handshakes at a time
	failed := make(chan error, c.Devices)
	for k := range c.Devices {
		name := fmt.Sprintf("device-%d", k)
		template := a.template(name, certificateLife)
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		template.SerialNumber = big.NewInt(int64(k) + 1)
		der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
		if err != nil {
			return err
		}
		t := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
		go func() {
			for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
				turn <- struct{}{}
				conn, err := attach(c.Addr, name, t)
				<-turn
				if err != nil {
					time.Sleep(pause)
					continue
				}
				pause = 100 * time.Millisecond
				if connected.Add(1) == int64(c.Devices) {
					fmt.Println("all")
				}
				_, err = io.Copy(io.Discard, conn)
				conn.Close()
				connected.Add(-1)
				if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
					fmt.Fprintln(os.Stderr, name, err)
				}
			}
		}()
	}
	return <-failed
}

// attach is the least of an MQTT 3.1.1 client: CONNECT with a will, SUBSCRIBE,
// a retained PUBLISH, and their answers.
func attach(addr, name string, t *tls.Config) (net.Conn, error) {
	raw, err := net.DialTimeout("tcp", addr, 20*time.Second)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, t)
	conn.SetDeadline(time.Now().Add(60 * time.Second))
	say := func(state wire.State) []byte {
		b, _ := wire.Status{Device: name, Session: "s", State: state}.Encode()
		return b
	}
	status := wire.Topic(name, wire.KindStatus)
	var b []byte
	b = append(b, packet(0x10, text16("MQTT"), []byte{4, 0x02 | 0x04 | 0x08 | 0x20, 0, 0}, text16(name), text16(status), text16(string(say(wire.StateLost))))...)
	b = append(b, packet(0x82, []byte{0, 1}, text16(wire.Topic(name, wire.KindReceipt)), []byte{0})...)
	b = append(b, packet(0x33, text16(status), []byte{0, 2}, say(wire.StateRunning))...)
	if _, err = conn.Write(b); err == nil {
		answers := make([]byte, 4+5+4) // CONNACK, SUBACK, PUBACK
		if _, err = io.ReadFull(conn, answers); err == nil && (answers[0] != 0x20 || answers[3] != 0) {
			err = fmt.Errorf("the broker says %x", answers)
		}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, conn.SetDeadline(time.Time{})
}

func text16(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}

func packet(kind byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	b := []byte{kind}
	for n := len(body); ; {
		digit := byte(n & 127)
		if n >>= 7; n > 0 {
			digit |= 128
		}
		if b = append(b, digit); n == 0 {
			return append(b, body...)
		}
	}
}

// moreFiles raises the limit of open files as far as it goes.
func moreFiles() error {
	limit := syscall.Rlimit{Cur: 1 << 17, Max: 1 << 17}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		return nil
	}
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// BenchmarkConnections is many devices on one centre, and all of them coming
// back after its broker was restarted. They are another process.
func BenchmarkConnections(b *testing.B) {
	if err := moreFiles(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s := newSite(b)
		s.start()
		heap, resident := memory(b)
		config, err := json.Marshal(crowdConfig{s.MQTTAddr(), s.authority.dir, *crowdSize})
		if err != nil {
			b.Fatal(err)
		}
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), asCrowd+"="+string(config))
		out, outW, err := os.Pipe()
		if err != nil {
			b.Fatal(err)
		}
		child.Stdout = outW
		begun := time.Now()
		p, err := repotest.StartProcess(child)
		outW.Close()
		if err != nil {
			b.Fatal(err)
		}
		var ended sync.Once
		end := func() { ended.Do(func() { p.Kill(); out.Close() }) }
		b.Cleanup(end)
		all := bufio.NewScanner(out)
		if !all.Scan() {
			b.Fatal(p.Said())
		}
		b.ReportMetric(time.Since(begun).Seconds(), "s-to-connect")
		h, r := memory(b)
		b.ReportMetric(float64(h-heap)/float64(*crowdSize)/1024, "heap-KiB/device")
		b.ReportMetric(float64(r-resident)/float64(*crowdSize)/1024, "resident-KiB/device")
		begun = time.Now()
		if err := s.broker.renew(); err != nil {
			b.Fatal(err)
		}
		if !all.Scan() {
			b.Fatal(p.Said())
		}
		b.ReportMetric(time.Since(begun).Seconds(), "s-to-come-back")
		if n := len(s.broker.connected()); n != *crowdSize {
			b.Errorf("connected: got %d, want %d", n, *crowdSize)
		}
		end()
		if err := s.stop(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(*crowdSize), "devices")
}
