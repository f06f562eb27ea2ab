package desk

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"limen/sync/fleet"
	"limen/sync/wire"
)

// ICEServer is a STUN or TURN server, through which browsers and devices that
// cannot reach each other find a way.
type ICEServer struct {
	URLs       []string `json:"urls" yaml:"urls"`
	Username   string   `json:"username,omitempty" yaml:"username"`
	Credential string   `json:"credential,omitempty" yaml:"credential"`
}

// Check finds what a browser would refuse.
func (s ICEServer) Check() error {
	if len(s.URLs) == 0 {
		return errors.New("a server has urls, such as stun:stun.example:3478")
	}
	for _, u := range s.URLs {
		scheme, rest, _ := strings.Cut(u, ":")
		switch {
		case scheme != "stun" && scheme != "stuns" && scheme != "turn" && scheme != "turns" || rest == "" || strings.HasPrefix(rest, "//"):
			return fmt.Errorf("%q is no address such as stun:stun.example:3478 or turns:turn.example:5349", u)
		case strings.HasPrefix(scheme, "turn") && (s.Username == "" || s.Credential == ""):
			return fmt.Errorf("%s wants a username and a credential", u)
		}
	}
	return nil
}

// cameraView is the page that shows a device's camera.
type cameraView struct {
	Name   string
	ICE    string // JSON: RTCConfiguration.iceServers
	Reason reasonForm
}

func (d *Desk) showCamera(w http.ResponseWriter, r *http.Request, v visit) error {
	one, err := d.centre.Device(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	servers, err := json.Marshal(append([]ICEServer{}, d.opts.ICEServers...))
	if err != nil {
		return err
	}
	return d.show(w, r, v, http.StatusOK, "camera", view{Title: "Camera of " + one.Name, Page: "fleet", Data: cameraView{Name: one.Name, ICE: string(servers)}})
}

// How long the page is kept waiting for the device's answer, and how often it
// is looked for: the answer may come to another process of the centre.
const (
	viewPatience = 25 * time.Second
	viewLook     = 150 * time.Millisecond
)

// askCamera asks a device for its camera's picture, for a browser that gave its
// session description, and waits for the device's. The audit has it first.
func (d *Desk) askCamera(w http.ResponseWriter, r *http.Request, v visit) error {
	ctx := r.Context()
	one, err := d.centre.Device(ctx, r.PathValue("name"))
	if err != nil {
		return err
	}
	reason, offer := readReason(r), r.PostFormValue("offer")
	switch {
	case reason.Wrong != "":
		return tellView(w, http.StatusBadRequest, viewAnswer{Wrong: reason.Wrong})
	case len(offer) == 0 || len(offer) > wire.MaxView:
		return tellView(w, http.StatusBadRequest, viewAnswer{Wrong: fmt.Sprintf("The browser's offer has %d bytes; it has 1 to %d.", len(offer), wire.MaxView)})
	}
	if err := d.note(r, v.Person, fleet.ActionView, one.Name, reason.String()); err != nil {
		return err
	}
	id, err := d.records.AskView(ctx, one.Name, v.Name, reason.String(), offer, d.now())
	if err != nil {
		return err
	}
	late := time.NewTimer(viewPatience)
	defer late.Stop()
	look := time.NewTicker(viewLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil // nobody waits any more, and nobody connects
		case <-late.C:
			return tellView(w, http.StatusGatewayTimeout, viewAnswer{Wrong: "The device has not answered. See that it is online, that its clock is right, and ask again."})
		case <-look.C:
		}
		known, err := d.records.View(ctx, one.Name, id)
		switch {
		case err != nil:
			return err
		case known.Refused != "":
			return tellView(w, http.StatusConflict, viewAnswer{Wrong: "The device does not show its camera: " + known.Refused})
		case known.Answer != "":
			return tellView(w, http.StatusOK, viewAnswer{ID: hex.EncodeToString(id), Answer: known.Answer})
		}
	}
}

// viewAnswer is what the page's script hears.
type viewAnswer struct {
	ID     string `json:"id,omitempty"`
	Answer string `json:"answer,omitempty"`
	Wrong  string `json:"wrong,omitempty"`
	Ended  string `json:"ended,omitempty"`
}

func tellView(w http.ResponseWriter, status int, a viewAnswer) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(a)
}

// endedCamera tells why a live view ended, once the device told.
func (d *Desk) endedCamera(w http.ResponseWriter, r *http.Request, _ visit) error {
	id, err := hex.DecodeString(r.PathValue("id"))
	if err != nil || len(id) != wire.ViewIDSize {
		err = fleet.ErrNoView
	}
	var known fleet.LiveView
	if err == nil {
		known, err = d.records.View(r.Context(), r.PathValue("name"), id)
	}
	if errors.Is(err, fleet.ErrNoView) {
		return tellView(w, http.StatusNotFound, viewAnswer{Wrong: "There is no such live view."})
	}
	if err != nil {
		return err
	}
	return tellView(w, http.StatusOK, viewAnswer{Ended: known.Ended})
}
