package cost

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flowguard-go/flowguard/scheduler"
)

func TestCostsOfLines(t *testing.T) {
	for _, tt := range []struct{ flag, line, delimiter, want string }{
		{"tokens=900", "anything", "", "[tokens 900]"},
		{"tokens=0", "", "", "[tokens 0]"},
		{"tokens={2}", "a 17 b", "", "[tokens 17]"},
		{"tokens={2}", `a,"17",b`, ",", "[tokens 17]"},
		{"tokens={1}", "1.25", "", "[tokens 2]"},
		{"tokens={1}", "1e3", "", "[tokens 1000]"},
		{"tokens={1}", "100000000000", "", "[tokens 100000000000]"},
		{"tokens={1}", "100000000001", "", "error"},
		{"tokens={1}", "99999999999999999999999", "", "error"},
		{"tokens={1}", "-1", "", "error"},
		{"tokens={1}", "NaN", "", "error"},
		{"tokens={1}", "Inf", "", "error"},
		{"tokens={1}", "", "", "error"},
		{"tokens={3}", "a 17", "", "error"},
		{"tokens={use.total}", `{"use":{"total":12}}`, "", "[tokens 12]"},
		{"tokens={use.total}", `{"use":{"total":"12"}}`, "", "[tokens 12]"},
		{"tokens={use.total}", `{"use":{"total":null}}`, "", "error"},
		{"tokens={use.total}", `no JSON`, "", "error"},
		{"bytes=length", "12345", "", "[bytes 5]"},
	} {
		var f Flag
		if err := f.Set(tt.flag); err != nil {
			t.Errorf("%s: %v", tt.flag, err)
			continue
		}
		costs, err := f.Tickets([]byte(tt.line), tt.delimiter)
		got := "error"
		if err == nil {
			got = fmt.Sprintf("[%s %d]", costs[0].Unit, costs[0].Amount)
		}
		if got != tt.want {
			t.Errorf("%s of %q: %s (%v), want %s", tt.flag, tt.line, got, err, tt.want)
		}
	}
}

func TestBadCosts(t *testing.T) {
	for _, tt := range []struct{ flag, want string }{
		{"tokens", "such as tokens=900"},
		{"=9", "such as tokens=900"},
		{"from=9", "such as tokens=900"},
		{"9=9", "such as tokens=900"},
		{"tokens=", "braces hold"},
		{"tokens={}", "braces hold"},
		{"tokens={0}", "braces hold"},
		{"tokens={-1}", "braces hold"},
		{"tokens={2", "braces hold"},
		{"tokens=-1", "not an amount"},
		{"tokens=x", "not an amount"},
		{"tokens=1000000000000", "not an amount"},
		{"rows=1", "is given twice"},
	} {
		f := Flag{{Unit: "rows", text: "rows=7"}}
		if err := f.Set(tt.flag); err == nil || !strings.Contains(err.Error(), tt.want) || len(f) != 1 {
			t.Errorf("%s: %v, want %s", tt.flag, err, tt.want)
		}
	}
}

func TestMatchLimits(t *testing.T) {
	var f Flag
	if err := f.Set("tokens=5"); err != nil {
		t.Fatal(err)
	}
	for limits, want := range map[string]string{
		"3/s 9 tokens/min":      "<nil>",
		"3/s":                   "--cost tokens=5: no limit counts tokens",
		"9 tokens/s 8 rows/s":   "8 rows/s counts rows; say what each costs with --cost, such as --cost rows=100 or --cost rows={2}",
		"9 tokens/s 9 tokens/d": "<nil>",
	} {
		if err := f.MatchLimits(scheduler.MustParseLimits(strings.Replace(limits, "/d", "/day", 1))); fmt.Sprint(err) != want {
			t.Errorf("%s: %v, want %s", limits, err, want)
		}
	}
}
