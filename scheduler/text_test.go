package scheduler_test

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

func TestParseLimits(t *testing.T) {
	second := scheduler.PerSecond
	for text, want := range map[string]scheduler.Limits{
		"3/2s":                           {Windows: []scheduler.Window{scheduler.Per(3, 2*time.Second)}},
		"3/2s 15/min burst 2":            {Windows: []scheduler.Window{scheduler.Per(3, 2*time.Second), scheduler.PerMinute(15)}, MaxBurst: 2},
		"burst 7":                        {MaxBurst: 7},
		" \tburst 7 \n5/s ":              {Windows: []scheduler.Window{second(5)}, MaxBurst: 7},
		"5/s from release":               {Windows: []scheduler.Window{{Permits: 5, Per: time.Second, From: scheduler.FromRelease}}},
		"5/s from grant 6/s":             {Windows: []scheduler.Window{second(5), second(6)}},
		"1/sec 2/minute 3/hour 4/d 5/2d": {Windows: []scheduler.Window{second(1), scheduler.PerMinute(2), scheduler.PerHour(3), scheduler.PerDay(4), scheduler.Per(5, 48*time.Hour)}},
		"60/min 10000 tokens/min burst 4": {
			Windows: []scheduler.Window{scheduler.PerMinute(60), scheduler.Unit("tokens").PerMinute(10_000)}, MaxBurst: 4},
		"100/min evenly from grant": {Windows: []scheduler.Window{{Permits: 100, Per: time.Minute, Evenly: true}}},
		"9 B_-.2/s from release":    {Windows: []scheduler.Window{{Permits: 9, Per: time.Second, From: scheduler.FromRelease, Unit: "B_-.2"}}},
		"5000/h from reset 3/s":     {Windows: []scheduler.Window{{Permits: 5000, Per: time.Hour, From: scheduler.FromReset}, second(3)}},
		"5/month from reset":        {Windows: []scheduler.Window{{Permits: 5, Per: scheduler.Month, From: scheduler.FromReset}}},
		"5/day from reset 09:30 burst 1": {
			Windows: []scheduler.Window{{Permits: 5, Per: 24 * time.Hour, From: scheduler.FromReset, ResetAt: 9*time.Hour + 30*time.Minute}}, MaxBurst: 1},
		"5 rows/day from reset 09:00 Europe/Berlin 6/s": {
			Windows: []scheduler.Window{{Permits: 5, Per: 24 * time.Hour, From: scheduler.FromReset, Unit: "rows", ResetAt: 9 * time.Hour, Zone: "Europe/Berlin"}, second(6)}},
		"5/day from reset 00:00 UTC": {Windows: []scheduler.Window{{Permits: 5, Per: 24 * time.Hour, From: scheduler.FromReset, Zone: "UTC"}}},
		"50/ms":                      {Windows: []scheduler.Window{scheduler.Per(50, time.Millisecond)}},
		"1/1h30m 2/250ms 3/m 4/2min": {Windows: []scheduler.Window{scheduler.Per(1, 90*time.Minute), scheduler.Per(2, 250*time.Millisecond), scheduler.PerMinute(3), scheduler.Per(4, 2*time.Minute)}},
	} {
		got, err := scheduler.ParseLimits(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", text, got, err)
			continue
		}
		again, err := scheduler.ParseLimits(got.String())
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("%q: written as %q, read as %+v, %v", text, got, again, err)
		}
	}
}

func TestLimitsString(t *testing.T) {
	for want, l := range map[string]scheduler.Limits{
		"1/s 2/min 3/h 4/day 5/7day":  {Windows: []scheduler.Window{scheduler.PerSecond(1), scheduler.PerMinute(2), scheduler.PerHour(3), scheduler.PerDay(4), scheduler.Per(5, 7*24*time.Hour)}},
		"1/2m 2/1h30m 3/5h 4/1m30s":   {Windows: []scheduler.Window{scheduler.Per(1, 2*time.Minute), scheduler.Per(2, 90*time.Minute), scheduler.Per(3, 5*time.Hour), scheduler.Per(4, 90*time.Second)}},
		"1/10m 2/20h 3/1ns burst 4":   {Windows: []scheduler.Window{scheduler.Per(1, 10*time.Minute), scheduler.Per(2, 20*time.Hour), scheduler.Per(3, 1)}, MaxBurst: 4},
		"9/1.5s from release burst 1": {Windows: []scheduler.Window{{Permits: 9, Per: 1500 * time.Millisecond, From: scheduler.FromRelease}}, MaxBurst: 1},
	} {
		if got := l.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Text that does not parse says where.
func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		text   string
		offset int
		reason string
	}{
		{"3", 0, "expected a window"},
		{"5/s lots", 4, "expected a window"},
		{"x/s", 0, "Permits must be a whole number"},
		{"99999999999999999999/s", 0, "Permits must be a whole number up to "},
		{"5/s 0/s", 4, "Permits must be 1 or more, got 0"},
		{"/s", 0, "whole number"},
		{"1.5/s", 0, "whole number"},
		{"3/", 2, "expected a length"},
		{"3/fortnight", 2, "expected a length"},
		{"3/2", 2, "expected a length"},
		{"3/99999999999999999999s", 0, "Per must be at most 876000h"},
		{"3/9999999999999day", 0, "Per must be at most 876000h"},
		{"5/s burst", 9, `expected a number such as "2", but the text ends`},
		{"5/s burst two", 10, "burst must be a whole number"},
		{"burst 2 5/s burst 3", 12, "a second burst"},
		{"5/s from", 8, `expected "release", "reset" or "grant"`},
		{"5/s from start", 9, `expected "release", "reset" or "grant"`},
		{"burst 2 from release", 8, "expected a window"},
	} {
		_, err := scheduler.ParseLimits(c.text)
		var parse *scheduler.ParseError
		if !errors.As(err, &parse) || parse.Offset != c.offset || parse.Text != c.text || !strings.Contains(parse.Reason, c.reason) {
			t.Errorf("%q: %#v", c.text, err)
		}
	}
	for text, want := range map[string]string{
		"":                   "expected at least one window",
		"0/s":                "Permits must be 1 or more, got 0",
		"3/0s":               "Per must be longer than 0",
		"3/-2s":              "Per must be longer than 0, got -2s",
		"burst 0":            "burst must be 1 or more (without a burst there is no cap), got 0",
		"1/99999day burst 1": "at most 876000h",
	} {
		_, err := scheduler.ParseLimits(text)
		var invalid *scheduler.InvalidError
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Each error reads as a sentence that quotes nothing twice, and knows the common slips.
func TestParseErrorReads(t *testing.T) {
	const (
		limit  = `expected a window such as "3/2s", or "burst 2"`
		length = `expected a length such as "s", "2s", "min", "1h30m" or "day"`
		number = `Permits must be a whole number`
		unit   = `a name such as "tokens": a letter, then letters, digits, _ - or ., at most 64 bytes, and none of burst, evenly, from, reset`
	)
	for _, c := range [][2]string{
		{"", `expected at least one window such as "3/2s", or "burst 2", but the text is empty`},
		{" \n", `expected at least one window such as "3/2s", or "burst 2", but the text is empty`},
		{"abc", limit + `, got "abc"`},
		{" abc", limit + `, got "abc"`},
		{"5/s  lots of", `after "5/s": ` + limit + `, got "lots"`},
		{"5/s 3/2x", `after "5/s 3/": ` + length + `, got "2x"`},
		{"5/s 0/s", `after "5/s": Permits must be 1 or more, got 0`},
		{"5/s 3/", `after "5/s 3/": ` + length + `, but the text ends`},
		{"5/s burst ", `after "5/s burst": expected a number such as "2", but the text ends`},
		{"5/s burst two", `after "5/s burst": burst must be a whole number, got "two"`},
		{"burst 0", `after "burst": burst must be 1 or more (without a burst there is no cap), got 0`},
		{"burst 2 5/s burst 3", `after "burst 2 5/s": there is a second burst; keep one`},
		{"5/s from", `after "5/s from": expected "release", "reset" or "grant" after "from", but the text ends`},
		{"5/s from start", `after "5/s from": expected "release", "reset" or "grant" after "from", got "start"`},
		{"/s", `expected a whole number before the slash, got "/s"`},
		{"x/s", number + `, got "x"`},

		// Something else than spaces between limits.
		{"5/s,100/min", `after "5/s": expected a space between two limits, got ",100/min"`},
		{"5/s, 100/min", `after "5/s": expected a space between two limits, got ","`},
		{"5/s;burst 2", `after "5/s": expected a space between two limits, got ";burst"`},
		{"5/s , 100/min", `after "5/s": ` + limit + `, got ","; separate limits by spaces`},
		{"5/s and 100/min", `after "5/s": ` + limit + `, got "and"; separate limits by spaces`},
		{"burst 2,5/s", `after "burst": burst must be a whole number, got "2,5/s"; separate limits by spaces`},
		{"burst 2, 5/s", `after "burst": burst must be a whole number, got "2,"; separate limits by spaces`},

		// Spaces around the slash, or none.
		{"5 /s", limit + `, got "5"; write "5/s", without spaces`},
		{"5 / min", limit + `, got "5"; write "5/min", without spaces`},
		{"5/ s", `after "5/": ` + length + `, got a space; write "/s", without spaces`},
		{"5/ x", `after "5/": ` + length + `, got a space`},
		{"5 per s", limit + `, got "5"; write "5/s", without spaces`},
		{"5 per Seconds", limit + `, got "5"; write "5/second", without spaces`},
		{"5 an hour", limit + `, got "5"; write "5/hour", without spaces`},
		{"5 per", limit + `, got "5"; write "5/s", without spaces`},
		{"5", limit + `, got "5"; write "5/s" for 5 a second, or "burst 5" for 5 at once`},

		// Lengths.
		{"5/S", `after "5/": ` + length + `, got "S"; lengths are lower case: "s"`},
		{"5/Min", `after "5/": ` + length + `, got "Min"; lengths are lower case: "min"`},
		{"5/1H30M", `after "5/": ` + length + `, got "1H30M"; lengths are lower case: "1h30m"`},
		{"5/secs", `after "5/": ` + length + `, got "secs"; write "sec"`},
		{"5/2hrs", `after "5/": ` + length + `, got "2hrs"; write "2h"`},
		{"5/30Minutes", `after "5/": ` + length + `, got "30Minutes"; write "30minute"`},
		{"5/2", `after "5/": ` + length + `, got "2"; write "2s" for seconds`},
		{"5/week", `after "5/": ` + length + `, got "week"; count it in days: a week is "7day"`},
		{"5/month", `after "5/": ` + length + `, got "month"; count it in days, such as "30day"; calendar months are "month from reset"`},

		// Numbers.
		{"5,000/min", number + `, got "5,000"; write "5000"`},
		{"5_000/min", number + `, got "5_000"; write "5000"`},
		{"1.5/s", number + `, got "1.5"; for less than one, make the length longer: "1/2s" for 0.5 a second`},

		// Words.
		{"burst=2", limit + `, got "burst=2"; write "burst 2"`},
		{"burst:7", limit + `, got "burst:7"; write "burst 7"`},
		{"burst3", limit + `, got "burst3"; write "burst 3"`},
		{"Burst 4", limit + `, got "Burst"; write "burst 4"`},
		{"maxburst=9", limit + `, got "maxburst=9"; write "burst 9"`},
		{"bursts", limit + `, got "bursts"; write "burst 2"`},
		{"from release 5/s", limit + `, got "from"; write "from release" right after a window`},
		{"10,000 tokens/min", limit + `, got "10,000"; write "10000"`},
		{"10k tokens/min", limit + `, got "10k"; write "10000"`},
		{"10000tokens/min", `Permits must be a whole number, got "10000tokens"; put a space between the number and the unit`},
		{"10000 tokens per min", limit + `, got "10000"; write "10000 tokens/min", without a space at the slash`},
		{"10000 tokens /min", limit + `, got "10000"; write "10000 tokens/min", without a space at the slash`},
		{"5/min tokens", `after "5/min": ` + limit + `, got "tokens"; a unit stands before the slash: "10000 tokens/min"`},
		{"5/min from reset evenly", `after "5/min from reset": ` + limit + `, got "evenly"; write "evenly" once, right after the length of a window`},
		{"5 burst/s", `after "5": the unit must be ` + unit + `, got "burst/s"`},
		{"5/day from reset 9:00", `after "5/day from reset": expected a time of day such as "09:00", got "9:00"`},
		{"5/day from reset 09:00 Nowhere", `after "5/day from reset 09:00": Zone must be a time zone that this computer knows, such as "Europe/Berlin", or "" for UTC; if it knows none, import _ "time/tzdata", got "Nowhere"`},
		{"5/7h from reset", `Per must be a day, a month (Month, 31 days), or a length that divides a day, because the window counts from reset, got 7h0m0s`},
		{"5/s evenly from release", `From must be FromGrant if grants are spaced evenly, got release`},
		{"5/s from-release", `after "5/s": ` + limit + `, got "from-release"; write "from release" with a space, right after a window`},
		{"5/s from Release", `after "5/s from": expected "release", "reset" or "grant" after "from", got "Release"; write it in lower case`},

		// Long texts are not quoted whole, and no character is cut in two.
		{strings.Repeat("5/s ", 50) + "x", `after "…` + strings.Repeat(" 5/s", 10) + `": ` + limit + `, got "x"`},
		{strings.Repeat("é", 50), limit + `, got "` + strings.Repeat("é", 20) + `…"`},
		{strings.Repeat("5/s ", 1_001), `Limits.Windows must have at most 1000 entries, got 1001`},
	} {
		_, err := scheduler.ParseLimits(c[0])
		var parse *scheduler.ParseError
		if !errors.As(err, &parse) || parse.Text != c[0] || err.Error() != "scheduler: limits: "+c[1] {
			t.Errorf("%q\n got %v\nwant scheduler: limits: %s", c[0], err, c[1])
		}
	}
}

// Whatever a hint proposes is something that can be read.
func TestHintsCanBeRead(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	pieces := []string{"5", "burst", "2", "/", "s", "Min", "hrs", "secs", " ", " ", "=", ",", "per", "from", "release", ".", "day", "7"}
	for range 20_000 {
		var text strings.Builder
		for range 1 + r.IntN(8) {
			text.WriteString(pieces[r.IntN(len(pieces))])
		}
		_, err := scheduler.ParseLimits(text.String())
		var parse *scheduler.ParseError
		if !errors.As(err, &parse) {
			continue
		}
		_, hint, _ := strings.Cut(parse.Reason, "; write ")
		proposed, _, _ := strings.Cut(strings.TrimPrefix(hint, `"`), `"`)
		switch {
		case hint == "" || proposed == "from release":
			continue
		case strings.HasPrefix(proposed, "/"):
			proposed = "1" + proposed
		case !strings.ContainsAny(proposed, "/ ") && strings.Trim(proposed, "0123456789") == "":
			proposed += "/s" // a number of permits
		case !strings.ContainsAny(proposed, "/ "):
			proposed = "1/" + proposed // a length
		}
		var again *scheduler.ParseError
		if _, err := scheduler.ParseLimits(proposed); errors.As(err, &again) && again.Err == nil {
			t.Errorf("%q: %v\nbut %v", text.String(), parse, err)
		}
	}
}

func TestMustParseLimits(t *testing.T) {
	if got := scheduler.MustParseLimits("5/s burst 2").String(); got != "5/s burst 2" {
		t.Error(got)
	}
	for _, text := range []string{"", "5/x", "0/s", strings.Repeat("5/s ", 1_001)} {
		func() {
			defer func() {
				if parse, ok := recover().(*scheduler.ParseError); !ok || parse.Text != text {
					t.Errorf("%q: %v", text, parse)
				}
			}()
			scheduler.MustParseLimits(text)
		}()
	}
}

func TestWindowAsText(t *testing.T) {
	for text, want := range map[string]scheduler.Window{
		"3/2s":             scheduler.Per(3, 2*time.Second),
		"5/s from release": {Permits: 5, Per: time.Second, From: scheduler.FromRelease},
	} {
		data, err := json.Marshal(want)
		if err != nil || string(data) != `"`+text+`"` {
			t.Errorf("%s, %v", data, err)
		}
		var got scheduler.Window
		if err := json.Unmarshal(data, &got); err != nil || got != want {
			t.Errorf("%s: %v, %v", data, got, err)
		}
	}
	if _, err := json.Marshal(scheduler.Window{}); err == nil {
		t.Error("a window that cannot work was written")
	}
	for _, c := range [][2]string{
		{"", `expected a window such as "3/2s", but the text ends`},
		{"burst 2", `expected a window such as "3/2s", got "burst"`},
		{"5/s 6/s", `after "5/s": expected one window and nothing else, got "6/s"`},
		{"5/s burst 2", `after "5/s": expected one window and nothing else, got "burst"`},
		{"0/s", "Permits must be 1 or more, got 0"},
		{"5/s from", `after "5/s from": expected "release", "reset" or "grant" after "from", but the text ends`},
	} {
		w := scheduler.PerDay(7)
		err := w.UnmarshalText([]byte(c[0]))
		var parse *scheduler.ParseError
		if !errors.As(err, &parse) || err.Error() != "scheduler: limits: "+c[1] || w != scheduler.PerDay(7) {
			t.Errorf("%q: %v, window %v", c[0], err, w)
		}
	}
}

func TestLimitsAsText(t *testing.T) {
	var loaded struct{ Limits scheduler.Limits }
	if err := json.Unmarshal([]byte(`{"Limits": "3/2s burst 2"}`), &loaded); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(loaded)
	if err != nil || string(out) != `{"Limits":"3/2s burst 2"}` {
		t.Errorf("%s, %v", out, err)
	}
	if _, err := json.Marshal(scheduler.Limits{}); err == nil {
		t.Error("limits that cannot work were written")
	}
	before := loaded
	if err := json.Unmarshal([]byte(`{"Limits": "3/2x"}`), &loaded); err == nil || !reflect.DeepEqual(loaded, before) {
		t.Errorf("%v, %+v", err, loaded)
	}
	flags := flag.NewFlagSet("x", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var l scheduler.Limits
	flags.TextVar(&l, "limits", scheduler.Limits{MaxBurst: 1}, "")
	if err := flags.Parse([]string{"-limits", "5/s"}); err != nil || l.String() != "5/s" {
		t.Errorf("%v, %v", l, err)
	}
}

// What is read is written so that it reads the same.
func FuzzParseLimits(f *testing.F) {
	for _, text := range []string{"3/2s 15/min burst 2", "5/s from release", "1/1h30m0.5s", "burst 3 2/7day", "x", "5/s from",
		"60/min 10000 tokens/min burst 4", "100/min evenly from grant 9 B_-.2/s from release",
		"5 rows/day from reset 09:30 Europe/Berlin 7/h from reset", "1 burst/s", "1 tokens/month from reset 24:00 Nowhere",
		"0/0s from reset 00:00 X", "1/0s from reset 00:00 UTC"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := scheduler.ParseLimits(text)
		if err != nil {
			var parse *scheduler.ParseError
			if errors.As(err, &parse) && (parse.Offset < 0 || parse.Offset > len(text)) {
				t.Errorf("offset %d in %q", parse.Offset, text)
			}
			_ = err.Error()
			return
		}
		again, err := scheduler.ParseLimits(l.String())
		if err != nil || !reflect.DeepEqual(l, again) {
			t.Errorf("%q is written as %q, which reads as %+v, %v", text, l, again, err)
		}
	})
}
