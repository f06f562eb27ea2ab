package device

import (
	"fmt"
	"net"
	"net/url"
)

// WitnessConfig is who attests that this appliance's history was not
// rewritten, and whose history it attests.
type WitnessConfig struct {
	Listen      string       `yaml:"listen"`
	Certificate string       `yaml:"certificate"`
	Key         string       `yaml:"key"`
	Store       string       `yaml:"store"`
	Neighbors   []string     `yaml:"neighbors"`
	Ask         []WitnessAsk `yaml:"ask"`
	CA          string       `yaml:"ca"`
	Quorum      int          `yaml:"quorum"`
}

// WitnessAsk is one witness: the centre where URL is empty.
type WitnessAsk struct {
	URL string `yaml:"url"`
	Key string `yaml:"key"`
}

func (w WitnessConfig) validate() error {
	if w.Listen != "" {
		if _, _, err := net.SplitHostPort(w.Listen); err != nil {
			return &keyError{"witness.listen", fmt.Sprintf("%q is no host:port, such as :8430", w.Listen)}
		}
		if len(w.Neighbors) == 0 {
			return &keyError{"witness.listen", "is set, so witness.neighbors must name the journals it cosigns"}
		}
	}
	if (w.Certificate == "") != (w.Key == "") {
		return &keyError{"witness.certificate", "needs witness.key, and the other way"}
	}
	for i, a := range w.Ask {
		if a.Key == "" {
			return &keyError{fmt.Sprintf("witness.ask[%d].key", i), "is empty: without it nobody could tell the witness's word"}
		}
		u, err := url.Parse(a.URL)
		if a.URL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
			return &keyError{fmt.Sprintf("witness.ask[%d].url", i), fmt.Sprintf("%q is no address such as https://gate-2.example:8430", a.URL)}
		}
	}
	if w.Quorum < 0 || w.Quorum > len(w.Ask) {
		return &keyError{"witness.quorum", fmt.Sprintf("%d of %d witnesses cannot be", w.Quorum, len(w.Ask))}
	}
	return nil
}
