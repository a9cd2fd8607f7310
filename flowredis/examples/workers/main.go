// Workers starts three processes that share a quota of 100 permits a second through one server, and kills one
// of them. Look for the largest count in any second: it is exactly the limit.
//
//	go run ./examples/workers
//
// It needs redis-server or valkey-server.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/flowguard-go/flowguard/flowredis"
	"github.com/flowguard-go/flowguard/flowredis/internal/engine"
	"github.com/flowguard-go/flowguard/scheduler"
)

var limits = scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100)}}

func main() {
	log.SetFlags(0)
	var err error
	if addr := os.Getenv("WORKER_ENGINE"); addr != "" {
		err = work(addr)
	} else {
		err = conduct()
	}
	if err != nil {
		log.Fatal(err)
	}
}

// work is a worker: eight goroutines that take permits as fast as they get them, until standard input ends. It prints when
// each permit was granted.
func work(addr string) error {
	rdb := engine.ClientOf(addr) // a redis.NewClient with ContextTimeoutEnabled
	defer rdb.Close()
	s, err := scheduler.New(limits, flowredis.Share(rdb, "example"))
	if err != nil {
		return err
	}
	w, err := s.Watch(10_000)
	if err != nil {
		return err
	}
	var printing sync.WaitGroup
	printing.Go(func() {
		for e := range w.Events() {
			if e.Kind == scheduler.EventGranted {
				fmt.Println(e.At.UnixNano())
			}
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	for range 8 {
		go func() {
			for {
				t, err := s.Acquire(ctx)
				if err != nil {
					return
				}
				t.Release()
			}
		}()
	}
	io.Copy(io.Discard, os.Stdin)
	cancel()
	err = s.Close()
	printing.Wait()
	return err
}

// worker is a process, and what it printed.
type worker struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	grants []int64
	done   chan struct{}
}

func begin(addr string) (*worker, error) {
	w := &worker{cmd: exec.Command(os.Args[0]), done: make(chan struct{})}
	w.cmd.Env = append(os.Environ(), "WORKER_ENGINE="+addr)
	w.cmd.Stderr = os.Stderr
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if w.stdin, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	go func() {
		defer close(w.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var at int64
			if _, err := fmt.Sscan(lines.Text(), &at); err == nil {
				w.grants = append(w.grants, at)
			}
		}
	}()
	return w, w.cmd.Start()
}

// conduct starts the server and the workers, and kills one worker.
func conduct() error {
	dir, err := os.MkdirTemp("", "flowredis")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := engine.Start(dir)
	if err != nil {
		return err
	}
	defer server.Kill()
	var workers []*worker
	for range 3 {
		w, err := begin(server.Addr)
		if err != nil {
			return err
		}
		defer w.cmd.Process.Kill()
		workers = append(workers, w)
	}
	time.Sleep(3 * time.Second)
	workers[1].cmd.Process.Kill()
	fmt.Println("worker 1 is killed after 3 s")
	time.Sleep(3 * time.Second)
	var all []int64
	for i, w := range workers {
		w.stdin.Close()
		<-w.done
		w.cmd.Wait()
		fmt.Printf("worker %d was granted %d\n", i, len(w.grants))
		all = append(all, w.grants...)
	}
	slices.Sort(all)
	most, first := 0, 0
	for i, at := range all {
		for all[first] <= at-int64(time.Second) {
			first++
		}
		most = max(most, i-first+1)
	}
	fmt.Printf("most in any second: %d of %v\n", most, limits)
	if most > 100 {
		return fmt.Errorf("the limit was exceeded")
	}
	return nil
}
