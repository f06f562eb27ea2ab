// Package firmwareconfig holds what configures an appliance without being
// code: decision policies and the commented sample of limen.yaml.
package firmwareconfig

import "embed"

// Files holds policies/*.yaml and limen.yaml.
//
//go:embed policies limen.yaml
var Files embed.FS
