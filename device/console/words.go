package console

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"limen"
)

//go:embed words/*.yaml
var wordFiles embed.FS

// Sentence says what happened, as an officer would, and what to do next.
type Sentence struct {
	Says string `yaml:"says" json:"says"`
	Next string `yaml:"next" json:"next"`
}

// Headline is an outcome in words.
type Headline struct {
	Word     string `yaml:"word"`
	Sentence `yaml:",inline"`
}

// Words are the page's words in one language. What a file lacks is shown by
// its code: an officer sees something, and a test sees that words are missing.
type Words struct {
	Language        string                          `yaml:"language"`
	Page            map[string]string               `yaml:"page"`
	Fields          map[string]string               `yaml:"fields"`
	Steps           map[limen.Step]string           `yaml:"steps"`
	Groups          map[string]string               `yaml:"groups"`
	GroupStates     map[string]string               `yaml:"group_states"`
	Statuses        map[limen.Status]string         `yaml:"statuses"`
	Checks          map[limen.CheckName]string      `yaml:"checks"`
	Outcomes        map[limen.Outcome]Headline      `yaml:"outcomes"`
	Recommendations map[limen.Recommendation]string `yaml:"recommendations"`
	Reasons         map[limen.ReasonCode]Sentence   `yaml:"reasons"`
	Subjects        map[string]string               `yaml:"subjects"`
	Grounds         map[string]string               `yaml:"grounds"`
	DocumentTypes   map[string]string               `yaml:"document_types"`
	Sexes           map[string]string               `yaml:"sexes"`
	Guidance        map[limen.Guidance]string       `yaml:"guidance"`
	Pictures        map[limen.Picture]string        `yaml:"pictures"`
	Components      map[string]string               `yaml:"components"`
	DeviceKinds     map[string]string               `yaml:"device_kinds"`
	DeviceStates    map[string]string               `yaml:"device_states"`
}

// LoadWords reads the words of a language, named as in HTML: "en".
func LoadWords(language string) (*Words, error) {
	b, err := wordFiles.ReadFile("words/" + language + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("the officer's page has no words in language %q; \"en\" is there", language)
	}
	var w Words
	if err := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(&w); err != nil {
		return nil, fmt.Errorf("cannot read words/%s.yaml: %w", language, err)
	}
	return &w, nil
}

// Reason is a reason in words. An unknown code stands for itself.
func (w *Words) Reason(r limen.Reason) Sentence {
	s, ok := w.Reasons[r.Code]
	if !ok {
		return Sentence{Says: r.String()}
	}
	return Sentence{Says: w.about(s.Says, r.Subject), Next: w.about(s.Next, r.Subject)}
}

// Check is the name of a check in words.
func (w *Words) Check(name limen.CheckName, subject string) string {
	s, ok := w.Checks[name]
	if !ok {
		return strings.TrimSuffix(string(name)+":"+subject, ":")
	}
	if subject == "" {
		s, _, _ = strings.Cut(s, ": {subject}")
		return s
	}
	if !strings.Contains(s, "{subject}") {
		s += " ({subject})"
	}
	return w.about(s, subject)
}

// about puts a subject into a text; without one, a text ends before it.
func (w *Words) about(text, subject string) string {
	if before, _, ok := strings.Cut(text, ": {subject}"); ok && subject == "" {
		return before + "."
	}
	return capital(strings.ReplaceAll(text, "{subject}", w.subject(subject)))
}

// subject names what a reason speaks of: a part of the document, a database,
// another check with its own subject ("dg_hash:DG2"), or several fields of the
// MRZ ("name,document_number_check").
func (w *Words) subject(s string) string {
	var named []string
	for one := range strings.SplitSeq(s, ",") {
		if text := w.oneSubject(one); !slices.Contains(named, text) {
			named = append(named, text)
		}
	}
	return strings.Join(named, ", ")
}

func (w *Words) oneSubject(s string) string {
	if text, ok := w.Subjects[strings.TrimSuffix(s, "_check")]; ok {
		return text
	}
	name, of, _ := strings.Cut(s, ":")
	if _, ok := w.Checks[limen.CheckName(name)]; ok {
		return w.Check(limen.CheckName(name), of)
	}
	return s
}

// documentType is a document code in words: its own, or its first letter's.
func (w *Words) documentType(code string) string {
	if s, ok := w.DocumentTypes[code]; ok || code == "" {
		return s
	}
	if s, ok := w.DocumentTypes[code[:1]]; ok {
		return s + " (" + code + ")"
	}
	return code
}

// text looks a word up and falls back to its code.
func text[K ~string](words map[K]string, code K) string {
	if s, ok := words[code]; ok {
		return s
	}
	return string(code)
}

func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}
