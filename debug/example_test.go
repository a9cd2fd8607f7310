package debug_test

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/flowguard-go/flowguard/debug"
	"github.com/flowguard-go/flowguard/scheduler"
)

// The page on a port that only this computer can reach. Machines read the same as JSON.
func Example() {
	github, err := scheduler.New(scheduler.MustParseLimits("5000/h burst 10"))
	if err != nil {
		log.Fatal(err)
	}
	defer github.Close()

	mux := http.NewServeMux()
	mux.Handle("/debug/flowguard/", debug.Handler(map[string]*scheduler.Scheduler{"github": github}))
	// A program calls: go http.ListenAndServe("127.0.0.1:6060", mux)
	server := httptest.NewServer(mux)
	defer server.Close()

	response, err := http.Get(server.URL + "/debug/flowguard/state.json")
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	var report debug.Report
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil {
		log.Fatal(err)
	}
	for _, s := range report.Schedulers {
		fmt.Printf("%s: limits %s, %d waiting, %d of %d held\n", s.Name, s.Limits, s.Stats.Waiting, s.Stats.InUse, s.MaxBurst)
	}
	// Output: github: limits 5000/h burst 10, 0 waiting, 0 of 10 held
}

// The page has buttons, and may be opened by a host name.
func ExampleControls() {
	s, err := scheduler.New(scheduler.MustParseLimits("5/s"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	handler := debug.Handler(map[string]*scheduler.Scheduler{"github": s}, debug.Controls(), debug.Hosts("ops.example.com"))

	server := httptest.NewServer(handler)
	defer server.Close()
	order := `{"scheduler":"github","seconds":30}`
	response, err := http.Post(server.URL+"/pause", "application/json", strings.NewReader(order))
	if err != nil {
		log.Fatal(err)
	}
	response.Body.Close()
	fmt.Println(response.Status, s.Stats().Paused)
	// Output: 200 OK true
}
