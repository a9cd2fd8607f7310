package structured

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseList(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, `[]`},
		{`  `, `[]`},
		{`"default";r=50;t=30`, `["default";r=50;t=30]`},
		{`  "a" ,	"b"  `, `["a" "b"]`},
		{`"a";  b; c=?0;b=2`, `["a";b=2;c=false]`},
		{`sugar, tea;*x=:aGk=:`, `[Token(sugar) Token(tea);*x=[]byte("hi")]`},
		{`:aGk:`, `[[]byte("hi")]`},
		{`::`, `[[]byte("")]`},
		{`1, -1, 0, -0, 999999999999999, -999999999999999`, `[1 -1 0 0 999999999999999 -999999999999999]`},
		{`1.5, -0.125, 999999999999.999`, `[1.5 -0.125 9.99999999999999e+11]`},
		{`("a" 1;x  b);y, ()`, `[("a" 1;x=true Token(b));y=true ()]`},
		{`?1, @1659578233, %"f%c3%bc"`, `[true Date(1659578233) Display("fü")]`},
		{`"\"\\"`, `["\"\\"]`},
		{`*a/b:c!#$%&'+-.^_|~` + "`", "[Token(*a/b:c!#$%&'+-.^_|~`)]"},

		{`"a",`, "-"}, {`"a",,"b"`, "-"}, {`,`, "-"}, {`"a" "b"`, "-"}, {`"a"; `, "-"}, {`"a";A`, "-"}, {`"a";=1`, "-"},
		{`"a" ;b`, "-"}, {`"a";b=`, "-"}, {`"a";b= 1`, "-"}, {`"a`, "-"}, {`"\a"`, "-"}, {`"\`, "-"}, {"\"\x7f\"", "-"}, {"\"\t\"", "-"},
		{`"ü"`, "-"}, {`ü`, "-"}, {"\x00", "-"}, {`"a"` + "\x00", "-"}, {`-`, "-"}, {`--1`, "-"}, {`1.`, "-"}, {`.5`, "-"}, {`1.2345`, "-"},
		{`1000000000000000`, "-"}, {`1000000000000.0`, "-"}, {`:a`, "-"}, {`:a:`, "-"}, {":aG\nk=:", "-"}, {`:-_:`, "-"},
		{`?2`, "-"}, {`?`, "-"}, {`@`, "-"}, {`@1.5`, "-"}, {`@x`, "-"}, {`%`, "-"}, {`%"%C3"`, "-"}, {`%"%c3"`, "-"}, {`%"%c`, "-"}, {`%"ü"`, "-"},
		{`(`, "-"}, {`("a"`, "-"}, {`("a""b")`, "-"}, {`(("a"))`, "-"}, {"(\t)", "-"}, {"\t", "-"}, {`a;b=(1)`, "-"},
	} {
		items, ok := ParseList([]string{c.text})
		got := "-"
		if ok {
			got = write(items, "[", "]")
		}
		if got != c.want {
			t.Errorf("%q: got %s, want %s", c.text, got, c.want)
		}
	}
}

func TestParseListOfSeveralLines(t *testing.T) {
	items, ok := ParseList([]string{`"a";r=1`, `"b";r=2`})
	if got := write(items, "[", "]"); !ok || got != `["a";r=1 "b";r=2]` {
		t.Errorf("got %s, %v", got, ok)
	}
}

func TestCount(t *testing.T) {
	items, _ := ParseList([]string{`"a";r=0;t=-1;f=1.0;s="1";b`})
	for key, want := range map[string]bool{"r": true, "t": false, "f": false, "s": false, "b": false, "none": false} {
		if n, ok := items[0].Count(key); ok != want || ok && n != 0 {
			t.Errorf("%s: %d, %v", key, n, ok)
		}
	}
}

// write writes items as the tables above have them.
func write(items []Item, open, end string) string {
	var texts []string
	for _, i := range items {
		text := bare(i.Value)
		if inner, ok := i.Value.([]Item); ok {
			text = write(inner, "(", ")")
		}
		for _, p := range i.Params {
			text += ";" + p.Key + "=" + bare(p.Value)
		}
		texts = append(texts, text)
	}
	return open + strings.Join(texts, " ") + end
}

func bare(v any) string {
	switch v := v.(type) {
	case string:
		return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(v) + `"`
	case []byte:
		return fmt.Sprintf("[]byte(%q)", v)
	case Token:
		return fmt.Sprintf("Token(%s)", string(v))
	case Date:
		return fmt.Sprintf("Date(%d)", v)
	case Display:
		return fmt.Sprintf("Display(%q)", string(v))
	}
	return fmt.Sprint(v)
}

// What parses also parses as a part of a list, and in several lines; what does not spoils a list.
func FuzzParseList(f *testing.F) {
	f.Add(`"default";r=50;t=30`, `"b";q=1;w=60;pk=:aGk=:`)
	f.Add(`(a 1.5);x`, `@1, %"%c3%bc"`)
	f.Fuzz(func(t *testing.T, a, b string) {
		one, okOne := ParseList([]string{a})
		two, okTwo := ParseList([]string{b})
		both, ok := ParseList([]string{a, b})
		if okOne && okTwo && len(one) > 0 && len(two) > 0 {
			if !ok || write(both, "", "") != write(append(one, two...), "", "") {
				t.Errorf("%q and %q: got %v, %v", a, b, both, ok)
			}
		}
		if spaced, ok := ParseList([]string{"  " + a + " "}); ok != okOne || write(spaced, "", "") != write(one, "", "") {
			t.Errorf("%q with spaces: got %v, %v", a, spaced, ok)
		}
	})
}
