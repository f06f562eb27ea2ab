package console

import (
	"bufio"
	"encoding/json"
	"errors"
	"image/jpeg"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"limen"
)

// insider is a client that came in by the printed address.
func insider(t *testing.T, s *Server, site *httptest.Server) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	response, err := client.Get(s.URL(site.Listener.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Request.URL.Path != "/" || response.Request.URL.RawQuery != "" {
		t.Fatalf("printed address: %s at %s, want the page without the token in its address", response.Status, response.Request.URL)
	}
	return client
}

// ask sends a request and returns its status and the error the page would show.
func ask(t *testing.T, client *http.Client, method, address, body string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var told struct{ Error string }
	_ = json.NewDecoder(response.Body).Decode(&told)
	return response.StatusCode, told.Error
}

func TestOnlyTheOfficersPageGetsIn(t *testing.T) {
	can := &testCAN{}
	s, site := serve(t, Options{CAN: can, Officer: &testOfficer{}})
	play(s, admitted(t, "one"))
	inside := insider(t, s, site)
	outside := &http.Client{Transport: &http.Transport{}}
	defer outside.CloseIdleConnections()
	port := site.Listener.Addr().(*net.TCPAddr).Port
	local := func(host string) string { return (&net.TCPAddr{IP: net.ParseIP(host), Port: port}).String() }
	picture := site.URL + imageAddress("portrait", "one", 1)

	for _, c := range []struct {
		name    string
		client  *http.Client
		method  string
		address string
		headers []string
		want    int
	}{
		{"page with token", inside, "GET", site.URL + "/", nil, 200},
		{"picture with token", inside, "GET", picture, nil, 200},
		{"post from the page", inside, "POST", site.URL + "/can", []string{"Origin", site.URL}, 200},
		{"page without token", outside, "GET", site.URL + "/", nil, 403},
		{"events without token", outside, "GET", site.URL + "/events", nil, 403},
		{"picture without token", outside, "GET", picture, nil, 403},
		{"script without token", outside, "GET", site.URL + "/page/console.js", nil, 403},
		{"wrong token", outside, "GET", site.URL + "/enter?token=AAAA", nil, 403},
		{"no token", outside, "GET", site.URL + "/enter", nil, 403},
		{"wrong cookie", outside, "GET", site.URL + "/", []string{"Cookie", cookieName + "=AAAA"}, 403},
		{"rebound name", inside, "GET", site.URL + "/", []string{"Host", "gate.example"}, 421},
		{"rebound name with port", inside, "GET", picture, []string{"Host", "gate.example:8420"}, 421},
		{"name that looks local", inside, "GET", site.URL + "/", []string{"Host", "127.0.0.1.gate.example"}, 421},
		{"other machine's address", inside, "GET", site.URL + "/", []string{"Host", local("192.0.2.7")}, 421},
		{"the way in by a rebound name", outside, "GET", s.URL(site.Listener.Addr()), []string{"Host", "gate.example"}, 421},
		{"cross-site post", inside, "POST", site.URL + "/can", []string{"Origin", "http://gate.example"}, 403},
		{"post from another port", inside, "POST", site.URL + "/can", []string{"Origin", "http://127.0.0.1:1"}, 403},
		{"post from nowhere", inside, "POST", site.URL + "/can", nil, 403},
		{"post from a sandbox", inside, "POST", site.URL + "/can", []string{"Origin", "null"}, 403},
		{"cross-site read", inside, "GET", picture, []string{"Origin", "http://gate.example"}, 403},
		{"form post", inside, "POST", site.URL + "/can", []string{"Origin", site.URL, "Content-Type", "text/plain"}, 400},
		{"unknown file", inside, "GET", site.URL + "/page/index.html", nil, 404},
	} {
		if got, _ := ask(t, c.client, c.method, c.address, `{"can":"123456"}`, c.headers...); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if got := can.taken(); got != "123456" {
		t.Errorf("card access number handed on: %q, want 123456", got)
	}
}

func TestNothingIsKeptByTheBrowserAndNothingForeignLoads(t *testing.T) {
	s, site := serve(t, Options{})
	play(s, admitted(t, "one"))
	client := insider(t, s, site)
	for _, path := range []string{"/", "/page/console.js", imageAddress("portrait", "one", 1), imageAddress("live", "one", 1)} {
		response, err := client.Get(site.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(path, "/image") {
			if m, err := jpeg.Decode(response.Body); err != nil || m.Bounds().Dx() < 200 {
				t.Errorf("%s: no picture: %v", path, err)
			}
		}
		response.Body.Close()
		if got := response.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q, want no-store", path, got)
		}
		if got := response.Header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") || strings.Contains(got, "unsafe") {
			t.Errorf("%s: Content-Security-Policy %q, want nothing but our own", path, got)
		}
	}
}

// views reads the event stream.
func views(t *testing.T, client *http.Client, address string) (next func() (view, string), stop func()) {
	t.Helper()
	response, err := client.Get(address + "/events")
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	return func() (view, string) {
		t.Helper()
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var v view
				if err := json.Unmarshal([]byte(data), &v); err != nil {
					t.Fatalf("event: %v in %s", err, data)
				}
				return v, data
			}
		}
		t.Fatalf("events ended: %v", lines.Err())
		return view{}, ""
	}, func() { response.Body.Close() }
}

func TestALateViewerGetsTheCurrentState(t *testing.T) {
	s, site := serve(t, Options{Devices: someDevices, Officer: &testOfficer{}})
	play(s, referred(t, "one"))
	next, stop := views(t, insider(t, s, site), site.URL)
	defer stop()
	v, _ := next()
	if v.Phase != "finished" || v.ID != "one" || v.Outcome == nil || v.Outcome.Code != "refer" || !v.MayJudge {
		t.Fatalf("view of a referral: %+v", v)
	}
	if got, want := v.Outcome.Main.Says, "The chip's data was changed after issue: portrait."; got != want {
		t.Errorf("main reason %q, want the gravest, %q", got, want)
	}
	if len(v.Outcome.Others) != 1 || v.Outcome.Advice != "Examine the document" {
		t.Errorf("further reasons %v, advice %q, want one and to examine", v.Outcome.Others, v.Outcome.Advice)
	}
	states := map[string]string{}
	for _, g := range v.Groups {
		states[g.Code] = g.State
	}
	for code, want := range map[string]string{"document": "passed", "chip": "failed", "face": "attention", "lookup": "attention", "record": "passed"} {
		if states[code] != want {
			t.Errorf("part %s: %s, want %s", code, states[code], want)
		}
	}
	if len(v.Devices) != len(someDevices) || v.Devices[2].Says != "Not working" || v.Devices[2].Next == "" {
		t.Errorf("devices %+v, want all, with words and what to do", v.Devices)
	}
	// And what happens next reaches a page that is already there.
	play(s, running(t, "two"))
	for v.ID != "two" || v.Progress == nil {
		v, _ = next()
	}
	if v.Phase != "running" || *v.Progress < .4 || *v.Progress > .5 || len(v.Session) != 1 || v.Session[0].Outcome != "refer" {
		t.Errorf("next inspection: phase %s, progress %v, session %+v", v.Phase, *v.Progress, v.Session)
	}
}

// At a glance a picture's quality names only what misses its mark.
func TestQualityNamesWhatIsLow(t *testing.T) {
	s, _ := serve(t, Options{})
	play(s, admitted(t, "one"))
	s.mu.Lock()
	got := s.view().Personal.Quality
	s.mu.Unlock()
	if len(got) != 2 || got[0].Picture != "portrait" || got[0].Low || got[0].Says != "Portrait in the chip: quality in good order" {
		t.Fatalf("portrait: got %+v", got)
	}
	live := got[1]
	if live.Says != "Live picture: look at even light, brightness" || !live.Low || len(live.Components) != 3 {
		t.Errorf("live: got %+v", live)
	}
	if want := (componentView{"sharpness", "sharpness", 97, false}); live.Components[1] != want {
		t.Errorf("got %+v, want %+v", live.Components[1], want)
	}
}

func TestPersonalDataGoesWithTheNextInspection(t *testing.T) {
	s, site := serve(t, Options{})
	client := insider(t, s, site)
	play(s, admitted(t, "one"))
	next, stop := views(t, client, site.URL)
	defer stop()
	if _, raw := next(); !strings.Contains(raw, "ERIKSSON") || !strings.Contains(raw, "L898902C3") {
		t.Fatalf("view lacks the document's data: %s", raw)
	}
	s.Observe(limen.Event{Inspection: "two", At: noon, Step: limen.StepDocument})
	v, raw := next()
	if v.ID != "two" || strings.Contains(raw, "ERIKSSON") || strings.Contains(raw, "L898902C3") || strings.Contains(raw, "/image/") || strings.Contains(raw, "Port South") {
		t.Errorf("view of the next inspection still tells of the last: %s", raw)
	}
	for _, which := range []string{"portrait", "live"} {
		for _, id := range []string{"one", "two"} {
			if got, _ := ask(t, client, "GET", site.URL+imageAddress(which, id, 1), ""); got != http.StatusNotFound {
				t.Errorf("%s of %s: %d, want 404", which, id, got)
			}
		}
	}
	if len(v.Session) != 1 || v.Session[0].Outcome != "admit" || v.Session[0].Index == nil || *v.Session[0].Index != 4711 {
		t.Errorf("session %+v, want the admission and its record", v.Session)
	}
}

func TestPersonalDataGoesWithTime(t *testing.T) {
	for _, c := range []struct {
		name   string
		events []limen.Event
		phase  string
	}{
		{"admitted", admitted(t, "one"), "idle"},
		{"cut off", running(t, "one"), "idle"},
		{"referred and not decided", referred(t, "one"), "finished"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, err := New(Options{ForgetAfter: time.Minute, Officer: &testOfficer{}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			play(s, c.events)
			time.Sleep(time.Minute - time.Millisecond)
			synctest.Wait()
			if b, _ := s.snapshot(); !strings.Contains(string(b), "ERIKSSON") {
				t.Errorf("%s: gone before its time: %s", c.name, b)
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			b, _ := s.snapshot()
			if strings.Contains(string(b), "ERIKSSON") || strings.Contains(string(b), "/image/") || !strings.Contains(string(b), `"phase":"`+c.phase+`"`) {
				t.Errorf("%s: after its time: %s, want nothing personal and phase %s", c.name, b, c.phase)
			}
			// Whatever still arrives about it brings nothing back.
			if c.phase == "finished" {
				s.Observe(limen.Event{Inspection: "one", At: noon, MRZ: specimenMRZ(t)})
				if b, _ := s.snapshot(); strings.Contains(string(b), "ERIKSSON") {
					t.Errorf("%s: a late event brought personal data back", c.name)
				}
			}
		})
	}
}

func TestAnOfficerDecidesOnceAboutTheReferral(t *testing.T) {
	officer := &testOfficer{}
	s, site := serve(t, Options{Officer: officer})
	client := insider(t, s, site)
	decide := func(inspection, outcome, number, grounds string) (int, string) {
		t.Helper()
		b, _ := json.Marshal(map[string]string{"inspection": inspection, "outcome": outcome, "officer": number, "grounds": grounds})
		return ask(t, client, "POST", site.URL+"/decide", string(b), "Origin", site.URL)
	}
	play(s, admitted(t, "one"))
	if got, _ := decide("one", "refuse", "4711", "refuse_h_alert"); got != http.StatusConflict {
		t.Errorf("deciding about one the machine admitted: %d, want 409", got)
	}
	play(s, running(t, "two"))
	if got, _ := decide("two", "admit", "4711", "identity_confirmed"); got != http.StatusConflict {
		t.Errorf("deciding before the machine has: %d, want 409", got)
	}
	play(s, referred(t, "three"))
	for _, c := range [][4]string{
		{"three", "admit", "", "identity_confirmed"},
		{"three", "admit", "a name", "identity_confirmed"},
		{"three", "admit", "4711", ""},
		{"three", "admit", "4711", "refuse_h_alert"},
		{"three", "refuse", "4711", "identity_confirmed"},
		{"three", "refer", "4711", "identity_confirmed"},
		{"three", "admit", "4711", "because"},
	} {
		if got, told := decide(c[0], c[1], c[2], c[3]); got != http.StatusBadRequest || told == "" {
			t.Errorf("%v: %d %q, want 400 and what is wrong", c, got, told)
		}
	}
	if got, _ := decide("two", "admit", "4711", "identity_confirmed"); got != http.StatusConflict {
		t.Errorf("deciding about an earlier one: %d, want 409", got)
	}
	officer.fail = true
	if got, told := decide("three", "admit", "4711", "identity_confirmed"); got != http.StatusBadGateway || !strings.Contains(told, "could not be stored") {
		t.Errorf("decision that cannot be stored: %d %q, want 502 in words", got, told)
	}
	officer.fail = false
	if got := officer.decisions(); len(got) != 0 {
		t.Fatalf("decisions stored: %v, want none yet", got)
	}
	if got, told := decide("three", "refuse", "4711", "refuse_b_false_document"); got != http.StatusOK {
		t.Errorf("decision: %d %q, want 200", got, told)
	}
	if got, _ := decide("three", "admit", "4711", "identity_confirmed"); got != http.StatusConflict {
		t.Errorf("second decision: %d, want 409", got)
	}
	if got := officer.decisions(); len(got) != 1 || got[0] != "three refuse 4711 refuse_b_false_document" {
		t.Errorf("decisions stored: %v, want the refusal alone", got)
	}
	next, stop := views(t, client, site.URL)
	defer stop()
	if v, _ := next(); v.Outcome.Code != "refuse" || !strings.Contains(v.Outcome.By, "4711") || v.MayJudge {
		t.Errorf("view after the decision: %+v, want the officer's refusal", v.Outcome)
	}
}

func TestNobodyIsAdmittedWithoutARecord(t *testing.T) {
	s, site := serve(t, Options{})
	list := admitted(t, "one")
	list[len(list)-1].Finished.Err = errors.New("disk full")
	play(s, list)
	next, stop := views(t, insider(t, s, site), site.URL)
	defer stop()
	if v, _ := next(); v.Outcome.Code != "refer" || v.Record.Stored || !strings.Contains(v.Outcome.Main.Says, "record") {
		t.Errorf("admission without a record: %+v, want a referral that says so", v.Outcome)
	}
}

func TestObserveNeverWaitsForAPage(t *testing.T) {
	s, site := serve(t, Options{})
	response, err := insider(t, s, site).Get(site.URL + "/events") // and never read from
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	list := admitted(t, "one")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2000 {
			play(s, list)
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("40 000 events not taken in 10 s")
	}
}

func TestCloseEndsStreamsAndForgets(t *testing.T) {
	s, site := serve(t, Options{})
	play(s, admitted(t, "one"))
	client := insider(t, s, site)
	response, err := client.Get(site.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	s.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
	}
	if lines.Err() != nil {
		t.Errorf("stream after Close: %v, want its end", lines.Err())
	}
	s.Observe(limen.Event{Inspection: "two", MRZ: specimenMRZ(t)})
	if b, _ := s.snapshot(); strings.Contains(string(b), "ERIKSSON") {
		t.Error("a closed server holds personal data")
	}
}
