package console

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"

	"limen"
)

// maxBody bounds what a page may post; an offer is the longest.
const maxBody = 64 << 10

// readJSON reads a posted object and answers the page when it is none.
func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if r.Header.Get("Content-Type") != "application/json" || dec.Decode(into) != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": "This is not what the page posts."})
		return false
	}
	return true
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a page that left needs no answer
}

// refuse answers with a word of the page.
func (s *Server) refuse(w http.ResponseWriter, status int, word string) {
	answer(w, status, map[string]string{"error": s.words.Page[word]})
}

// officerNumber is what identifies an officer: a number or short word, no name.
var officerNumber = regexp.MustCompile(`^[A-Za-z0-9._-]{1,32}$`)

// serveDecide takes an officer's decision about the current inspection.
func (s *Server) serveDecide(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Inspection string        `json:"inspection"`
		Outcome    limen.Outcome `json:"outcome"`
		Officer    string        `json:"officer"`
		Grounds    string        `json:"grounds"`
	}
	if !readJSON(w, r, &in) {
		return
	}
	switch {
	case !officerNumber.MatchString(in.Officer) || in.Grounds == "":
		s.refuse(w, http.StatusBadRequest, "decide_missing")
		return
	case !slices.Contains(grounds[in.Outcome], in.Grounds):
		s.refuse(w, http.StatusBadRequest, "grounds_mismatch")
		return
	}
	c := s.beginDecision(in.Inspection)
	if c == nil {
		s.refuse(w, http.StatusConflict, "decide_late")
		return
	}
	err := s.opts.Officer.Decide(r.Context(), in.Inspection, in.Outcome, in.Officer, in.Grounds)
	s.endDecision(c, &decided{in.Outcome, in.Officer, in.Grounds}, err)
	if err != nil {
		s.refuse(w, http.StatusBadGateway, "decide_failed")
		return
	}
	answer(w, http.StatusOK, struct{}{})
}

// beginDecision claims the current inspection for one decision: nil when it is
// another one, is not referred, or is decided already.
func (s *Server) beginDecision(id string) *inspection {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.current
	if s.opts.Officer == nil || c == nil || c.id != id || c.finished == nil || c.decision().Outcome != limen.Refer || c.deciding || c.decided != nil {
		return nil
	}
	c.deciding = true
	return c
}

func (s *Server) endDecision(c *inspection, d *decided, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.deciding = false
	if err != nil || s.closed {
		return
	}
	c.decided = d
	if s.current == c {
		s.forgetLater()
	}
	for i := range s.session { // the next traveler may have come meanwhile
		if s.session[i].id == c.id {
			s.session[i].officer = d.outcome
		}
	}
	s.announce()
}

// cardAccessNumber is a CAN as documents print it: six digits.
var cardAccessNumber = regexp.MustCompile(`^[0-9]{6}$`)

// serveCAN hands a typed card access number on and keeps nothing of it.
func (s *Server) serveCAN(w http.ResponseWriter, r *http.Request) {
	var in struct {
		CAN string `json:"can"`
	}
	if !readJSON(w, r, &in) {
		return
	}
	switch {
	case s.opts.CAN == nil:
		http.NotFound(w, r)
	case !cardAccessNumber.MatchString(in.CAN):
		s.refuse(w, http.StatusBadRequest, "can_bad")
	default:
		s.opts.CAN.SetCAN(in.CAN)
		answer(w, http.StatusOK, struct{}{})
	}
}

// serveLive passes a page's WebRTC offer on.
func (s *Server) serveLive(w http.ResponseWriter, r *http.Request) {
	var in struct {
		SDP string `json:"sdp"`
	}
	if !readJSON(w, r, &in) {
		return
	}
	if s.opts.Live == nil {
		http.NotFound(w, r)
		return
	}
	sdp, err := s.opts.Live.Answer(r.Context(), in.SDP)
	if err != nil {
		answer(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
		return
	}
	answer(w, http.StatusOK, map[string]string{"sdp": sdp})
}
