package flowhttp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// The answers of these tests say in their last line what they cost. Their calls are charged 100 tokens beforehand.
func usedTokens(_ *http.Response, body []byte) []ticket.Cost {
	n, err := strconv.Atoi(string(body[bytes.LastIndexByte(body, '\n')+1:]))
	if err != nil {
		return nil
	}
	return []ticket.Cost{tokens.Of(n)}
}

// What an answer says is settled once, and the permit is given back then, without a Close.
func TestAnswersSettleTheirCalls(t *testing.T) {
	readAll := func(resp *http.Response) { io.ReadAll(resp.Body) }
	for _, c := range []struct {
		name   string
		answer func() *http.Response
		do     func(resp *http.Response)
		change func(*flowhttp.Transport)
		asked  string // the bodies that Usage was shown
		used   int
	}{
		{name: "read to its end", do: readAll, asked: "hello\n7", used: 7},
		{name: "read and closed", do: func(resp *http.Response) { readAll(resp); resp.Body.Close(); resp.Body.Close() }, asked: "hello\n7", used: 7},
		{name: "copied", do: func(resp *http.Response) { io.Copy(io.Discard, resp.Body) }, asked: "hello\n7", used: 7},
		{name: "read in part, and closed", do: func(resp *http.Response) { io.ReadFull(resp.Body, make([]byte, 6)); resp.Body.Close() }, asked: "hello\n", used: 100},
		{name: "closed", do: func(resp *http.Response) { resp.Body.Close() }, asked: "", used: 100},
		{name: "more than the estimate", answer: func() *http.Response { return answer(200, "800") }, do: readAll, asked: "800", used: 800},
		{name: "nothing said", answer: func() *http.Response { return answer(500, "sorry") }, do: readAll, asked: "sorry", used: 100},
		{name: "below 0", answer: func() *http.Response { return answer(200, "-3") }, do: readAll, asked: "-3", used: 100},
		{name: "reading fails", answer: func() *http.Response {
			resp := answer(200, "")
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("x\n8"), iotest.ErrReader(errReset)))
			return resp
		}, do: readAll, asked: "x\n8", used: 8},
		{name: "no body", answer: func() *http.Response { return answer(204, "") }, do: func(*http.Response) {},
			change: func(t *flowhttp.Transport) {
				t.Usage = func(resp *http.Response, body []byte) []ticket.Cost {
					if body != nil || resp.StatusCode != 204 {
						panic("a body")
					}
					return []ticket.Cost{tokens.Of(3)}
				}
			}, used: 3},
		{name: "another unit", do: readAll, change: func(t *flowhttp.Transport) {
			t.Usage = func(*http.Response, []byte) []ticket.Cost { return []ticket.Cost{scheduler.Unit("rows").Of(1)} }
		}, used: 100},
		{name: "settled by hand before", do: func(resp *http.Response) {
			if err := flowhttp.Settle(resp, tokens.Of(9)); err != nil {
				panic(err)
			}
			readAll(resp)
		}, asked: "hello\n7", used: 7},
	} {
		for _, own := range []bool{false, true} { // the body copies itself
			s := start(t, "1000 tokens/h burst 1", scheduler.WithClock(clock.NewMock()))
			client := costing(s, far(func(*http.Request) (*http.Response, error) {
				resp := answer(200, "hello\n7")
				if c.answer != nil {
					resp = c.answer()
				}
				if own && resp.Body != http.NoBody {
					resp.Body = selfCopying{resp.Body}
				}
				return resp, nil
			}))
			var asked []string
			client.Usage = func(resp *http.Response, body []byte) []ticket.Cost {
				asked = append(asked, string(body))
				wantInUse(t, s, 1)
				return usedTokens(resp, body)
			}
			if c.change != nil {
				client.Usage = nil
				c.change(client)
			}
			resp, err := client.RoundTrip(request(t, background))
			if err != nil {
				t.Fatal(err)
			}
			c.do(resp)
			wantInUse(t, s, 0)
			if got := 1000 - s.Stats().Windows[0].Remaining; got != c.used {
				t.Errorf("%s: %d tokens used, want %d", c.name, got, c.used)
			}
			if got := strings.Join(asked, "|"); got != c.asked || len(asked) > 1 {
				t.Errorf("%s: shown %q, want %q", c.name, asked, c.asked)
			}
		}
	}
}

type selfCopying struct{ io.ReadCloser }

func (c selfCopying) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, c.ReadCloser) }

// Where the ticket has ended, or has no costs, nothing is asked.
func TestAnswersThatSettleNothing(t *testing.T) {
	never := func(*http.Response, []byte) []ticket.Cost { t.Error("asked"); return nil }
	for name, change := range map[string]func(*flowhttp.Transport){
		"no costs":          func(t *flowhttp.Transport) { t.Cost = nil },
		"after the headers": func(t *flowhttp.Transport) { t.Release = flowhttp.AfterHeaders },
		"no limit":          func(t *flowhttp.Transport) { t.Scheduler = func(*http.Request) scheduler.Source { return nil } },
		"failure": func(t *flowhttp.Transport) {
			t.Base = far(func(*http.Request) (*http.Response, error) { return nil, errReset })
		},
		"switching protocols": func(t *flowhttp.Transport) {
			t.Base = far(func(*http.Request) (*http.Response, error) { return answer(101, "hello"), nil })
		},
	} {
		s := start(t, "1000 tokens/h burst 1", scheduler.WithClock(clock.NewMock()))
		client := costing(s, far(ok))
		client.Usage = never
		change(client)
		if resp, err := client.RoundTrip(request(t, background)); err == nil {
			io.ReadAll(resp.Body)
			resp.Body.Close()
		} else if !errors.Is(err, errReset) {
			t.Error(name, err)
		}
		wantInUse(t, s, 0)
	}
	synctest.Test(t, func(t *testing.T) { // the end of the context comes first
		s := start(t, "1000 tokens/h burst 1")
		defer s.Close()
		client := costing(s, far(ok))
		asked := 0
		client.Usage = func(*http.Response, []byte) []ticket.Cost { asked++; return []ticket.Cost{tokens.Of(1)} }
		ctx, cancel := context.WithCancel(background)
		resp, err := client.RoundTrip(request(t, ctx))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		wantInUse(t, s, 0)
		io.ReadAll(resp.Body)
		wantTokens(t, s, 900)
		if asked > 0 {
			t.Error("asked")
		}
	})
}

// A panic gives the permit back and goes on up.
func TestPanicOfSettle(t *testing.T) {
	for _, status := range []int{200, 204} {
		s := start(t, "1000 tokens/h burst 1", scheduler.WithClock(clock.NewMock()))
		client := costing(s, far(func(*http.Request) (*http.Response, error) {
			return answer(status, strings.Repeat("x", 204-status)), nil
		}))
		client.Usage = func(*http.Response, []byte) []ticket.Cost { panic("in Usage") }
		func() {
			defer func() {
				if recover() != "in Usage" {
					t.Errorf("%d: no panic", status)
				}
			}()
			resp, err := client.RoundTrip(request(t, background))
			if err != nil {
				t.Fatal(err)
			}
			io.ReadAll(resp.Body)
		}()
		wantInUse(t, s, 0)
		wantTokens(t, s, 900)
	}
}

// Of a long body the end is shown, however it comes in.
func TestSettleIsShownTheEnd(t *testing.T) {
	for range 20 {
		s := start(t, "1000 tokens/h burst 1", scheduler.WithClock(clock.NewMock()))
		text := make([]byte, rand.IntN(6<<20))
		rand.NewChaCha8([32]byte{byte(len(text))}).Read(text)
		client := costing(s, far(func(*http.Request) (*http.Response, error) {
			resp := answer(200, "")
			resp.Body = io.NopCloser(bytes.NewReader(text))
			return resp, nil
		}))
		client.Usage = func(_ *http.Response, body []byte) []ticket.Cost {
			if want := text[max(0, len(text)-1<<20):]; !bytes.Equal(body, want) {
				t.Errorf("of %d bytes %d are shown, and not the last", len(text), len(body))
			}
			return []ticket.Cost{tokens.Of(1)}
		}
		resp, err := client.RoundTrip(request(t, background))
		if err != nil {
			t.Fatal(err)
		}
		for p := make([]byte, 3<<20); err == nil; {
			_, err = resp.Body.Read(p[:1+rand.IntN(len(p))])
		}
		wantTokens(t, s, 999)
	}
}

// Whoever reads, closes or cancels, and in whatever order: a call is settled at most once, and its permit comes back.
func TestSettleAtRandom(t *testing.T) { synctest.Test(t, settleAtRandom) }

func settleAtRandom(t *testing.T) {
	const calls = 500
	s := start(t, fmt.Sprintf("%d tokens/h burst 4", 100*calls))
	defer s.Close()
	var mu sync.Mutex
	settled, want := map[*http.Response]bool{}, 100*calls
	client := costing(s, far(func(*http.Request) (*http.Response, error) {
		return answer(200, strings.Repeat("x", rand.IntN(50))+"\n"+strconv.Itoa(rand.IntN(100))), nil
	}))
	client.Usage = func(resp *http.Response, body []byte) []ticket.Cost {
		mu.Lock()
		defer mu.Unlock()
		if settled[resp] {
			t.Error("asked twice")
		}
		settled[resp] = true
		costs := usedTokens(resp, body)
		for _, c := range costs {
			want += c.Amount - 100
		}
		return costs
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range calls / 4 {
				ctx, cancel := context.WithTimeout(background, time.Hour)
				resp, err := client.RoundTrip(request(t, ctx))
				if err != nil {
					t.Error(err)
					cancel()
					return
				}
				if i%2 == 0 {
					io.ReadAll(resp.Body)
				}
				var ends sync.WaitGroup
				for _, end := range []func(){
					func() {
						io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{resp.Body}, make([]byte, 7))
					},
					func() { resp.Body.Close() },
					cancel,
				}[rand.IntN(3):] {
					ends.Go(end)
				}
				ends.Wait()
				cancel()
			}
		})
	}
	wg.Wait()
	synctest.Wait() // context.AfterFunc has a goroutine of its own
	wantInUse(t, s, 0)
	if used := s.Stats().Windows[0].Used; used != want {
		t.Errorf("%d tokens used, want %d", used, want)
	}
}
