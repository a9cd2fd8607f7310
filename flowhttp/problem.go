package flowhttp

import (
	"encoding/json"
	"net/http"
)

// RefuseProblem answers a refused request with its status and a problem document (RFC 9457), for
// [Limit.Refuse]. The types "quota-exceeded" and "temporary-reduced-capacity" are those of the draft that
// [HeaderUse] names:
//
//	{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded",
//	 "title":"too many requests: the limit is 5/s; try again in 2 seconds",
//	 "status":429, "violated-policies":["5/s"]}
func RefuseProblem(w http.ResponseWriter, _ *http.Request, no Refusal) {
	p := problem{Type: "about:blank", Title: no.sentence(), Status: no.Status}
	switch no.Status {
	case http.StatusTooManyRequests:
		p.Type = problemTypes + "quota-exceeded"
	case http.StatusServiceUnavailable:
		p.Type = problemTypes + "temporary-reduced-capacity"
	}
	if no.Policy != "" {
		p.Violated = []string{no.Policy}
	}
	body, _ := json.Marshal(p) // strings and a number
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(no.Status)
	w.Write(body)
}

const problemTypes = "https://iana.org/assignments/http-problem-types#"

type problem struct {
	Type     string   `json:"type"`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Violated []string `json:"violated-policies,omitempty"`
}
