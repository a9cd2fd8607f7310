package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// request and response are the messages of the API, reduced to what matters here. A word is a token.
type request struct {
	ID        int    `json:"id"`
	Prompt    string `json:"prompt"`
	MaxTokens int    `json:"max_tokens"` // the answer is cut there
}

type response struct {
	Text  string `json:"text"`
	Usage usage  `json:"usage"`
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
}

func (u usage) total() int { return u.PromptTokens + u.CompletionTokens }

// strictServer is the API. It does its own counting, without Flowguard's code.
//
// Providers differ in what they count and when. Some count what a call used, at its beginning, at its end or
// while the answer is produced. Some reserve max_tokens, and correct that at the end. strictServer never counts
// less than any of these:
//
//   - every request counts for a minute from its arrival, also one that is refused;
//   - while a call is open its prompt and its max_tokens count, as if the answer came at full length;
//   - for a minute from the end of the answer, all that the call used counts.
//
// Some providers reserve max_tokens and never correct it. With keeps, strictServer does so.
type strictServer struct {
	requests, tokens, open int           // the most in any minute, and at once
	keeps                  bool          // whether what was reserved is counted at the end too
	minute                 time.Duration // how long a minute is
	seed                   uint64        // of how long requests are on their way, and of how long answers are

	mu       sync.Mutex
	arrivals []time.Time // of all requests
	calls    int         // that are open
	reserved int         // tokens, for the calls that are open
	ended    []spent     // what the other calls used
}

// spent is what a call used, and when it ended.
type spent struct {
	at     time.Time
	tokens int
}

// newStrictServer returns a server with published limits, which have a window of requests, one of tokens, and
// a burst.
func newStrictServer(limits scheduler.Limits, minute time.Duration, seed uint64) *strictServer {
	f := &strictServer{open: limits.MaxBurst, minute: minute, seed: seed}
	for _, w := range limits.Windows {
		switch w.Unit {
		case "":
			f.requests = w.Permits
		case tokens:
			f.tokens = w.Permits
		}
	}
	return f
}

// A request is on its way for shortestWay and up to jitter more, and then in work for workTime and
// tokenTime for each token of the answer. A minute lasts 600 ms here, so a token takes as long as one at
// a rate of 50 a second.
const (
	shortestWay = time.Millisecond
	jitter      = 5 * time.Millisecond
	workTime    = 4 * time.Millisecond
	tokenTime   = 200 * time.Microsecond
)

// ServeHTTP answers a request, or refuses it with 429 (Too Many Requests).
func (f *strictServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var req request
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	rnd := rand.New(rand.NewPCG(f.seed, uint64(req.ID))) // the same for every way to call
	time.Sleep(shortestWay + time.Duration(rnd.Int64N(int64(jitter))))
	u := usage{len(strings.Fields(req.Prompt)), answerLength(rnd, req.MaxTokens)}

	most := u.PromptTokens + req.MaxTokens
	if limit := f.enter(most); limit != "" {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "rate limit reached: "+limit, http.StatusTooManyRequests)
		return
	}
	time.Sleep(workTime + time.Duration(u.CompletionTokens)*tokenTime)
	f.leave(most, u.total())
	json.NewEncoder(w).Encode(response{strings.Repeat("word ", u.CompletionTokens), u})
}

// answerLength returns how long an answer is. Most are much shorter than they may be, and it is not known
// beforehand which.
func answerLength(rnd *rand.Rand, most int) int {
	x := rnd.Float64()
	return max(1, int(x*x*float64(most)))
}

// enter lets in a request that arrives now and may use so many tokens. Otherwise it returns the limit that
// is reached.
func (f *strictServer) enter(most int) (limit string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now() // under the lock, so that arrivals are in order
	arrived := 0
	for _, at := range f.arrivals {
		if now.Sub(at) < f.minute {
			arrived++
		}
	}
	f.arrivals = append(f.arrivals, now)
	switch {
	case arrived >= f.requests:
		return fmt.Sprintf("%d requests a minute", f.requests)
	case f.counted(now)+most > f.tokens:
		return fmt.Sprintf("%d tokens a minute", f.tokens)
	case f.calls >= f.open:
		return fmt.Sprintf("%d calls at once", f.open)
	}
	f.calls++
	f.reserved += most
	return ""
}

// counted returns the tokens that count now. Its caller holds mu.
func (f *strictServer) counted(now time.Time) int {
	counted := f.reserved
	for _, s := range f.ended {
		if now.Sub(s.at) < f.minute {
			counted += s.tokens
		}
	}
	return counted
}

// leave notes that a call has ended.
func (f *strictServer) leave(most, used int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls--
	f.reserved -= most
	if f.keeps {
		used = most
	}
	f.ended = append(f.ended, spent{time.Now(), used})
}

// used returns how many calls have ended from one instant to another, and how many tokens they used.
func (f *strictServer) used(from, to time.Time) (calls, tokens int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.ended {
		if s.at.After(from) && !s.at.After(to) {
			calls++
			tokens += s.tokens
		}
	}
	return calls, tokens
}
