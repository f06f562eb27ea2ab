package main

import (
	"os"
	"path/filepath"
	"testing"

	"limen/device"
)

// The face commands judge by what the appliance judges by, where they are told its configuration.
func TestFaceCommandsTakeTheConfigurationsModels(t *testing.T) {
	file := filepath.Join(t.TempDir(), "limen.yaml")
	if err := os.WriteFile(file, []byte("site: utopia\ndevice: gate-1\nmodels:\n  detector: ours\n  recogniser: theirs\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ file, model, detector, recogniser string }{
		"neither": {"", "", device.Defaults().Models.Detector, device.Defaults().Models.Recogniser},
		"a model": {"", "net", device.Defaults().Models.Detector, "net"},
		"a file":  {file, "", "ours", "theirs"},
		"both":    {file, "net", "ours", "net"},
	} {
		got, err := faceModels(c.file, c.model)
		if err != nil || got.Detector != c.detector || got.Recogniser != c.recogniser {
			t.Errorf("%s: got %+v, %v; want %s and %s", name, got, err, c.detector, c.recogniser)
		}
	}
	if _, err := faceModels(filepath.Join(t.TempDir(), "none.yaml"), ""); err == nil {
		t.Error("a configuration that is not there: got no error")
	}
}
