package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"limen/internal/repotest"
)

// Every `limen …` that the documentation shows is a command there is.
func TestDocumentedCommandsExist(t *testing.T) {
	parser, err := kong.New(&commands{}, kong.Name("limen"), kong.Vars{"version": version})
	if err != nil {
		t.Fatal(err)
	}
	root := repotest.Root(t)
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?m)(?:^    |`|bin/)limen ((?:[a-z]+ ?)+)")
	seen := 0
	for _, file := range append(files, filepath.Join(root, "README.md"), filepath.Join(root, "firmware-config", "limen.yaml")) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range shown.FindAllStringSubmatch(string(b), -1) {
			seen++
			if node := parser.Model.Node; !known(node, strings.Fields(match[1])) {
				t.Errorf("%s shows `limen %s`, which is no command", filepath.Base(file), strings.TrimSpace(match[1]))
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d commands found: the pattern no longer fits the documents", seen)
	}
}

// known tells whether words begin with the path of a command without children.
func known(node *kong.Node, words []string) bool {
	for _, word := range words {
		if len(node.Children) == 0 {
			return true // the rest are arguments
		}
		var next *kong.Node
		for _, child := range node.Children {
			if child.Name == word {
				next = child
			}
		}
		if next == nil {
			return false
		}
		node = next
	}
	return true
}
