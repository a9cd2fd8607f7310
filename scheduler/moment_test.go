package scheduler

import (
	"math"
	"math/big"
	"testing"
	"time"
)

func TestMoments(t *testing.T) {
	const first = moment(math.MinInt64)
	for _, c := range []struct {
		t    moment
		d    time.Duration
		want moment
	}{
		{0, 0, 0},
		{3, 4, 7},
		{3, -4, -1},
		{horizon, maxPer, horizon + moment(maxPer)},
		{-horizon, -maxPer, -horizon - moment(maxPer)},
		{never - 1, 1, never},
		{never - 1, 2, never},
		{never, 0, never},
		{never, 1, never},
		{1, Forever, never},
		{never, Forever, never},
		{-1, Forever, never - 1},
		{first, Forever, -1},
		{first, 0, first},
		{first, -1, first},
		{-1, math.MinInt64, first},
		{0, math.MinInt64, first},
		{1, math.MinInt64, first + 1},
		{first, math.MinInt64, first},
	} {
		if got := c.t.after(c.d); got != c.want {
			t.Errorf("%v after %d is %d, want %d", c.d, c.t, got, c.want)
		}
	}
	for _, c := range []struct {
		from, to moment
		want     time.Duration
	}{
		{3, 7, 4},
		{7, 3, -4},
		{-horizon, horizon, 2 * time.Duration(horizon)},
		{horizon, -horizon, -2 * time.Duration(horizon)},
		{-1, never - 1, Forever},
		{-2, never - 1, Forever},
		{first, horizon, Forever},
		{5, never, Forever}, // never is no moment that time could come near to
		{never, never, Forever},
		{first, never, Forever},
		{never, -1, math.MinInt64},
		{never, -2, math.MinInt64},
		{horizon, first, math.MinInt64},
		{0, first, math.MinInt64},
		{-1, first, math.MinInt64 + 1},
	} {
		if got := c.from.until(c.to); got != c.want {
			t.Errorf("from %d until %d it is %d, want %d", c.from, c.to, got, c.want)
		}
	}
}

// Whatever is added or subtracted, the result is the true one or the nearest there is.
func TestMomentsDoNotOverflow(t *testing.T) {
	var all []int64
	for _, at := range []int64{math.MinInt64, -int64(horizon), -int64(maxPer), 0, int64(maxPer), int64(horizon), math.MaxInt64} {
		for _, off := range []int64{-2, -1, 0, 1, 2} {
			all = append(all, at+off) // wraps around to the other end, which is an extreme too
		}
	}
	nearest := func(x *big.Int) int64 {
		switch {
		case x.IsInt64():
			return x.Int64()
		case x.Sign() > 0:
			return math.MaxInt64
		}
		return math.MinInt64
	}
	for _, a := range all {
		for _, b := range all {
			x, y := big.NewInt(a), big.NewInt(b)
			if got, want := moment(a).after(time.Duration(b)), nearest(new(big.Int).Add(x, y)); got != moment(want) {
				t.Errorf("%d after %d is %d, want %d", b, a, got, want)
			}
			want := nearest(new(big.Int).Sub(y, x))
			if moment(b) == never {
				want = math.MaxInt64
			}
			if got := moment(a).until(moment(b)); got != time.Duration(want) {
				t.Errorf("from %d until %d it is %d, want %d", a, b, got, want)
			}
		}
	}
}
