// Package desk is the centre as central operations see it: the pages of the
// fleet, its figures, its alarms, the search for a document's history and the
// audit of who looked at what.
//
//	browser ──session cookie──▶ sign-in ──▶ role ──▶ audit line, where persons are concerned ──▶ page
//
// Nobody sees anything without signing in, by a local account or an OpenID
// Connect provider. What speaks of persons (pseudonyms, single checks) is shown
// only to those whose role needs it, for a reason they give, and after the
// audit has it on disk. Pages are plain HTML with charts as SVG; a script of a
// few lines fetches them anew when something changed, and nothing needs it.
package desk

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"limen"
	"limen/sync/fleet"
)

//go:embed page
var files embed.FS

// Options say how people reach the pages and who vouches for them.
type Options struct {
	// PublicURL is where browsers find the pages, such as https://fleet.example,
	// where that is a proxy in front of them or a name of their own.
	PublicURL string
	OIDC      *OIDC // an identity provider; nil: local accounts alone
	Log       *slog.Logger
}

// Desk serves the pages.
type Desk struct {
	centre  *fleet.Centre
	records *fleet.Records
	opts    Options
	public  *url.URL // nil where there is none
	secure  bool     // browsers speak TLS
	now     func() time.Time
	pages   map[string]*template.Template
	signIns *prometheus.CounterVec
	reads   *prometheus.CounterVec
	glance  glance
	oidc    *provider
}

// New makes the pages of a centre; fleet.Config.Pages takes it.
func New(c *fleet.Centre, o Options) (*Desk, error) {
	d := &Desk{centre: c, records: c.Records(), opts: o, now: c.Config().Now, secure: c.Config().HTTPCertificate != ""}
	if o.Log == nil {
		d.opts.Log = slog.New(slog.DiscardHandler)
	}
	if o.PublicURL != "" {
		u, err := url.Parse(o.PublicURL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Path != "" && u.Path != "/" {
			return nil, fmt.Errorf("the pages' public address %q is not one such as https://fleet.example", o.PublicURL)
		}
		d.public, d.secure = u, u.Scheme == "https"
	}
	var err error
	if o.OIDC != nil {
		if d.oidc, err = newProvider(*o.OIDC, d.public); err != nil {
			return nil, err
		}
	}
	if d.pages, err = parsePages(); err != nil {
		return nil, err
	}
	d.signIns = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "limen_fleet_sign_ins_total", Help: "Attempts to sign in: done, refused."}, []string{"result"})
	d.reads = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "limen_fleet_audited_total", Help: "Lines of the audit written by this process, by action."}, []string{"action"})
	for _, v := range []prometheus.Collector{d.signIns, d.reads} {
		if err := c.Registry().Register(v); err != nil {
			return nil, err
		}
	}
	for _, result := range []string{"done", "refused"} {
		d.signIns.WithLabelValues(result)
	}
	d.reads.WithLabelValues(fleet.ActionSearch)
	return d, nil
}

func parsePages() (map[string]*template.Template, error) {
	out := map[string]*template.Template{}
	for _, name := range []string{"fleet", "device", "figures", "search", "alarms", "audit", "signin", "message"} {
		t, err := template.New("layout.html").Funcs(words).ParseFS(files, "page/layout.html", "page/"+name+".html")
		if err != nil {
			return nil, err
		}
		out[name] = t
	}
	return out, nil
}

// Handler answers for all pages. Whoever is signed in sees the fleet; the rest
// takes a right.
func (d *Desk) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", d.centre.Healthz)
	mux.HandleFunc("GET /style.css", asset("page/style.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /desk.js", asset("page/desk.js", "text/javascript; charset=utf-8"))

	mux.HandleFunc("GET /sign-in", d.showSignIn)
	mux.HandleFunc("POST /sign-in", d.signIn)
	if d.oidc != nil {
		mux.HandleFunc("GET /sign-in/provider", d.toProvider)
		mux.HandleFunc("GET /sign-in/callback", d.fromProvider)
	}
	mux.Handle("POST /sign-out", d.signed("", d.signOut))

	mux.Handle("GET /{$}", d.signed("", d.showFleet))
	mux.Handle("GET /devices/{name}", d.signed("", d.showDevice))
	mux.Handle("POST /devices/{name}", d.signed(fleet.MaySearch, d.showChecks))
	mux.Handle("GET /figures", d.signed("", d.showFigures))
	mux.Handle("GET /alarms", d.signed("", d.showAlarms))
	mux.Handle("POST /alarms", d.signed(fleet.MayAcknowledge, d.acknowledge))
	mux.Handle("GET /search", d.signed(fleet.MaySearch, d.showSearch))
	mux.Handle("POST /search", d.signed(fleet.MaySearch, d.search))
	mux.Handle("POST /proof", d.signed(fleet.MaySearch, d.proof))
	mux.Handle("GET /audit", d.signed(fleet.MayAudit, d.showAudit))
	mux.Handle("GET /events", d.signed("", d.events))
	mux.Handle("GET /api/devices", d.signed("", func(w http.ResponseWriter, r *http.Request, _ visit) error {
		devices, err := d.centre.Devices(r.Context())
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		return json.NewEncoder(w).Encode(devices)
	}))
	return d.guard(mux)
}

func asset(name, kind string) http.HandlerFunc {
	b, err := files.ReadFile(name)
	if err != nil {
		panic("desk: an embedded file is missing: " + err.Error())
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Write(b)
	}
}

// visit is one request of somebody who is signed in.
type visit struct {
	fleet.Person
	token string // of the session
}

// view is what every page is made from.
type view struct {
	Title  string
	Page   string // which entry of the menu it is
	Person fleet.Person
	CSRF   string // for its forms
	Alarms int    // that nobody has acknowledged
	Live   bool   // it is fetched anew when something changes …
	Seen   string // … from this
	Now    limen.Moment
	OIDC   bool
	Data   any
}

// show writes a page whole or not at all.
func (d *Desk) show(w http.ResponseWriter, r *http.Request, v visit, status int, name string, page view) error {
	page.Person, page.Now, page.OIDC = v.Person, limen.MomentOf(d.now()), d.oidc != nil
	if v.token != "" {
		page.CSRF = csrf(v.token)
		unanswered, err := d.records.Unanswered(r.Context())
		if err != nil {
			return err
		}
		for _, n := range unanswered {
			page.Alarms += n
		}
	}
	if page.Live {
		var err error
		if page.Seen, err = d.glance.at(r.Context(), d); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if err := d.pages[name].Execute(&b, page); err != nil {
		return fmt.Errorf("cannot make the page: %w", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := b.WriteTo(w); err != nil {
		d.opts.Log.Debug("page not sent", "error", err)
	}
	return nil
}

// message is a page of one sentence and what to do next.
type message struct{ What, Next string }

// say shows a message instead of a page.
func (d *Desk) say(w http.ResponseWriter, r *http.Request, v visit, status int, m message) {
	if err := d.show(w, r, v, status, "message", view{Title: m.What, Data: m}); err != nil {
		d.opts.Log.Error("page", "error", err)
		http.Error(w, m.What+". "+m.Next, status)
	}
}

// said is an error that a person may read, with the answer's status.
type said struct {
	status int
	message
}

func (s said) Error() string { return s.What }

// fail answers for an error.
func (d *Desk) fail(w http.ResponseWriter, r *http.Request, v visit, err error) {
	if s, ok := errors.AsType[said](err); ok {
		d.say(w, r, v, s.status, s.message)
		return
	}
	if errors.Is(err, fleet.ErrNotEnrolled) {
		d.say(w, r, v, http.StatusNotFound, message{"There is no such device", "Go back to the fleet and choose one from the list."})
		return
	}
	d.opts.Log.Error("page", "path", r.URL.Path, "error", err)
	d.say(w, r, v, http.StatusInternalServerError, message{"The centre cannot read its records", "Try again; if it stays so, its log says why."})
}

// note writes the audit before anything is shown.
func (d *Desk) note(r *http.Request, p fleet.Person, action, subject, reason string) error {
	line, err := d.records.Note(r.Context(), fleet.Access{Name: p.Name, Roles: p.Roles.String(), Action: action, Subject: subject, Reason: reason}, d.now())
	if err != nil {
		return err
	}
	d.reads.WithLabelValues(action).Inc()
	// The log is elsewhere: who has it finds out where the audit was cut.
	d.opts.Log.Info("audit", "line", line.Number, "hash", fmt.Sprintf("%x", line.Hash), "action", action)
	return nil
}
