package realtest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
	"github.com/flowguard-go/flowguard/internal/structured"
)

// Our parser of structured fields accepts what httpsfv accepts, and finds the same in it.
func FuzzAgreement(f *testing.F) {
	for _, seed := range []string{
		`"default";r=50;t=30`, `"burst";q=10;w=2, "day";q=5000;w=86400;qu="requests";pk=:aGk=:`, `("a" b;c 1.5);d, ?0, @1659578233`,
		`%"f%c3%bc"`, `*a/b:c;*k="\"\\"`, `-999999999999999, 999999999999.999`, `"a",`, `:aGk:`, `("a`, `1.`, `"ü"`,
	} {
		f.Add(seed, "")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		lines := []string{a}
		if b != "" {
			lines = append(lines, b)
		}
		theirs, err := httpsfv.UnmarshalList(lines)
		ours, ok := structured.ParseList(lines)
		var corrupt base64.CorruptInputError
		if ok && errors.As(err, &corrupt) && unpadded(lines) {
			return // they demand the padding that the RFC advises not to demand
		}
		if ok != (err == nil) {
			t.Fatalf("%q: we say %v, they say %v", lines, ok, err)
		}
		if !ok {
			return
		}
		if len(ours) != len(theirs) {
			t.Fatalf("%q: we find %d members, they find %d", lines, len(ours), len(theirs))
		}
		for i := range ours {
			if !sameMember(ours[i], theirs[i]) {
				t.Errorf("%q: we find %v, they find %v", lines, ours[i], theirs[i])
			}
		}
	})
}

// unpadded reports whether there may be a Byte Sequence without all of its padding.
func unpadded(lines []string) bool {
	for _, part := range strings.Split(strings.Join(lines, ","), ":") {
		if len(part)%4 != 0 && strings.Trim(part, "=") == strings.TrimRight(part, "=") {
			return true
		}
	}
	return false
}

func sameMember(ours structured.Item, theirs httpsfv.Member) bool {
	switch m := theirs.(type) {
	case httpsfv.Item:
		return same(ours.Value, m.Value) && sameParams(ours.Params, m.Params)
	case httpsfv.InnerList:
		inner, ok := ours.Value.([]structured.Item)
		if !ok || len(inner) != len(m.Items) || !sameParams(ours.Params, m.Params) {
			return false
		}
		for i := range inner {
			if !sameMember(inner[i], m.Items[i]) {
				return false
			}
		}
		return true
	}
	panic(fmt.Sprintf("%T", theirs))
}

func sameParams(ours []structured.Param, theirs *httpsfv.Params) bool {
	names := theirs.Names()
	if len(ours) != len(names) {
		return false
	}
	for i, p := range ours {
		if v, _ := theirs.Get(p.Key); p.Key != names[i] || !same(p.Value, v) {
			return false
		}
	}
	return true
}

func same(ours, theirs any) bool {
	switch v := theirs.(type) {
	case httpsfv.Token:
		return ours == structured.Token(v)
	case httpsfv.DisplayString:
		return ours == structured.Display(v)
	case time.Time:
		return ours == structured.Date(v.Unix())
	case []byte:
		b, ok := ours.([]byte)
		return ok && bytes.Equal(b, v)
	}
	return ours == theirs
}
