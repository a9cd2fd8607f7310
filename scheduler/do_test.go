package scheduler_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/flowguard-go/flowguard/scheduler"
)

func TestDo(t *testing.T) {
	bubble(t, "burst 1", func(s *story) {
		type key struct{}
		ctx := context.WithValue(background, key{}, "value")
		why := errors.New("why")
		err := s.Do(ctx, func(inner context.Context) error {
			if got := s.Stats().InUse; got != 1 {
				t.Errorf("%d in use", got)
			}
			if inner.Value(key{}) != "value" {
				t.Error("another context")
			}
			return why
		})
		if err != why {
			t.Error(err)
		}
		if got := s.Stats().InUse; got != 0 {
			t.Errorf("%d in use after Do", got)
		}
	})
}

func TestDoWithoutPermit(t *testing.T) {
	bubble(t, "burst 1", func(s *story) {
		s.acquire()
		ctx, cancel := context.WithCancel(background)
		done := make(chan error, 1)
		go func() {
			done <- s.Do(ctx, func(context.Context) error {
				t.Error("called without a permit")
				return nil
			})
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestWrap(t *testing.T) {
	bubble(t, "burst 1", func(s *story) {
		why := errors.New("why")
		half := scheduler.Wrap(s.Scheduler, func(_ context.Context, n int) (int, error) {
			if got := s.Stats().InUse; got != 1 {
				t.Errorf("%d in use", got)
			}
			if n%2 != 0 {
				return -1, why
			}
			return n / 2, nil
		})
		if got, err := half(background, 8); got != 4 || err != nil {
			t.Errorf("half of 8 is %d, %v", got, err)
		}
		if got, err := half(background, 7); got != -1 || err != why {
			t.Errorf("half of 7 is %d, %v", got, err)
		}
		s.Close()
		if got, err := half(background, 8); got != 0 || !errors.Is(err, scheduler.ErrClosed) {
			t.Errorf("after Close %d, %v", got, err)
		}
	})
}

func TestNilFunctions(t *testing.T) {
	s := start(t, scheduler.Limits{MaxBurst: 1})
	var invalid *scheduler.InvalidError
	if err := s.Do(background, nil); !errors.As(err, &invalid) {
		t.Error(err)
	}
	wrapped := scheduler.Wrap[int, int](s, nil)
	if _, err := wrapped(background, 1); !errors.As(err, &invalid) {
		t.Error(err)
	}
	if got := s.Stats().Granted; got != 0 {
		t.Errorf("%d granted", got)
	}
}
