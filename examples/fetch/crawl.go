package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/flowguard-go/flowguard/pipeline"
	"github.com/flowguard-go/flowguard/scheduler"
)

// tally is how far a crawl has come.
type tally struct {
	fetched int // pages
	refused int // answers of 429
	elapsed time.Duration
}

// crawl starts the server on the listener, fetches its pages within the limits, and stops the server.
// It shows each change of the tally.
func crawl(ctx context.Context, listener net.Listener, dial dialer, limits scheduler.Limits, seed uint64, show func(tally)) (tally, error) {
	server := &http.Server{Handler: newStrictServer(serverLimits(), seed)}
	go server.Serve(listener)
	defer server.Shutdown(context.WithoutCancel(ctx)) // it may finish its present work, after Ctrl-C too

	s, err := scheduler.New(limits)
	if err != nil {
		return tally{}, err
	}
	defer s.Close()
	transport := &http.Transport{DialContext: dial, MaxIdleConnsPerHost: limits.MaxBurst}
	defer transport.CloseIdleConnections()
	c := &crawler{s: s, client: &http.Client{Transport: transport}, site: "http://" + listener.Addr().String(), show: show}

	began := time.Now()
	err = c.crawl(ctx, pages)
	c.elapsed = time.Since(began)
	return c.tally, err
}

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// crawler fetches the pages of one site.
type crawler struct {
	s      *scheduler.Scheduler
	client *http.Client
	site   string

	tally
	show func(tally)
}

// crawl fetches the first n pages, in as many rounds as it takes until none is refused. A repeated request
// waits for a permit again, because to the server it is another request.
func (c *crawler) crawl(ctx context.Context, n int) (err error) {
	left := make([]int, n)
	for i := range left {
		left[i] = i
	}
	var again time.Time // when to ask again
	for len(left) > 0 {
		select {
		case <-time.After(time.Until(again)):
		case <-ctx.Done(): // the round returns why
		}
		if left, again, err = c.round(ctx, left); err != nil {
			return err
		}
	}
	return nil
}

// round asks once for each page of the list. It returns those that were refused, and when to ask again.
func (c *crawler) round(ctx context.Context, list []int) (left []int, again time.Time, err error) {
	ctx, abort := pipeline.WithAbort(ctx)
	fetched := pipeline.Map(ctx, c.s, pipeline.FromSlice(ctx, list), c.fetch)
	defer func() {
		abort(nil)
		for range fetched { // closes when the last call has returned
		}
	}()

	for _, err := range pipeline.ToSeq2(ctx, fetched) {
		var no *refusal
		switch {
		case errors.As(err, &no):
			left, again = append(left, no.page), no.again
			c.refused++
		case err != nil:
			return nil, again, err
		default:
			c.fetched++ // a real crawler would keep the page
		}
		c.show(c.tally)
	}
	return left, again, nil
}

// fetch returns a page. The pipeline holds the permit until fetch returns. So fetch must read the whole page
// first, because until then the request is open at the server and counts there.
func (c *crawler) fetch(ctx context.Context, page int) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/%d", c.site, page), nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusTooManyRequests:
		seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		if err != nil {
			return nil, err
		}
		return nil, &refusal{page, time.Now().Add(time.Duration(seconds) * time.Second)}
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("page %d: %s", page, resp.Status)
	}
	return body, nil
}

// refusal is an answer of 429.
type refusal struct {
	page  int
	again time.Time
}

func (r *refusal) Error() string {
	return fmt.Sprintf("page %d: 429, ask again at %v", r.page, r.again)
}
