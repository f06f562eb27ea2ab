package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen"
	"limen/capture/liveview"
	"limen/sync/view"
)

// viewLimit is how long the centre's people see a camera at most.
const viewLimit = 5 * time.Minute

// answerLimit bounds how long the answer to a browser takes: servers that are
// asked for the device's own address may not answer.
const answerLimit = 10 * time.Second

// openLiveView takes the centre's requests to see the camera. A device whose
// configuration does not allow it takes them too: they are recorded.
func (a *assembly) openLiveView(centre note.Verifier) {
	a.views = view.New(view.Options{
		Device: a.cfg.Device, Keys: note.VerifierList(centre), Centre: a.uplink, Show: a.showCentre, Log: a.log,
		Refused: func(no view.Refusal) {
			a.note("view_refused", "camera", fmt.Sprintf("%s, %d times: %s", no.Why, no.Times, no.Detail))
		},
	})
}

// showCentre lets one browser of the centre see the camera. The consent light
// is on and the journal has it before the browser gets its answer, and so
// before the first picture.
func (a *assembly) showCentre(ctx context.Context, r view.Request, offer string) (answer string, ended <-chan string, err error) {
	asked := fmt.Sprintf("asked for by %s: %s", r.By, r.Why)
	no := func(why error) (string, <-chan string, error) {
		a.note("view_refused", "camera", fmt.Sprintf("%v, %s", why, asked))
		return "", nil, why
	}
	switch {
	case !a.cfg.Uplink.LiveView:
		return no(errors.New("its configuration does not allow it (uplink.live_view)"))
	case a.live == nil:
		return no(errors.New("it has no camera"))
	case !a.watched.CompareAndSwap(false, true):
		return no(errors.New("somebody of the centre watches already"))
	}
	a.console.SetWatched(true)
	off := func() {
		a.console.SetWatched(false)
		a.watched.Store(false)
	}
	if err := a.record(limen.Notice{What: "view_began", Subject: "camera", Says: asked}); err != nil {
		off()
		a.log.Error("live view not recorded", "error", err)
		return "", nil, errors.New("it cannot record that it is watched")
	}
	began := time.Now()
	while, stop := context.WithTimeout(context.Background(), a.viewLimit)
	answering, done := context.WithTimeout(ctx, answerLimit)
	defer done()
	answer, gone, err := a.live.AnswerGuest(answering, offer, liveview.Guest{Servers: a.iceServers(), While: while.Done()})
	end := func(how string) {
		off()
		a.note("view_ended", "camera", how+", "+asked)
	}
	if err != nil {
		stop()
		end("it did not begin")
		return "", nil, err
	}
	over := make(chan string, 1)
	a.watching.Go(func() {
		<-gone
		how := "its browser left"
		if while.Err() != nil {
			how = "its time was up"
		}
		stop()
		how = fmt.Sprintf("%s after %d s", how, int(time.Since(began).Seconds()))
		end(how)
		over <- how
	})
	return answer, over, nil
}

func (a *assembly) iceServers() (out []liveview.Server) {
	for _, s := range a.cfg.Uplink.ICEServers {
		out = append(out, liveview.Server{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	return out
}

// view takes what came as a request to see the camera. Who reads the line does
// not wait until nobody watches any more.
func (a *assembly) view(sealed []byte) {
	a.watching.Go(func() {
		if err := a.views.Take(context.Background(), sealed); err != nil {
			a.log.Info("live view", "error", err)
		}
	})
}
