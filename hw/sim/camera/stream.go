package camera

import (
	"fmt"
	"net/http"
	"time"
)

const (
	boundary   = "limen-frame"
	writeLimit = 2 * time.Second // a client that takes nothing for so long is cut
)

// serve streams to one client until it leaves, the camera is unplugged or stops.
func (c *Camera) serve(w http.ResponseWriter, r *http.Request) {
	v := &viewer{frames: make(chan []byte, 1)}
	c.mu.Lock()
	plugged := c.plugged
	if plugged.Err() == nil {
		c.viewers[v] = struct{}{}
		select {
		case c.watched <- struct{}{}:
		default:
		}
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.viewers, v)
		c.mu.Unlock()
	}()
	if plugged.Err() != nil {
		panic(http.ErrAbortHandler) // cuts the connection without an answer
	}

	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary="+boundary)
	w.Header().Set("Cache-Control", "no-store")
	for {
		select {
		case <-r.Context().Done():
			return
		case <-plugged.Done():
			panic(http.ErrAbortHandler)
		case frame := <-v.frames:
			if control.SetWriteDeadline(time.Now().Add(writeLimit)) != nil || writePart(w, frame) != nil || control.Flush() != nil {
				return
			}
		}
	}
}

// writePart writes one picture: boundary, type, length, bytes. Readers that
// trust the length need not search the picture for the boundary.
func writePart(w http.ResponseWriter, frame []byte) error {
	_, err := fmt.Fprintf(w, "--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", boundary, len(frame))
	if err == nil {
		_, err = w.Write(frame)
	}
	if err == nil {
		_, err = w.Write([]byte("\r\n"))
	}
	return err
}
