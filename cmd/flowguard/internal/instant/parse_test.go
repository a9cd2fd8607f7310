package instant

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// layouts are the forms of dates as package time knows them.
var layouts = []string{
	time.RFC3339, time.RFC3339Nano, "2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05-0700",
	"2006-01-02 15:04:05", "2006-01-02 15:04:05,000", "2006-01-02 15:04:05.000000 -0700",
	"2006/01/02 15:04:05", "2006/01/02 15:04:05.000000", "02/Jan/2006:15:04:05 -0700",
}

func TestDateAsPackageTime(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		at := time.Unix(r.Int64N(1<<33)-1<<32, r.Int64N(1e9)).In(time.FixedZone("", (r.IntN(27*4)-13*4)*900))
		layout := layouts[r.IntN(len(layouts))]
		text := at.Format(layout)
		want, err := time.Parse(layout, text)
		if err != nil {
			t.Fatal(err)
		}
		for _, rest := range []string{"", " rest", "] rest", "\""} {
			i, n, ok := date([]byte(text + rest))
			if !ok || i.At != want.UnixNano() || n != len(text) {
				t.Fatalf("%s%s: %v, %v, %d bytes; want %v, %d bytes", text, rest, ok, time.Unix(0, i.At).UTC(), n, want.UTC(), len(text))
			}
		}
	}
}

func FuzzDate(f *testing.F) {
	for _, layout := range layouts {
		f.Add(time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.UTC).Format(layout))
	}
	f.Fuzz(func(t *testing.T, text string) {
		i, n, ok := date([]byte(text))
		if n > len(text) {
			t.Fatalf("%q: %d bytes of %d", text, n, len(text))
		}
		number([]byte(text), UnitAuto)
		want, err := time.Parse(time.RFC3339, text)
		if err != nil || want.Year() < 1678 || want.Year() > 2261 {
			return
		}
		if !ok || i.At != want.UnixNano() {
			t.Fatalf("%q: %v, %v; want %v", text, ok, time.Unix(0, i.At).UTC(), want.UTC())
		}
	})
}

func TestNoDate(t *testing.T) {
	for _, text := range []string{
		"", "2026-01-02", "2026-13-02T15:04:05Z", "2026-02-29T15:04:05Z", "2026-01-00T15:04:05Z", "2026-01-02T24:04:05Z",
		"2026-01-02T15:60:05Z", "2026-01-02T15-04-05Z", "20a6-01-02T15:04:05Z", "02/Foo/2026:15:04:05 +0100", "1500-01-02T15:04:05Z",
	} {
		if i, _, ok := date([]byte(text)); ok {
			t.Errorf("%q is read as %v", text, time.Unix(0, i.At).UTC())
		}
	}
}

func TestNumber(t *testing.T) {
	for _, tt := range []struct {
		text       string
		unit       Unit
		want       int64
		resolution time.Duration
	}{
		{"1767366245", UnitAuto, 1767366245e9, time.Second},
		{"1767366245.25", UnitAuto, 1767366245_250_000_000, 10 * time.Millisecond},
		{"1767366245123", UnitAuto, 1767366245_123_000_000, time.Millisecond},
		{"1767366245123456", UnitAuto, 1767366245_123_456_000, time.Microsecond},
		{"1767366245123456789", UnitAuto, 1767366245_123_456_789, 1},
		{"12", UnitAuto, 12e9, time.Second},
		{"12", UnitMilliseconds, 12e6, time.Millisecond},
		{"12.5,rest", UnitMilliseconds, 12_500_000, 100 * time.Microsecond},
		{"-12.5", UnitSeconds, -12.5e9, 100 * time.Millisecond},
		{"0.1234567890123", UnitSeconds, 123456789, 1},
	} {
		i, _, ok := number([]byte(tt.text), tt.unit)
		if !ok || i.At != tt.want || i.Resolution != tt.resolution {
			t.Errorf("%s in %v: %v, %d in steps of %v; want %d, %v", tt.text, tt.unit, ok, i.At, i.Resolution, tt.want, tt.resolution)
		}
	}
	for _, text := range []string{"", "-", "10.0.0.1 -", "12ab", "0x10", ".5", "12345678901234567890", "9223372036854775807"} {
		if i, _, ok := number([]byte(text), UnitSeconds); ok {
			t.Errorf("%q is read as %d", text, i.At)
		}
	}
}

func TestFinder(t *testing.T) {
	const at = "2026-01-02T15:04:05Z"
	want, _ := time.Parse(time.RFC3339, at)
	for _, tt := range []struct {
		name string
		f    Finder
		line string
	}{
		{"at the beginning", Finder{}, at + " GET /"},
		{"in a line", Finder{}, "level=info time=" + at + " msg=x"},
		{"quoted", Finder{}, `level=info time="` + at + `" msg=x`},
		{"access log", Finder{}, `10.0.0.1 - bob [02/Jan/2026:15:04:05 +0000] "GET / HTTP/1.1" 200 1`},
		{"number", Finder{}, "1767366245 GET /"},
		{"number, not first date", Finder{}, "2026-01-02T15:04:05Z 1700000000"},
		{"JSON", Finder{}, `{"level":"info","ts":1767366245,"msg":"x"}`},
		{"JSON with @", Finder{}, `{"@timestamp":"` + at + `"}`},
		{"JSON path", Finder{JSON: "request.start"}, `{"time":"2000-01-01T00:00:00Z","request":{"start":"` + at + `"}}`},
		{"column", Finder{Column: 3}, "a  1700000000\t" + at + " b"},
		{"column of an access log", Finder{Column: 4}, `10.0.0.1 - bob [02/Jan/2026:15:04:05 +0000] "GET /"`},
		{"CSV", Finder{Column: 2, Delimiter: ","}, "a b," + at + ",c"},
		{"quoted CSV", Finder{Column: 2, Delimiter: ","}, `"a","1767366245","c"`},
		{"ms in a column", Finder{Column: 1, Unit: UnitMilliseconds}, "1767366245000"},
	} {
		for range 2 { // the second time it knows where to look
			if i, ok := tt.f.Find([]byte(tt.line)); !ok || i.At != want.UnixNano() {
				t.Errorf("%s: %v, %v", tt.name, ok, time.Unix(0, i.At).UTC())
			}
		}
	}
	for name, tt := range map[string]struct {
		f    Finder
		line string
	}{
		"text":                {Finder{}, "\tat main.go:12"},
		"empty":               {Finder{}, ""},
		"IP address":          {Finder{}, "10.0.0.1 - - no date"},
		"too few columns":     {Finder{Column: 3}, "a b"},
		"other field":         {Finder{JSON: "a.b"}, `{"a":{"c":1}}`},
		"JSON without":        {Finder{}, `{"level":"info"}`},
		"column of something": {Finder{Column: 1}, "abc 1767366245"},
		"too far":             {Finder{}, strings.Repeat("x ", farthest) + at},
	} {
		if i, ok := tt.f.Find([]byte(tt.line)); ok {
			t.Errorf("%s: found %v", name, time.Unix(0, i.At).UTC())
		}
	}
}

// A line of another kind in between must not change where the others have their instants.
func TestFinderRemembersWhereToLook(t *testing.T) {
	var f Finder
	for _, line := range []string{"id=1 t=2026-01-02T15:04:05Z", "no date", "id=22 t=2026-01-02T15:04:06Z", "42 frogs", "id=3 t=2026-01-02T15:04:07Z"} {
		i, ok := f.Find([]byte(line))
		if strings.Contains(line, "t=") != ok && line != "42 frogs" {
			t.Errorf("%s: %v %v", line, ok, i)
		}
	}
	// A log that has dates has no numbers: "42 frogs" is none of its instants.
	if _, ok := f.Find([]byte("42 frogs")); ok {
		t.Error("a number was taken for an instant in a log of dates")
	}
}

func BenchmarkAccessLog(b *testing.B) {
	line := []byte(`10.1.200.130 - - [02/Jan/2026:15:04:05 +0000] "GET /index.html HTTP/1.1" 200 5123 "-" "Mozilla/5.0"`)
	var f Finder
	for b.Loop() {
		if _, ok := f.Find(line); !ok {
			b.Fatal()
		}
	}
}
