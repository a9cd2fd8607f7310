// Command figures measures a quota that four processes share, beside the limiter of redis_rate (the generic cell rate
// algorithm in Redis), in one run on one server:
//
//	go run . -seconds 5
//
// Each process has 64 goroutines that take permits as fast as they get them.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowguard-go/flowguard/flowredis"
	"github.com/flowguard-go/flowguard/flowredis/internal/engine"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/go-redis/redis_rate/v10"
)

const (
	processes  = 4
	goroutines = 64
)

// orders is what a process is told.
type orders struct {
	Addr   string
	Rate   int // a second
	Usual  bool
	Note   bool // the time of each permit
	Length time.Duration
}

// outcome is what it says.
type outcome struct {
	Granted int
	File    string // the times, 8 bytes each
}

func main() {
	log.SetFlags(0)
	if text := os.Getenv("FIGURES_ORDERS"); text != "" {
		var o orders
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			log.Fatal(err)
		}
		if err := o.obey(); err != nil {
			log.Fatal(err)
		}
		return
	}
	seconds := flag.Float64("seconds", 7, "how long each measurement takes")
	binding := flag.Bool("binding", false, "measure only at a binding limit")
	flag.Parse()
	if err := measure(time.Duration(*seconds*float64(time.Second)), *binding); err != nil {
		log.Fatal(err)
	}
}

// obey takes permits for a while.
func (o *orders) obey() error {
	rdb := engine.ClientOf(o.Addr)
	defer rdb.Close()
	var stop atomic.Bool
	var counts [goroutines]int
	times := make([][]int64, goroutines)
	take, grants, end, err := o.limiter()
	if err != nil {
		return err
	}
	take() // the first use of a quota waits for one lease
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	var working sync.WaitGroup
	for i := range goroutines {
		working.Go(func() {
			for !stop.Load() {
				if take() && !stop.Load() {
					counts[i]++
					if o.Usual && o.Note {
						times[i] = append(times[i], time.Now().UnixNano())
					}
				}
			}
		})
	}
	time.Sleep(o.Length)
	stop.Store(true)
	end()
	working.Wait()
	var result outcome
	for _, n := range counts {
		result.Granted += n
	}
	if o.Note {
		all := grants()
		for _, some := range times {
			all = append(all, some...)
		}
		file, err := os.CreateTemp("", "figures")
		if err != nil {
			return err
		}
		result.File = file.Name()
		binary.Write(file, binary.NativeEndian, all)
		file.Close()
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

// limiter returns what takes a permit, what returns the times of the grants, and what ends it.
func (o *orders) limiter() (take func() bool, grants func() []int64, end func(), err error) {
	rdb := engine.ClientOf(o.Addr)
	if o.Usual {
		usual := redis_rate.NewLimiter(rdb)
		limit := redis_rate.PerSecond(o.Rate)
		ctx, cancel := context.WithCancel(context.Background())
		take = func() bool {
			r, err := usual.Allow(ctx, "figures", limit)
			if err != nil || r.Allowed > 0 {
				return err == nil
			}
			select { // as its documentation says
			case <-time.After(r.RetryAfter):
			case <-ctx.Done():
			}
			return false
		}
		return take, func() []int64 { return nil }, cancel, nil
	}
	var opts []scheduler.Option
	noted := new(scheduler.EventLog)
	if o.Note {
		opts = append(opts, noted)
	}
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(o.Rate)}}
	s, err := scheduler.New(limits, append(opts, flowredis.Share(rdb, "figures"))...)
	if err != nil {
		return nil, nil, nil, err
	}
	ctx := context.Background()
	take = func() bool {
		t, err := s.Acquire(ctx)
		t.Release()
		return err == nil
	}
	grants = func() (all []int64) {
		for _, e := range noted.Events() {
			if e.Kind == scheduler.EventGranted {
				all = append(all, e.At.UnixNano())
			}
		}
		return all
	}
	return take, grants, func() { s.Close() }, nil
}

// figures is what one measurement found.
type figures struct {
	perSecond float64
	fair      float64 // min/max between processes
	most      int     // in any second
	processor float64 // seconds of the server's for 1,000 permits
}

func measure(length time.Duration, onlyBinding bool) error {
	fmt.Printf("%d processes of %d goroutines, %v each\n\n", processes, goroutines, length)
	fmt.Printf("%-28s %14s %14s %8s\n", "", "flowredis", "redis_rate", "ratio")
	delays := []time.Duration{0, 20 * time.Millisecond}
	if onlyBinding {
		delays = nil
	}
	for _, delay := range delays {
		name := "permits/s, loopback"
		if delay > 0 {
			name = fmt.Sprintf("permits/s, %v round trip", delay)
		}
		ours, err := run(orders{Rate: 100_000_000, Length: length}, delay)
		if err != nil {
			return err
		}
		theirs, err := run(orders{Rate: 100_000_000, Length: length, Usual: true}, delay)
		if err != nil {
			return err
		}
		fmt.Printf("%-28s %14.0f %14.0f %8.1f\n", name, ours.perSecond, theirs.perSecond, ours.perSecond/theirs.perSecond)
	}
	const binding = 1000
	ours, err := run(orders{Rate: binding, Length: length, Note: true}, 0)
	if err != nil {
		return err
	}
	theirs, err := run(orders{Rate: binding, Length: length, Note: true, Usual: true}, 0)
	if err != nil {
		return err
	}
	fmt.Printf("at a binding 1,000/s:\n")
	fmt.Printf("%-28s %14.3f %14.3f\n", "  use", ours.perSecond/binding, theirs.perSecond/binding)
	fmt.Printf("%-28s %14.2f %14.2f\n", "  min/max between processes", ours.fair, theirs.fair)
	fmt.Printf("%-28s %14d %14d\n", "  most in any second", ours.most, theirs.most)
	fmt.Printf("%-28s %14.2f %14.2f %8.1f\n", "  server's ms per 1,000", ours.processor*1000, theirs.processor*1000, theirs.processor/ours.processor)
	return nil
}

// run makes one measurement with a server of its own.
func run(o orders, roundTrip time.Duration) (f figures, err error) {
	dir, err := os.MkdirTemp("", "figures")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	server, err := engine.Start(dir)
	if err != nil {
		return f, err
	}
	defer server.Kill()
	o.Addr = server.Addr
	if roundTrip > 0 {
		line, err := engine.NewSlowLine(server.Addr, roundTrip/2)
		if err != nil {
			return f, err
		}
		defer line.Close()
		o.Addr = line.Addr
	}
	text, err := json.Marshal(o)
	if err != nil {
		return f, err
	}
	type process struct {
		in  io.WriteCloser
		out *bufio.Reader
		cmd *exec.Cmd
	}
	var all []process
	for range processes {
		p := process{cmd: exec.Command(os.Args[0])}
		p.cmd.Env = append(os.Environ(), "FIGURES_ORDERS="+string(text))
		p.cmd.Stderr = os.Stderr
		if p.in, err = p.cmd.StdinPipe(); err != nil {
			return f, err
		}
		out, err := p.cmd.StdoutPipe()
		if err != nil {
			return f, err
		}
		p.out = bufio.NewReader(out)
		if err := p.cmd.Start(); err != nil {
			return f, err
		}
		defer p.cmd.Process.Kill()
		all = append(all, p)
	}
	for _, p := range all {
		if _, err := p.out.ReadString('\n'); err != nil {
			return f, err
		}
	}
	time.Sleep(1100 * time.Millisecond) // what the first uses took is over
	before, err := server.Processor()
	if err != nil {
		return f, err
	}
	for _, p := range all {
		fmt.Fprintln(p.in)
	}
	var times []int64
	var each [][]int64
	total := 0
	for _, p := range all {
		var r outcome
		if err := json.NewDecoder(p.out).Decode(&r); err != nil {
			return f, err
		}
		p.cmd.Wait()
		total += r.Granted
		if r.File != "" {
			data, err := os.ReadFile(r.File)
			if err != nil {
				return f, err
			}
			os.Remove(r.File)
			var own []int64
			for ; len(data) >= 8; data = data[8:] {
				own = append(own, int64(binary.NativeEndian.Uint64(data)))
			}
			each, times = append(each, own), append(times, own...)
		}
	}
	after, err := server.Processor()
	if err != nil {
		return f, err
	}
	slices.Sort(times)
	first := 0
	for i, at := range times {
		for times[first] <= at-int64(time.Second) {
			first++
		}
		f.most = max(f.most, i-first+1)
	}
	f.perSecond = float64(total) / o.Length.Seconds()
	if len(times) > 0 {
		// Whole seconds, after the first one, in which the window was empty.
		begin := times[0] + int64(time.Second)
		seconds := (times[len(times)-1] - begin) / int64(time.Second)
		var counts []int
		sum := 0
		for _, own := range each {
			n := 0
			for _, at := range own {
				if at > begin && at <= begin+seconds*int64(time.Second) {
					n++
				}
			}
			counts, sum = append(counts, n), sum+n
		}
		f.perSecond = float64(sum) / float64(seconds)
		f.fair = float64(slices.Min(counts)) / float64(slices.Max(counts))
	}
	f.processor = (after - before).Seconds() / float64(total) * 1000
	return f, nil
}
