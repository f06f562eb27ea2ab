package cvcam

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// rtspCamera serves motion JPEG by RTSP over TCP (RFC 2326, RFC 2435) to one
// viewer at a time: so many frames, then then is called with the connection.
func rtspCamera(t *testing.T, picture []byte, frames int, then func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if playRTSP(conn, picture, frames) {
				then(conn)
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-ended })
	return "rtsp://user:secret@" + listener.Addr().String() + "/live"
}

// playRTSP answers requests until PLAY, then sends frames; it tells whether all
// were sent.
func playRTSP(conn net.Conn, picture []byte, frames int) bool {
	in := textproto.NewReader(bufio.NewReader(conn))
	for {
		request, err := in.ReadLine()
		if err != nil {
			return false
		}
		header, err := in.ReadMIMEHeader()
		if err != nil {
			return false
		}
		method, _, _ := strings.Cut(request, " ")
		more, body := "", ""
		switch method {
		case "OPTIONS":
			more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
		case "DESCRIBE":
			body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track1\r\n"
			more = fmt.Sprintf("Content-Type: application/sdp\r\nContent-Length: %d\r\n", len(body))
		case "SETUP":
			more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
		default:
			more = "Session: 1\r\n"
		}
		if _, err := fmt.Fprintf(conn, "RTSP/1.0 200 OK\r\nCSeq: %s\r\n%s\r\n%s", header.Get("Cseq"), more, body); err != nil {
			return false
		}
		if method == "PLAY" {
			break
		}
	}
	var sequence uint16 // counts RTP packets
	for n := range frames {
		<-time.After(20 * time.Millisecond) // the camera's own pace
		if err := sendJPEG(conn, picture, n, &sequence); err != nil {
			return false
		}
	}
	return true
}

// sendJPEG sends one picture of 320x240 made by image/jpeg: baseline, 4:2:0, the
// standard's Huffman tables, its quantization tables in the first packet.
func sendJPEG(conn net.Conn, picture []byte, n int, sequence *uint16) error {
	var tables []byte
	for at := 2; ; {
		marker, length := picture[at+1], int(binary.BigEndian.Uint16(picture[at+2:]))
		if marker == 0xDB {
			for p := at + 4; p < at+2+length; p += 65 {
				tables = append(tables, picture[p+1:p+65]...)
			}
		}
		at += 2 + length
		if marker == 0xDA {
			picture = picture[at : len(picture)-2]
			break
		}
	}
	for offset := 0; offset < len(picture); {
		payload := []byte{0, byte(offset >> 16), byte(offset >> 8), byte(offset), 1, 255, 320 / 8, 240 / 8}
		if offset == 0 {
			payload = append(payload, 0, 0, byte(len(tables)>>8), byte(len(tables)))
			payload = append(payload, tables...)
		}
		part := picture[offset:min(offset+1200, len(picture))]
		offset += len(part)
		rtp := []byte{0x80, 26, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}
		if offset == len(picture) {
			rtp[1] |= 0x80
		}
		*sequence++
		binary.BigEndian.PutUint16(rtp[2:], *sequence)
		binary.BigEndian.PutUint32(rtp[4:], uint32(n)*90000/50)
		packet := append(append(rtp, payload...), part...)
		frame := append([]byte{'$', 0, byte(len(packet) >> 8), byte(len(packet))}, packet...)
		if _, err := conn.Write(frame); err != nil {
			return err
		}
	}
	return nil
}

// An RTSP camera that breaks off or falls silent is reported in a bounded time,
// with what to do and without its password.
func TestRTSPCameraThatDrops(t *testing.T) {
	picture := jpegOf(t, 320, 240)
	if !bytes.Contains(picture, []byte{0xFF, 0xC0}) {
		t.Fatal("the picture is no baseline JPEG")
	}
	for name, then := range map[string]func(net.Conn){
		"breaks off":   func(net.Conn) {},
		"falls silent": func(c net.Conn) { c.SetReadDeadline(time.Now().Add(20 * time.Second)); c.Read(make([]byte, 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			source := rtspCamera(t, picture, 60, then)
			start := time.Now()
			n, _, err := watch(t, Options{Source: source, ReadTimeout: time.Second, OpenTimeout: 5 * time.Second}, 1000)
			if n == 0 || !errors.Is(err, ErrGone) {
				t.Errorf("%d frames, then %v; want some, then %v", n, err, ErrGone)
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "check its power")) {
				t.Errorf("got %q, want the next action and no password", err)
			}
			if took := time.Since(start); took > 15*time.Second {
				t.Errorf("reported after %v, want a bounded time", took)
			}
		})
	}
}
