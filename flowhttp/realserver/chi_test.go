package realserver

import (
	"io"
	"net/http"
	"testing"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// A limit for all of a chi router, one for a group, and one for a route. What chi puts into the request's
// context reaches the handler, and its Recoverer outside finds the permit given back.
func TestChi(t *testing.T) {
	all, group, route := start(t, "9/h burst 1"), start(t, "4/h"), start(t, "2/h")
	router := chi.NewRouter()
	router.Use(middleware.Recoverer, middleware.RequestID, flowhttp.Middleware(flowhttp.Limit{Scheduler: flowhttp.Always(all), Name: "all"}))
	router.Get("/panic", func(http.ResponseWriter, *http.Request) { panic("as it happens") })
	router.Route("/users", func(r chi.Router) {
		r.Use(flowhttp.Middleware(flowhttp.Limit{Scheduler: flowhttp.Always(group), Name: "users"}))
		user := func(w http.ResponseWriter, r *http.Request) {
			if middleware.GetReqID(r.Context()) == "" {
				t.Error("the request has lost its id")
			}
			io.WriteString(w, "user "+chi.URLParam(r, "id"))
		}
		r.Get("/{id}", user)
		r.With(flowhttp.Middleware(flowhttp.Limit{Scheduler: flowhttp.Always(route), Name: "items"})).Get("/{id}/items", user)
	})
	handler, returned := counted(router)
	server := serve(t, handler)
	for _, want := range []struct {
		path   string
		status int
		body   string
		told   int // RateLimit fields
	}{
		{"/users/7", 200, "user 7", 2},
		{"/users/8/items", 200, "user 8", 3},
		{"/users/9/items", 200, "user 9", 3},
		{"/users/9/items", 429, "too many requests: the limit is items 2/h; try again in 3600 seconds\n", 3},
		{"/users/9", 429, "too many requests: the limit is users 4/h; try again in 3600 seconds\n", 2},
		{"/nowhere", 404, "404 page not found\n", 1},
		{"/panic", 500, "", 1},
		{"/panic", 500, "", 1},
		{"/nowhere", 404, "404 page not found\n", 1},
		{"/nowhere", 429, "too many requests: the limit is all 9/h; try again in 3600 seconds\n", 1},
	} {
		resp, body := get(t, server, want.path)
		if resp.StatusCode != want.status || body != want.body || len(resp.Header.Values("RateLimit")) != want.told {
			t.Errorf("%s: %d %q %q", want.path, resp.StatusCode, body, resp.Header.Values("RateLimit"))
		}
		<-returned // or the next could come before the permit is back
	}
	inUse(t, all, 0)
	inUse(t, group, 0)
	inUse(t, route, 0)
}
