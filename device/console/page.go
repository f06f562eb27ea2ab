package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"image"
	"image/jpeg"
	"net/http"
	"net/url"
	"strconv"

	"limen"
)

//go:embed page
var pageFiles embed.FS

// parsePage reads the page's template; {{t "key"}} is a word of the language.
func parsePage(words *Words) (*template.Template, error) {
	return template.New("index.html").Funcs(template.FuncMap{
		"t": func(key string) (string, error) {
			s, ok := words.Page[key]
			if !ok {
				return "", fmt.Errorf("the page's words lack %q", key)
			}
			return s, nil
		},
		"ground": func(code string) string { return text(words.Grounds, code) },
	}).ParseFS(pageFiles, "page/index.html")
}

func (s *Server) servePage(w http.ResponseWriter, _ *http.Request) {
	var b bytes.Buffer
	err := s.page.Execute(&b, map[string]any{
		"Language": s.opts.Language, "Site": s.opts.Site, "Device": s.opts.Device,
		"Live": s.opts.Live != nil, "Officer": s.opts.Officer != nil, "CAN": s.opts.CAN != nil,
		"Admit": grounds[limen.Admit], "Refuse": grounds[limen.Refuse],
	})
	if err != nil {
		http.Error(w, "The page cannot be shown: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

// assets are the page's own files and their types.
var assets = map[string]string{
	"console.css": "text/css; charset=utf-8",
	"console.js":  "text/javascript; charset=utf-8",
	"live.js":     "text/javascript; charset=utf-8",
	"icon.svg":    "image/svg+xml",
}

func serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	kind, ok := assets[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	b, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(b)
}

// imageAddress names a picture of one inspection; n tells later ones apart.
func imageAddress(which, inspection string, n int) string {
	return "/image/" + which + "?" + url.Values{"of": {inspection}, "n": {strconv.Itoa(n)}}.Encode()
}

// serveImage serves a picture of the current inspection and of no other.
func (s *Server) serveImage(w http.ResponseWriter, r *http.Request) {
	var m image.Image
	s.mu.Lock()
	if c := s.current; c != nil && c.personal != nil && c.id == r.URL.Query().Get("of") {
		switch r.PathValue("which") {
		case "portrait":
			m = c.personal.portrait
		case "live":
			m = c.personal.live
		}
	}
	s.mu.Unlock()
	if m == nil {
		http.NotFound(w, r)
		return
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 90}); err != nil {
		http.Error(w, "The picture cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "image/jpeg")
	_, _ = w.Write(b.Bytes())
}
