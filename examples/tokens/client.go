package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

const tokens scheduler.Unit = "tokens"

// client calls the API. Its limiter decides when.
type client struct {
	limiter  limiter
	estimate func(request) int // what a request may cost
	settles  bool              // whether it says afterwards what it did cost
	http     *http.Client
	url      string
}

// limiter waits until a call with the given estimate of tokens may be made.
type limiter interface {
	take(ctx context.Context, estimate int) (permit, error)
	lost() (requests, tokens int) // what was charged for calls that were never made
	Close() error
}

// permit is held by a call while it runs.
type permit interface {
	Settle(costs ...ticket.Cost) error
	Release()
}

// atMost is an upper bound: the prompt is known, and the answer is cut at max_tokens.
func atMost(r request) int { return len(strings.Fields(r.Prompt)) + r.MaxTokens }

// typically is a guess: the prompt, and the length of an average answer.
func typically(r request) int { return len(strings.Fields(r.Prompt)) + r.MaxTokens/3 }

// refusal is an answer of 429.
type refusal struct{ reason string }

func (r *refusal) Error() string { return "429: " + r.reason }

// ask makes one call: it estimates, waits, calls, and settles. waiting is the context for the wait.
func (c *client) ask(ctx, waiting context.Context, r request) error {
	p, err := c.limiter.take(waiting, c.estimate(r))
	if err != nil {
		return err
	}
	// The permit begins to expire only now, when the API has counted the whole answer.
	defer p.Release()

	answer, err := c.post(ctx, r)
	var no *refusal
	switch {
	case !c.settles:
		return err
	case errors.As(err, &no):
		return errors.Join(err, p.Settle(tokens.Of(0)))
	case err != nil:
		return err // what it has used is not known, so the estimate stays
	}
	return p.Settle(tokens.Of(answer.Usage.total()))
}

// post sends a request and reads the whole answer.
func (c *client) post(ctx context.Context, r request) (answer response, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return answer, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return answer, err
	case resp.StatusCode == http.StatusTooManyRequests:
		return answer, &refusal{strings.TrimSpace(string(text))}
	case resp.StatusCode != http.StatusOK:
		return answer, fmt.Errorf("%s: %s", resp.Status, text)
	}
	return answer, json.Unmarshal(text, &answer)
}

// together decides all limits at once.
type together struct{ *scheduler.Scheduler }

func newTogether(limits scheduler.Limits) (limiter, error) {
	s, err := scheduler.New(limits)
	return together{s}, err
}

func (t together) take(ctx context.Context, estimate int) (permit, error) {
	return t.AcquireN(ctx, 1, tokens.Of(estimate))
}

// lost returns nothing: a ticket that is not granted has been charged to no limit.
func (t together) lost() (requests, tokens int) { return 0, 0 }
