package flowredis

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// call is the request of one exchange. Times are in microseconds.
type call struct {
	begin  bool   // the engine did not know the script, so its memory may be old
	nonce  string // makes a generation unique
	config string
	id     string // of the scheduler
	known  string // the generation that the scheduler was last told

	serial, acked int64 // of this request, and of the last one that was answered in the known generation
	silent        int64 // since that one

	used, age, leased, inUse, head, waiting, ahead int64

	past string // what the windows remember; "-": not sent
}

// args returns the arguments of the script.
func (c *call) args() []any {
	begin := "0"
	if c.begin {
		begin = "1"
	}
	return []any{begin, c.nonce, c.config, c.id, c.known, c.serial, c.acked, c.silent, c.used, c.age, c.leased, c.inUse,
		c.head, c.waiting, c.ahead, c.past}
}

// result is the engine's answer.
type result struct {
	code  int64
	lease int64 // permits
	again int64 // microseconds
	clock int64 // what the engine's clock showed
	text  string
}

// Codes of a result. The text is the generation; with codeDisagree it is what the others share.
const (
	codeOK       = 0
	codeResend   = 1
	codeStale    = 2
	codeDisagree = 3
)

// config is what all that share a quota must agree upon, as the script reads it.
func config(lease time.Duration, r Recovery, l scheduler.Limits) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d %d", lease.Microseconds(), r, l.MaxBurst)
	for _, w := range l.Windows {
		fmt.Fprintf(&b, " %d %d", w.Permits, roundUp(w.Per))
	}
	return b.String()
}

// roundUp returns d in microseconds.
func roundUp(d time.Duration) int64 { return int64((d + time.Microsecond - 1) / time.Microsecond) }

// slack is the part by which the rates of two clocks may differ.
const slack = 100

// sooner returns an age that is not longer by the engine's clock than d is by this one, in microseconds. So a
// use that is reported with that age counts as later than it was, never earlier.
func sooner(d time.Duration) int64 {
	d = max(d, 0)
	return (d - d/slack).Microseconds()
}

// encodePast returns the lists of age and permits, "age:n,age:n;…", a list for each window.
func encodePast(past [][]scheduler.QuotaUse) string {
	if past == nil {
		return "-"
	}
	var b strings.Builder
	for _, window := range past {
		if b.Len() > 0 {
			b.WriteByte(';')
		}
		b.WriteByte(',') // so that no list is empty
		for _, u := range window {
			b.WriteString(strconv.FormatInt(sooner(u.Age), 10))
			b.WriteByte(':')
			b.WriteString(strconv.Itoa(u.Permits))
			b.WriteByte(',')
		}
	}
	if b.Len() == 0 {
		return "" // no windows
	}
	return b.String()
}
