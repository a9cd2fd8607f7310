package flowhttp

import (
	"net/http"
	"sync"

	"github.com/flowguard-go/flowguard/ticket"
)

// maxUsageBody is how much of a body [Transport.Usage] gets.
const maxUsageBody = 1 << 20

// usage settles a call once, with the cost that its response reports.
type usage struct {
	of   func(*http.Response, []byte) []ticket.Cost
	resp *http.Response

	mu   sync.Mutex // a body may be closed while it is read
	read []byte     // of the body, its last bytes; at most twice maxUsageBody
}

// note notes what the caller has read.
func (u *usage) note(p []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(p) > maxUsageBody {
		p = p[len(p)-maxUsageBody:]
	}
	if len(u.read)+len(p) > 2*maxUsageBody {
		u.read = u.read[:copy(u.read, u.last())]
	}
	u.read = append(u.read, p...)
}

// last returns the part of the body that Usage gets.
func (u *usage) last() []byte { return u.read[max(0, len(u.read)-maxUsageBody):] }

// tell settles the ticket with what the answer says it cost. It must be called once, before the release.
func (u *usage) tell(t ticket.Ticket) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if costs := u.of(u.resp, u.last()); len(costs) > 0 {
		_ = t.Settle(costs...) // see Transport.Usage
	}
	u.read = nil
}
