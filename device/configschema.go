package device

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// ConfigSchema is the JSON Schema (2020-12) of limen.yaml, made from the
// configuration's own types, so that no key can be missing from it.
func ConfigSchema() ([]byte, error) {
	schema := schemaOf(reflect.TypeFor[Config](), reflect.ValueOf(Defaults()))
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "limen.yaml"
	schema["required"] = []string{"site", "device"}
	return json.MarshalIndent(schema, "", "  ")
}

// enums are the keys with a closed set of values.
var enums = map[string][]string{
	"protocol": {"elyctis", "3m-rte", "lines"},
	"frame":    {"8N1", "7E1"},
	"kind":     {"pn532", "pcsc", "none"},

	"doors":       {"modbus", "gpio", "none"},
	"parity":      {"none", "even", "odd"},
	"entry_fails": {"secure", "safe"},
	"exit_fails":  {"secure", "safe"},
}

func schemaOf(t reflect.Type, defaults reflect.Value) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
	case t.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	case t.Kind() == reflect.Int:
		return map[string]any{"type": "integer"}
	case t.Kind() == reflect.Float64:
		return map[string]any{"type": "number"}
	case t.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem(), reflect.Zero(t.Elem()))}
	case t.Kind() != reflect.Struct:
		return map[string]any{"type": "string"}
	}
	properties := map[string]any{}
	for f := range t.Fields() {
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		value := defaults.FieldByIndex(f.Index)
		s := schemaOf(f.Type, value)
		if of, ok := enums[key]; ok {
			s["enum"] = of
		}
		if s["type"] != "object" && s["type"] != "array" && !value.IsZero() {
			s["default"] = value.Interface()
			if d, ok := s["default"].(time.Duration); ok {
				s["default"] = d.String()
			}
		}
		properties[key] = s
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}
