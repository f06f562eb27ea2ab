package seal

import (
	"encoding/json"
	"strings"
	"testing"

	"limen/internal/repotest"
)

func canonical(text string) (string, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", err
	}
	b, err := appendCanonical(nil, v, 0)
	return string(b), err
}

func TestCanonicalForm(t *testing.T) {
	for in, want := range map[string]string{
		// RFC 8785, 3.2.2 and 3.2.3.
		`{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001], "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}`: `{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
		`{"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\ud83d\ude00": 5, "\u0080": 6, "\u00f6": 7}`:                                                                                       "{\"\\r\":2,\"1\":4,\"\u0080\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\ufb33\":3}",
		// Appendix B, of the numbers.
		`[-0, 5e-324, 1.7976931348623157e308, 9007199254740992, 295147905179352830000, 9.999999999999997e22, 1e23, 999999999999999700000, 1e21, 0.000001, 9.9e-7]`: `[0,5e-324,1.7976931348623157e+308,9007199254740992,295147905179352830000,9.999999999999997e+22,1e+23,999999999999999700000,1e+21,0.000001,9.9e-7]`,
		`"<&>` + "\u2028" + `\b\t\f"`: `"<&>` + "\u2028" + `\b\t\f"`,
		`{}`:                          `{}`, `[]`: `[]`,
	} {
		if got, err := canonical(in); err != nil || got != want {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", in, got, err, want)
		}
	}
	for _, bad := range []string{strings.Repeat("[", 40) + strings.Repeat("]", 40), "1e999"} {
		if got, err := canonical(bad); err == nil {
			t.Errorf("%s: got %s", bad, got)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	f.Add(`{"b": [1, 2.50, -1e-7], "a": "\u00e9\n"}`)
	f.Fuzz(func(t *testing.T, in string) {
		first, err := repotest.Parsed(t, []byte(in), func([]byte) (string, error) { return canonical(in) })
		if err != nil {
			return
		}
		if second, err := canonical(first); err != nil || second != first {
			t.Errorf("%q becomes %q, which becomes %q, %v", in, first, second, err)
		}
	})
}
