package device

import (
	"fmt"

	"limen"
)

// HistoryConfig says of whom a history is kept.
type HistoryConfig struct {
	Scope []ScopeConfig `yaml:"scope"`
}

// ScopeConfig is one kind of documents whose checks are kept under a pseudonym.
type ScopeConfig struct {
	Documents []string `yaml:"documents"` // document codes as printed
	Issuers   []string `yaml:"issuers"`   // three-letter issuing states
}

// SiteConfig is where a site is.
type SiteConfig struct {
	Name      string  `yaml:"name"`
	Latitude  float64 `yaml:"latitude"`
	Longitude float64 `yaml:"longitude"`
}

func (c HistoryConfig) scope() (out limen.Scope) {
	for _, s := range c.Scope {
		out = append(out, limen.ScopeRule{Documents: s.Documents, Issuers: s.Issuers})
	}
	return out
}

func (c Config) places() map[string]limen.Place {
	out := map[string]limen.Place{}
	for _, s := range c.Sites {
		out[s.Name] = limen.Place{Latitude: s.Latitude, Longitude: s.Longitude}
	}
	return out
}

func (c Config) validateHistory() error {
	for i, s := range c.History.Scope {
		if len(s.Documents) == 0 || len(s.Issuers) == 0 {
			return &keyError{fmt.Sprintf("history.scope[%d]", i), `needs documents and issuers, such as [P] and ["*"]: without both it covers nothing`}
		}
	}
	seen := map[string]bool{}
	for i, s := range c.Sites {
		path := fmt.Sprintf("sites[%d]", i)
		switch {
		case !identifier.MatchString(s.Name):
			return &keyError{path + ".name", fmt.Sprintf("%q must be 1 to 40 of a-z, 0-9 and -", s.Name)}
		case seen[s.Name]:
			return &keyError{path + ".name", fmt.Sprintf("%q is there twice", s.Name)}
		case !(s.Latitude >= -90 && s.Latitude <= 90):
			return &keyError{path + ".latitude", fmt.Sprintf("%g is not between -90 and 90 degrees", s.Latitude)}
		case !(s.Longitude >= -180 && s.Longitude <= 180):
			return &keyError{path + ".longitude", fmt.Sprintf("%g is not between -180 and 180 degrees", s.Longitude)}
		}
		seen[s.Name] = true
	}
	return nil
}
