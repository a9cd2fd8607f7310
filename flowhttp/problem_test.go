package flowhttp_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/flowguard-go/flowguard/flowhttp"
)

func TestRefuseProblem(t *testing.T) {
	for _, c := range []struct {
		no   flowhttp.Refusal
		want map[string]any
	}{
		{flowhttp.Refusal{Status: 429, Policy: `a "5/s"`}, map[string]any{"type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
			"title": `too many requests: the limit is a "5/s"; try again later`, "status": 429.0, "violated-policies": []any{`a "5/s"`}}},
		{flowhttp.Refusal{Status: 503}, map[string]any{"type": "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
			"title": "the service is not available now; try again later", "status": 503.0}},
		{flowhttp.Refusal{Status: 413, Policy: "burst 2"}, map[string]any{"type": "about:blank",
			"title": "the request is too large: the limit is burst 2", "status": 413.0, "violated-policies": []any{"burst 2"}}},
	} {
		w := httptest.NewRecorder()
		flowhttp.RefuseProblem(w, httptest.NewRequest(http.MethodGet, "/", nil), c.no)
		var got map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %v, want %v", err, got, c.want)
		}
		if w.Code != c.no.Status || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%d, %v", w.Code, w.Header())
		}
	}
}
