package lds

import "testing"

func TestVersion(t *testing.T) {
	for _, c := range []struct {
		com  *COM
		sod  *SOD
		want string
	}{
		{&COM{LDSVersion: "0107"}, &SOD{}, "1.7"},
		{&COM{LDSVersion: "0107"}, &SOD{Version: 1, LDSVersion: "0108"}, "1.8"}, // the signed word counts
		{nil, &SOD{Version: 1, LDSVersion: "0108"}, "1.8"},
		{&COM{LDSVersion: "0110"}, nil, "1.10"},
		{&COM{LDSVersion: "0100"}, nil, "1.0"},
		{&COM{}, nil, ""},
		{nil, nil, ""},
	} {
		if got := Version(c.com, c.sod); got != c.want {
			t.Errorf("%+v, %v: got %q, want %q", c.com, c.sod, got, c.want)
		}
	}
}
