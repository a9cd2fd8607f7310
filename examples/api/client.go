package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
)

// newClient returns a client that takes a permit of s for each request. The example counts refusals, so the client
// does not follow the advice that comes with them.
func newClient(s *scheduler.Scheduler, base http.RoundTripper) *http.Client {
	transport := flowhttp.NewTransport(s)
	transport.Base, transport.MaxPause = base, -1
	return &http.Client{Transport: transport}
}

// items is the number of items, and workers the number of goroutines that fetch them.
const items, workers = 60, 10

// fetchAll fetches all items. It returns how many requests were refused on the way.
func fetchAll(ctx context.Context, client *http.Client) (refused int, err error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var next, no atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for id := next.Add(1); id <= items; id = next.Add(1) {
				n, err := fetch(ctx, client, int(id))
				no.Add(int64(n))
				if err != nil {
					fail(err)
					return
				}
			}
		})
	}
	group.Wait()
	return int(no.Load()), context.Cause(ctx)
}

// fetch fetches an item, and asks again until it is not refused.
func fetch(ctx context.Context, client *http.Client, id int) (refused int, err error) {
	for {
		resp, err := get(ctx, client, id, "")
		if err != nil {
			return refused, err
		}
		switch resp.StatusCode {
		case http.StatusOK:
			return refused, nil
		case http.StatusTooManyRequests:
			refused++
		default:
			return refused, fmt.Errorf("item %d: %s", id, resp.Status)
		}
		// If the burst is used up, the server does not know when it has room.
		wait := 2 * workTime
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
			wait = time.Duration(seconds) * time.Second
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return refused, context.Cause(ctx)
		}
	}
}

// get asks once for an item, and reads the answer.
func get(ctx context.Context, client *http.Client, id int, name string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://api.example/items/%d", id), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Client", name)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp, err
}

// compare lets a modest client ask for three items, one after the other. Meanwhile a greedy client asks with 50
// goroutines.
func compare(ctx context.Context, client *http.Client) (got rivalry, err error) {
	began := time.Now()
	over, stop := context.WithCancelCause(ctx)
	var answers atomic.Int64
	var greedy sync.WaitGroup
	for id := range 50 {
		greedy.Go(func() {
			for {
				resp, err := get(over, client, id, "greedy")
				switch {
				case over.Err() != nil:
					return
				case err != nil:
					stop(err)
					return
				case resp.StatusCode == http.StatusOK:
					answers.Add(1)
				}
			}
		})
	}
	err = modest(over, client, &got)
	stop(errOver)
	greedy.Wait()
	got.greedy = float64(answers.Load()) / time.Since(began).Seconds()
	if cause := context.Cause(over); !errors.Is(cause, errOver) {
		err = cause
	}
	return got, err
}

var errOver = errors.New("the modest client has all it wants")

// modest begins when the greedy client is busy, and fetches three items.
func modest(ctx context.Context, client *http.Client, got *rivalry) error {
	for id := range 3 {
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		asked := time.Now()
		resp, err := get(ctx, client, id, "modest")
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("the modest client: %s", resp.Status)
		}
		got.slowest = max(got.slowest, time.Since(asked)-workTime)
	}
	return nil
}
