package device

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// All names the models in use.
func (m ModelsConfig) All() []string {
	return slices.DeleteFunc(append([]string{m.Detector, m.Recogniser}, m.Spoof...), func(s string) bool { return s == "" })
}

// UseModels writes the models that are named in chosen into the configuration
// at path, leaving all else there as it is, and returns those in use then.
func UseModels(path string, chosen ModelsConfig) (ModelsConfig, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ModelsConfig{}, fmt.Errorf("cannot change the configuration: %w", err)
	}
	want, err := LoadConfig(path)
	if err != nil {
		return ModelsConfig{}, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return ModelsConfig{}, fmt.Errorf("cannot change the configuration: %w", err)
	}
	set := func(key, value string) { text = setModel(text, key, value) }
	// Each new key is put first, so the last comes first here.
	if len(chosen.Spoof) > 0 {
		want.Models.Spoof = chosen.Spoof
		set("spoof", "["+strings.Join(chosen.Spoof, ", ")+"]")
	}
	if chosen.Recogniser != "" {
		want.Models.Recogniser = chosen.Recogniser
		set("recogniser", chosen.Recogniser)
	}
	if chosen.Detector != "" {
		want.Models.Detector = chosen.Detector
		set("detector", chosen.Detector)
	}
	got := Defaults()
	if err := decodeStrict(path, text, &got); err != nil || !reflect.DeepEqual(got, want) {
		return ModelsConfig{}, fmt.Errorf("%s is written in a way that cannot be changed safely: name %s under models yourself", path, strings.Join(chosen.All(), ", "))
	}
	return want.Models, replaceFile(path, text)
}

var (
	modelsLine = regexp.MustCompile(`(?m)^models:[ \t]*(#.*)?\n`)
	topLevel   = regexp.MustCompile(`(?m)^[^\s#]`)
)

// setModel sets a key of the block models, which it adds where it is missing.
func setModel(text []byte, key, value string) []byte {
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	at := modelsLine.FindIndex(text)
	if at == nil {
		return fmt.Appendf(text, "models:\n  %s: %s\n", key, value)
	}
	block := text[at[1]:]
	if end := topLevel.FindIndex(block); end != nil {
		block = block[:end[0]]
	}
	line := regexp.MustCompile(`(?m)^([ \t]+` + key + `:[ \t]*)(\[[^\]\n]*\]|"[^"\n]*"|'[^'\n]*'|[^\s#]*)`)
	if m := line.FindSubmatchIndex(block); m != nil {
		from, to := at[1]+m[4], at[1]+m[5]
		return slices.Concat(text[:from], []byte(value), text[to:])
	}
	indent := "  "
	if m := regexp.MustCompile(`^([ \t]+)[a-z]`).FindSubmatch(block); m != nil {
		indent = string(m[1])
	}
	return slices.Concat(text[:at[1]], fmt.Appendf(nil, "%s%s: %s\n", indent, key, value), text[at[1]:])
}

// replaceFile puts new content in a file's place at once, with the same mode.
func replaceFile(path string, text []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".limen-*.yaml")
	if err != nil {
		return fmt.Errorf("cannot change the configuration: %w", err)
	}
	_, err = bytes.NewReader(text).WriteTo(f)
	if err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("cannot change the configuration: %w", err)
	}
	return nil
}
