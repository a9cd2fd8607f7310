package quota

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowguard-go/flowguard/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	t.Setenv(passwordInEnv, "of the environment")
	for _, tt := range []struct{ text, name, server, user, password string }{
		{"redis://localhost:7000/2#github-api", "quota github-api", "localhost:7000", "", "of the environment"},
		{"redis://far.example#a%20b", "quota a b", "far.example:6379", "", "of the environment"},
		{"rediss://me:pw%40@far.example/#x?y", "quota x?y", "far.example:6379", "me", "pw@"},
		{"redis://me@far.example?dial_timeout=9s&db=3#x", "quota x", "far.example:6379", "me", "of the environment"},
		{"unix:///run/redis.sock#x", "quota x", "/run/redis.sock", "", "of the environment"},
		{"redis://[::1]:7000?lease=5s&on_loss=quarantine#x", "quota x", "[::1]:7000", "", "of the environment"},
	} {
		q, err := Parse(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		defer q.Close()
		o := q.client.Options()
		if q.String() != tt.name || q.Server() != tt.server || o.Username != tt.user || o.Password != tt.password {
			t.Errorf("%s: %q at %q, user %q, password %q", tt.text, q, q.Server(), o.Username, o.Password)
		}
		if !o.ContextTimeoutEnabled || o.MaxRetries != 0 { // 0 is what the client makes of -1
			t.Errorf("%s: the client would hold up exchanges: %+v", tt.text, o)
		}
	}
}

// Package flowredis takes what is meant for it: schedulers that do not agree about it would not share a quota.
func TestParseOptions(t *testing.T) {
	for query, want := range map[string]string{
		"":                     "",
		"?lease=5s":            "",
		"?on_loss=optimistic":  "",
		"?lease=1ms":           "must be from 50ms to 5m0s, got 1ms",
		"?lease=10m&db=1":      "must be from 50ms to 5m0s, got 10m0s",
		"?lease=50ms&db=1":     "",
		"?on_loss=recollect":   "",
		"?on_loss=quarantine&": "",
	} {
		q, err := Parse("redis://localhost" + query + "#x")
		if err != nil {
			t.Errorf("%q: %v", query, err)
			continue
		}
		defer q.Close()
		s, err := scheduler.New(scheduler.MustParseLimits("5/s"), q.Option())
		if err == nil {
			s.Close()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", query, err, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"redis://localhost":                      "the name of the quota is missing; write it behind #",
		"redis://localhost#":                     "the name of the quota is missing",
		"localhost:6379#x":                       "invalid URL scheme: localhost; write it like redis://",
		"localhost#x":                            "invalid URL scheme: ; write it like redis://",
		"http://localhost#x":                     "invalid URL scheme: http",
		"redis://localhost/one#x":                `invalid database number: "one"`,
		"redis://localhost?leas=1s#x":            "unexpected option: leas",
		"redis://localhost?lease=1#x":            "lease=1 is not a duration; write it like lease=5s",
		"redis://localhost?on_loss=Quarantine#x": "on_loss=Quarantine is not known; it is recollect, quarantine or optimistic",
		"redis://:secret%@localhost#x":           "it is not a URL; write it like redis://",
		"redis://:sec/ret@localhost#x":           "in a password %40 for @, %2F for / and %25 for %",
		"redis://:secret@localhost/one#x":        "invalid database number",
		"redis://:secret@localhost?leas=1s#x":    "unexpected option: leas",
	} {
		q, err := Parse(text)
		if err == nil {
			q.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		} else if strings.Contains(err.Error(), "sec") {
			t.Errorf("%s: the password is told: %v", text, err)
		}
	}
}

func TestCheck(t *testing.T) {
	for text, fine := range map[string]bool{
		"5/s 100/min burst 3":      true,
		"burst 3":                  true,
		"5/s evenly":               false,
		"5/s 100/min from release": false,
		"5000/day from reset 00:00 Europe/Berlin": false,
		"5/s 9000 tokens/min":                     false,
	} {
		l := scheduler.MustParseLimits(text)
		err := Check(l)
		if (err == nil) != fine {
			t.Errorf("%s: %v", text, err)
		}
		if err != nil {
			worst := l.Windows[len(l.Windows)-1].String()
			if !strings.HasPrefix(err.Error(), worst+" cannot be shared") {
				t.Errorf("%s: %v does not name %s", text, err, worst)
			}
		}
		// What passes is what a scheduler that shares a quota takes.
		q, err := Parse(Example)
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		s, err := scheduler.New(l, q.Option())
		if err == nil {
			s.Close()
		}
		if (err == nil) != fine {
			t.Errorf("%s: a scheduler says %v", text, err)
		}
	}
}

// Reach ends with its context, before its patience.
func TestReach(t *testing.T) {
	q, err := Parse("redis://127.0.0.1:1#x")
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if err := q.Reach(t.Context()); err == nil {
		t.Error("something answers on port 1")
	}
	if patience < time.Second {
		t.Error("a server that is far away has no time to answer")
	}
}
