package fleet

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"strconv"
	"time"

	"limen"
	"limen/sync/wire"
)

//go:embed page.html style.css
var pageFiles embed.FS

// policy lets the page load its own style sheet and nothing else.
const policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// shownChecks are on the page; /api/checks?n= asks for others.
const shownChecks = 50

// pages is the page of devices and latest checks, and both as JSON. It shows
// codes and pseudonyms only, and changes nothing.
func (c *Centre) pages() http.Handler {
	page := template.Must(template.New("page.html").Funcs(template.FuncMap{"moment": moment}).ParseFS(pageFiles, "page.html"))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		devices, err := c.devices(r)
		var checks []CheckView
		if err == nil {
			checks, err = c.records.Checks(r.Context(), shownChecks)
		}
		if err != nil {
			c.fail(w, err)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := page.Execute(w, map[string]any{"Devices": devices, "Checks": checks, "Now": limen.MomentOf(c.cfg.Now())}); err != nil {
			c.cfg.Log.Debug("page not sent", "error", err)
		}
	})
	mux.Handle("GET /style.css", http.FileServerFS(pageFiles))
	mux.HandleFunc("GET /api/devices", func(w http.ResponseWriter, r *http.Request) {
		devices, err := c.devices(r)
		c.reply(w, devices, err)
	})
	mux.HandleFunc("GET /api/checks", func(w http.ResponseWriter, r *http.Request) {
		n := shownChecks
		if q := r.FormValue("n"); q != "" {
			var err error
			if n, err = strconv.Atoi(q); err != nil || n < 1 || n > mostChecks {
				http.Error(w, fmt.Sprintf("n is a number of checks, 1 to %d", mostChecks), http.StatusBadRequest)
				return
			}
		}
		checks, err := c.records.Checks(r.Context(), n)
		c.reply(w, checks, err)
	})
	return guard(c.page.Addr(), mux)
}

// guard sets the headers every answer has. A page on loopback answers to
// loopback names only: a web site whose name was made to point here does not
// get to read it.
func guard(addr net.Addr, next http.Handler) http.Handler {
	tcp, ok := addr.(*net.TCPAddr)
	loopback := ok && tcp.IP.IsLoopback()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if loopback && !loopbackHost(r.Host) {
			http.Error(w, "this page answers to localhost only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func loopbackHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// devices adds to the records who is connected now.
func (c *Centre) devices(r *http.Request) ([]DeviceView, error) {
	devices, err := c.records.Devices(r.Context())
	if err != nil {
		return nil, err
	}
	if c.broker == nil { // elsewhere: what each last said, or its will
		for k := range devices {
			devices[k].Connected = devices[k].State == string(wire.StateRunning)
		}
		return devices, nil
	}
	connected := c.broker.connected()
	for k := range devices {
		devices[k].Connected = connected[devices[k].Name]
	}
	return devices, nil
}

func (c *Centre) reply(w http.ResponseWriter, v any, err error) {
	if err != nil {
		c.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		c.cfg.Log.Debug("answer not sent", "error", err)
	}
}

func (c *Centre) fail(w http.ResponseWriter, err error) {
	c.cfg.Log.Error("page", "error", err)
	http.Error(w, "the centre cannot read its records; its log says why", http.StatusInternalServerError)
}

// moment is a time as people read it.
func moment(m limen.Moment) string {
	if m == 0 {
		return "never"
	}
	return m.Time().Format(time.DateTime) + " UTC"
}
