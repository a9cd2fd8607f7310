package main

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// inTurn uses two limiters with one unit each, for requests and for tokens, and asks one after the other. Here
// both are schedulers, so neither is worse than necessary. But while a call waits for the second, the first has
// already charged it. If the caller then gives up, it was charged for nothing.
type inTurn struct {
	requests, tokens *scheduler.Scheduler
	tokensFirst      bool

	lostRequests, lostTokens atomic.Int64
}

func newInTurn(limits scheduler.Limits, tokensFirst bool) (limiter, error) {
	ofRequests, ofTokens := scheduler.Limits{MaxBurst: limits.MaxBurst}, scheduler.Limits{}
	for _, w := range limits.Windows {
		if w.Unit == tokens {
			w.Unit = "" // a permit of this scheduler is a token
			ofTokens.Windows = append(ofTokens.Windows, w)
		} else {
			ofRequests.Windows = append(ofRequests.Windows, w)
		}
	}
	requests, err := scheduler.New(ofRequests)
	if err != nil {
		return nil, err
	}
	tokens, err := scheduler.New(ofTokens)
	if err != nil {
		requests.Close()
		return nil, err
	}
	return &inTurn{requests: requests, tokens: tokens, tokensFirst: tokensFirst}, nil
}

func (l *inTurn) take(ctx context.Context, estimate int) (permit, error) {
	if l.tokensFirst {
		of, err := l.tokens.AcquireN(ctx, estimate)
		if err != nil {
			return nil, err
		}
		slot, err := l.requests.Acquire(ctx)
		if err != nil {
			of.Release() // but it has been charged
			l.lostTokens.Add(int64(estimate))
			return nil, err
		}
		return both{slot, of}, nil
	}
	slot, err := l.requests.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	of, err := l.tokens.AcquireN(ctx, estimate)
	if err != nil {
		slot.Release()
		l.lostRequests.Add(1)
		return nil, err
	}
	return both{slot, of}, nil
}

func (l *inTurn) lost() (requests, tokens int) {
	return int(l.lostRequests.Load()), int(l.lostTokens.Load())
}

func (l *inTurn) Close() error { return errors.Join(l.requests.Close(), l.tokens.Close()) }

// both are the tickets of a call.
type both struct{ request, tokens ticket.Ticket }

// Settle does nothing: weights cannot be settled.
func (b both) Settle(...ticket.Cost) error { return nil }

func (b both) Release() {
	b.tokens.Release()
	b.request.Release()
}
