package debug

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// order is what an operator asks for.
type order struct {
	Scheduler string  `json:"scheduler"`
	Seconds   float64 `json:"seconds"`
	Limits    string  `json:"limits"`
}

// maxOrder is how long an order may be, in bytes.
const maxOrder = 1 << 16

// control carries out an order and answers with the state after it.
func (h *handler) control(w http.ResponseWriter, r *http.Request, what string) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		fail(w, http.StatusMethodNotAllowed, what+" must be asked for with POST")
		return
	}
	if status, why := h.refusesOperator(r); why != "" {
		fail(w, status, why)
		return
	}
	var o order
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&o); err != nil {
		fail(w, http.StatusBadRequest, "the order does not read: "+err.Error())
		return
	}
	n, err := h.find(o.Scheduler)
	if err != nil {
		fail(w, http.StatusNotFound, err.Error())
		return
	}
	switch err := o.carryOut(what, n.s); {
	case errors.Is(err, scheduler.ErrClosed):
		fail(w, http.StatusConflict, "the scheduler is closed")
	case err != nil:
		fail(w, http.StatusBadRequest, err.Error())
	default:
		send(w, http.StatusOK, stateOf(n))
	}
}

func (o order) carryOut(what string, s *scheduler.Scheduler) error {
	switch what {
	case "pause":
		if o.Seconds == 0 {
			return s.Pause()
		}
		if o.Seconds < 0 || o.Seconds > math.MaxInt64/float64(time.Second) {
			return fmt.Errorf("seconds must be more than 0, or left out to pause until resume, got %v", o.Seconds)
		}
		return s.PauseFor(time.Duration(o.Seconds * float64(time.Second)))
	case "resume":
		return s.Resume()
	default:
		limits, err := scheduler.ParseLimits(o.Limits)
		if err != nil {
			return err
		}
		return s.SetLimits(limits)
	}
}
